"""The addresses under which moto's server finds this Athena."""

from local_mock.athena.responses import Response

url_bases = [r"https?://athena\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/$": Response.dispatch}
