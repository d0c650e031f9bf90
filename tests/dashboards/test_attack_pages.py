"""A page of another origin in real Chromium, against the mock's services and our pages: nothing changes, nothing
is read; and the one way in, a bucket's own CORS rules, works with the very same requests."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dashboards import browser
from etholake import aws
from etholake.pages.dashboards import definitions
from etholake.pages.dashboards.server import DashboardServer
from etholake.pages.token_server import TokenServer
from etholake.pages.video import server as video_server
from etholake.settings import Settings

EVIL = "evil.example"


def script(name: str) -> str:
    """Return a script without its first line, a comment."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8").partition("\n")[2]


ATTEMPTS, ON_A_TOKEN = script("attack.js"), script("attack_token.js")


class _Page(BaseHTTPRequestHandler):
    """An empty page of the attacker's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>attack</title><body>")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serving(server: ThreadingHTTPServer) -> ThreadingHTTPServer:
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@dataclass
class Asked:
    """Return how often our pages' servers have asked Athena."""

    times: list[str] = field(default_factory=list)

    def ask(self, sql: str, _: Sequence[str]) -> tuple[list[str], list[Any]]:
        self.times.append(sql)
        return [], []


@pytest.fixture(scope="module")
def attacker() -> Iterator[int]:
    """The port of a server with the attacker's page."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Page)) as server:
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def evil_browser(chromium_browser: Any) -> Iterator[Any]:
    """Chromium for which evil.example is this machine: a name that was rebound."""
    running = browser.launch(chromium_browser.browser_type, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1")
    yield running
    running.close()


@pytest.fixture
def pages() -> Iterator[tuple[list[str], Asked]]:
    """The addresses of the dashboards' page and of a video's, with live queries; and what they have asked."""
    asked = Asked()
    servers = [
        serving(DashboardServer(definitions.load(), "db", "Facts.", asked.ask)),
        serving(
            video_server.VideoServer(
                lambda: asked.ask("page", ()) and "page",
                lambda n: b"slice",
                lambda: asked.ask("seconds", ()) and "",
                1,
            )
        ),
    ]
    yield [f"http://127.0.0.1:{server.server_port}/" for server in servers], asked
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def bucket(mock_settings: Settings) -> str:
    """A bucket with a script, a picture, a style sheet and a page."""
    s3 = aws.client(mock_settings, "s3")
    s3.create_bucket(Bucket="attacked")
    for key, kind, body in (
        ("secret.js", "text/javascript", b"window.secret = 1"),
        ("picture.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"),
        ("style.css", "text/css", b"body {}"),
        ("page.html", "text/html", b"<script>fetch('/attacked/attack', {method: 'PUT', body: 'x'});"
         b"fetch('/attacked/secret.js').then(a => a.text()).then(t => document.title = t)"
         b".catch(() => document.title = 'refused')</script>"),
    ):  # fmt: skip
        s3.put_object(Bucket="attacked", Key=key, Body=body, ContentType=kind)
    return "attacked"


def state(settings: Settings) -> dict[str, Any]:
    """All that the attacks are after."""
    s3 = aws.client(settings, "s3")
    stacks = aws.client(settings, "cloudformation").list_stacks()["StackSummaries"]
    return {
        "objects": [(o["Key"], o["ETag"]) for o in s3.list_objects_v2(Bucket="attacked").get("Contents", [])],
        "jobs": [j["TrainingJobName"] for j in
                 aws.client(settings, "sagemaker").list_training_jobs()["TrainingJobSummaries"]],
        "databases": [d["Name"] for d in aws.client(settings, "glue").get_databases()["DatabaseList"]],
        "stacks": [s["StackName"] for s in stacks],
        "topics": aws.client(settings, "sns").list_topics()["Topics"],
    }  # fmt: skip


@pytest.mark.parametrize("host", [EVIL, "localhost", "127.0.0.1"], ids=["cross-site", "other name", "same site"])
def test_a_foreign_page_changes_nothing_and_reads_nothing(
    evil_browser: Any,
    attacker: int,
    pages: tuple[list[str], Asked],
    bucket: str,
    mock_settings: Settings,
    host: str,
) -> None:
    addresses, asked = pages
    before = state(mock_settings)
    assert [key for key, _ in before["objects"]] == ["page.html", "picture.svg", "secret.js", "style.css"]
    shown = evil_browser.new_page()
    shown.goto(f"http://{host}:{attacker}/")
    targets = {"mock": mock_settings.endpoint_url, "pages": addresses, "bucket": bucket}
    assert shown.evaluate(ATTEMPTS, targets) == []
    shown.close()
    assert state(mock_settings) == before
    assert asked.times == []


@pytest.mark.browser
@pytest.mark.parametrize("host", [EVIL, "localhost", "127.0.0.1"], ids=["cross-site", "other name", "same site"])
def test_review_and_desk_do_nothing_for_a_foreign_page_that_knows_their_token(
    evil_browser: Any, attacker: int, host: str
) -> None:
    calls: list[Any] = []
    answer = {"question": lambda given: calls.append(given) or {}}
    change = {"change": lambda given: calls.append(given) or {}}
    server = TokenServer("desk", answer, change)
    serving(server)
    try:
        shown = evil_browser.new_page()
        shown.goto(f"http://{host}:{attacker}/")
        assert shown.evaluate(ON_A_TOKEN, server.url) == []
        assert calls == []
        shown.goto(server.url)  # the page itself may ask
        assert shown.evaluate("fetch('api/question').then(answer => answer.status)") == 200
        assert calls == [{}]
        shown.close()
    finally:
        server.shutdown()
        server.server_close()


def test_a_sandboxed_frame_and_a_page_out_of_a_bucket_are_foreign_too(
    evil_browser: Any, attacker: int, bucket: str, mock_settings: Settings
) -> None:
    before = state(mock_settings)
    shown = evil_browser.new_page()
    shown.goto(f"http://{EVIL}:{attacker}/")
    statuses = shown.evaluate(
        """async ({url}) => {
          const frame = Object.assign(document.createElement('iframe'), {sandbox: 'allow-scripts'});
          frame.srcdoc = `<script>Promise.allSettled([
              fetch('${url}/attack', {method: 'PUT', body: 'x'}), fetch('${url}/secret.js'),
              fetch('${url}', {method: 'POST', mode: 'no-cors', body: 'x'})])
            .then(all => parent.postMessage(all.map(one => one.status), '*'))</script>`;
          const statuses = new Promise(done => addEventListener('message', event => done(event.data)));
          document.body.append(frame);
          return await statuses;
        }""",
        {"url": f"{mock_settings.endpoint_url}/{bucket}"},
    )
    assert statuses == ["rejected", "rejected", "fulfilled"]  # the last is opaque: whether it acted is seen below
    shown.goto(f"{mock_settings.endpoint_url}/{bucket}/page.html")  # as a link would
    shown.wait_for_function("document.title === 'refused'")
    shown.close()
    assert state(mock_settings) == before


def test_a_rebound_name_is_answered_by_nobody(
    evil_browser: Any, pages: tuple[list[str], Asked], bucket: str, mock_settings: Settings
) -> None:
    addresses, asked = pages
    shown = evil_browser.new_page()
    for address in [f"{mock_settings.endpoint_url}/{bucket}/secret.js", *addresses]:
        answer = shown.goto(address.replace("127.0.0.1", EVIL))
        assert answer.status == 403
        assert "this machine" in answer.text() or "own address" in answer.text()
    shown.close()
    assert asked.times == []


def test_tabs_still_open_our_pages_and_objects(
    evil_browser: Any, attacker: int, pages: tuple[list[str], Asked], bucket: str, mock_settings: Settings
) -> None:
    """By an address that is typed, and by a link on somebody's page."""
    addresses, _ = pages
    shown = evil_browser.new_page()
    for address in [*addresses, f"{mock_settings.endpoint_url}/{bucket}/secret.js"]:
        assert shown.goto(address).status == 200
        shown.goto(f"http://{EVIL}:{attacker}/")
        shown.evaluate("url => { document.body.innerHTML = `<a href='${url}'>link</a>` }", address)
        with shown.expect_navigation() as navigation:
            shown.click("a")
        assert navigation.value.status == 200
    shown.close()


def test_a_buckets_own_rules_are_the_way_in(
    evil_browser: Any, attacker: int, bucket: str, mock_settings: Settings
) -> None:
    s3 = aws.client(mock_settings, "s3")
    s3.put_object(Bucket=bucket, Key="gone", Body=b"")
    origin = f"http://{EVIL}:{attacker}"
    methods = ["GET", "PUT", "DELETE", "POST"]
    rules = [{"AllowedOrigins": [origin], "AllowedMethods": methods, "AllowedHeaders": ["x-amz-*"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    post = s3.generate_presigned_post(bucket, "by-form", Conditions=[])
    shown = evil_browser.new_page()
    shown.goto(origin)
    answers = shown.evaluate(
        """async ({url, post}) => {
          const form = new FormData();
          for (const [name, value] of Object.entries(post.fields)) form.append(name, value);
          form.append('file', new Blob(['by form']));
          const answers = [
            await fetch(url + '/secret.js'),
            await fetch(url + '/by-put', {method: 'PUT', body: 'by put', headers: {'x-amz-meta-a': 'b'}}),
            await fetch(url + '/gone', {method: 'DELETE'}),
            await fetch(post.url, {method: 'POST', body: form}),
          ];
          return Promise.all(answers.map(async a => [a.status, await a.text()]));
        }""",
        {"url": f"{mock_settings.endpoint_url}/{bucket}", "post": post},
    )
    shown.close()
    assert answers == [[200, "window.secret = 1"], [200, ""], [204, ""], [204, ""]]
    assert s3.get_object(Bucket=bucket, Key="by-form")["Body"].read() == b"by form"
    assert s3.get_object(Bucket=bucket, Key="by-put")["Metadata"] == {"a": "b"}
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert "gone" not in keys
    for key in ("by-form", "by-put"):
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket_cors(Bucket=bucket)
