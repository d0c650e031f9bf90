"""Access of the executing services to objects: straight from the folders, or through an S3 client.

`FolderData` is used where S3 is our own (plain files), `ClientData` where S3 is elsewhere (LocalStack); the
latter keeps downloaded objects in a cache by ETag. Both read every key of S3, and neither writes one that is no
relative path: a service has no reason to, and a job's code that does has lost track of its paths.
"""

from local_mock.data.access import DataAccess, ObjectInfo
from local_mock.data.client import ClientData
from local_mock.data.folder import FolderData

__all__ = ["ClientData", "DataAccess", "FolderData", "ObjectInfo"]
