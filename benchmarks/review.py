"""Measure the review: a long video opens, a correction is saved, the library of 10,000 videos answers.

.venv/bin/python benchmarks/review.py [--hours 5] [--animals 4] [--static] [--quick] [--json]

A mock of its own serves a lake with one simulated video (5 h of 4 animals at 30 frames/s, seven parts each: 15 M
points in row groups as curation writes them; 20,000 predicted and 2,000 annotated bouts). Measured are, in
Chromium where there is one, the time to the first skeleton of the review and of the live video page (`--static`:
and of the page as a file); and requests to the review's own server, as the page makes them: what it needs to open
(events and the first poses), the means by second that it asks for afterwards, one correction with the answer that
the page gets, and pages of a library of 10,000 videos. Seconds are of the wall; "processor" are those of this
process, the mock and its query processes, without the browser: other work on the machine hardly changes them.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from figures import Figure, parser, show

from dashboards import browser
from etholake import aws, local_server
from etholake.contract import arrow_schema
from etholake.curate.parquet import RowGroups
from etholake.generations import generation_prefix, new_generation
from etholake.lake import Lake
from etholake.settings import Settings, replace_port
from etholake.stages.reports import video as video_page
from etholake.stages.review.library import COLUMNS, VideoLibrary
from etholake.stages.review.service import ReviewChoice, make_server

FPS, VIDEO = 30.0, 7
PARTS = ("nose", "ear_left", "ear_right", "neck", "hip_left", "hip_right", "tail_base")
_FIRST_SKELETON = (
    "document.body.dataset.ready && Slices.stats.decoded > 0 && document.getElementById('wait').hidden"
)
KEYS = {"split": "train", "lab_id": "lab", "video_id": VIDEO}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--hours", type=float, default=5.0)
    options.add_argument("--animals", type=int, default=4)
    options.add_argument("--static", action="store_true", help="write the video's page as a file, too: minutes")
    given = options.parse_args()
    hours = min(given.hours, 0.2) if given.quick else given.hours
    with tempfile.TemporaryDirectory(prefix="etholake-review-") as folder:
        settings = Settings(
            port=0, state_dir=f"{folder}/state", s3_root=f"{folder}/s3", bucket="review", workgroup="review"
        )
        running = local_server.up(settings)
        try:
            settings = replace_port(settings, running.port)
            frames = round(hours * 3600 * FPS)
            fill(settings, frames, given.animals)

            def processor() -> float:
                mock = psutil.Process(running.pid)
                every = [psutil.Process(), mock, *mock.children(recursive=True)]
                return float(sum(sum(process.cpu_times()[:2]) for process in every))

            figures = pictures(settings, frames, processor, is_static=given.static)
            figures += measure(settings, frames, processor)
        finally:
            local_server.down(replace(settings, port=0))
    show([*figures, *library(1_000 if given.quick else 10_000)], as_json=given.json)


def fill(settings: Settings, frames: int, animals: int) -> None:
    """Commit the tables that the review reads."""
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    place = {"ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/query-results/"}}
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration=place)
    lake = Lake(s3, glue, settings.bucket, settings.database)
    lake.register()
    about = {**KEYS, "frames_per_second": FPS, "video_duration_sec": frames / FPS, "n_mice": animals,
             "pix_per_cm_approx": 10.0, "video_width_pix": 600, "video_height_pix": 600, "has_tracking": True,
             "has_annotation": True}  # fmt: skip
    put(lake, "metadata_train", [about])
    put(lake, "metadata_test", [])
    put(lake, "labeled_behaviors", [KEYS | {"agent_id": 1, "target_id": 2, "action": "chase"}])
    put(lake, "scores", [], run_id="none")
    one = {"agent_id": 1, "target_id": 2, "action": "chase"}
    bouts = [
        KEYS | one | {"start_frame": int(s), "stop_frame": int(s) + 8} for s in np.linspace(0, frames - 9, 22_000)
    ]
    put(lake, "annotations_enriched", bouts[::11], lab_id="lab")
    put(lake, "predictions", [b | {"confidence": 0.7} for i, b in enumerate(bouts) if i % 11], run_id="r1")
    tracks(lake, frames, animals)
    summaries = [
        KEYS | {"mouse_id": mouse, "bodypart": part, "last_frame": frames - 1, "points_measured": frames}
        for mouse in range(1, animals + 1) for part in PARTS
    ]  # fmt: skip
    put(lake, "track_summary", summaries, split="train", lab_id="lab")


def put(lake: Lake, table: str, rows: list[dict[str, Any]], **partition: str) -> None:
    schema = arrow_schema(table)
    blank = {"bool": False, "string": "", "list<item: string>": []}
    empty = {f.name: None if f.nullable else blank.get(str(f.type), 0) for f in schema}
    content = [empty | {name: value for name, value in row.items() if name in empty} for row in rows]
    lake.replace_table(table, pa.Table.from_pylist(content, schema=schema), "one", partition)


def tracks(lake: Lake, frames: int, animals: int) -> None:
    """Write the points of every animal and part, in the order and the row groups of curation."""
    schema, frame = arrow_schema("tracking_curated"), np.arange(frames, dtype=np.int32)
    sink = io.BytesIO()
    with RowGroups(sink, "tracking_curated") as groups:
        for mouse in range(1, animals + 1):
            at = frame / FPS / 10 + mouse
            for number, part in enumerate(sorted(PARTS)):
                x, y = (20 * wave(at) + number for wave in (np.cos, np.sin))
                columns = {"video_id": VIDEO, "video_frame": frame, "mouse_id": mouse, "bodypart": part,
                           "x": 300 + 10 * x, "y": 300 + 10 * y, "x_cm": x, "y_cm": y,
                           "speed": np.full(frames, 2.0), "is_imputed": False}  # fmt: skip
                values = [column(field, columns.get(field.name), frames) for field in schema]
                groups.add(pa.record_batch(values, schema=schema))
    partition = {"split": "train", "lab_id": "lab"}
    generation = new_generation("one")
    key = generation_prefix("tracking_curated", partition, generation) + "part-00000.parquet"
    lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=sink.getvalue())
    lake.commit("tracking_curated", partition, generation, "one", {"rows": frames * animals * len(PARTS)}, None)


def column(field: pa.Field, values: Any, length: int) -> pa.Array:
    if values is None:
        return pa.nulls(length, field.type)
    if isinstance(values, np.ndarray):
        return pa.array(values.astype(field.type.to_pandas_dtype()))
    return pa.repeat(pa.scalar(values, field.type), length)


def measure(settings: Settings, frames: int, processor: Callable[[], float]) -> list[Figure]:
    """Return the figures of the open video."""
    began = time.perf_counter()
    server = make_server(settings, ReviewChoice("ann"))
    started = time.perf_counter() - began
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = "split=train&lab=lab&video=7"
    before = processor()
    opened, content, size = asked(server, f"video?{where}")
    poses, _, _ = asked(server, f"poses?{where}&slice=0", binary=True)
    worked = processor() - before
    later, _, seconds_size = asked(server, f"seconds?{where}")
    poses_later, _, _ = asked(server, f"poses?{where}&slice={content['slices'] // 2}", binary=True)
    change = {"split": "train", "lab": "lab", "video": "7", "operation": "create", "agent_id": 1,
              "target_id": 2, "action": "chase", "start_frame": 5, "stop_frame": 50,
              "since": content["state"]["changes"]}  # fmt: skip
    first, after, _ = asked(server, "change", change)
    change |= {"start_frame": 60, "stop_frame": 90, "since": after["changes"]}
    saved, after, change_size = asked(server, "change", change)
    assert len(after["bouts"]) == 1, "only the new bout is sent"
    server.shutdown()
    hours = frames / FPS / 3600
    return [
        Figure(f"{hours:.1f} h: open, events and first poses", opened + poses, "s", "< 3", opened + poses < 3),
        Figure("  processor", worked, "s"),
        Figure("  of it the events", opened, "s"),
        Figure("  answer", size / 1e6, "MB"),
        Figure("start of the server, library and views included", started, "s"),
        Figure("poses of another minute", poses_later, "s"),
        Figure("means by second, after opening", later, "s"),
        Figure("  answer", seconds_size / 1e6, "MB"),
        Figure("first correction, which writes the baseline", first, "s"),
        Figure("a correction", saved, "s"),
        Figure("  answer", change_size / 1e3, "kB"),
    ]


def pictures(settings: Settings, frames: int, processor: Callable[[], float], *, is_static: bool) -> list[Figure]:
    """Return the time from the address to the first skeleton, of each page, in a browser."""
    if browser.chromium_path() is None:
        print(browser.NO_CHROMIUM, file=sys.stderr)
        return []
    hours = frames / FPS / 3600
    review, video = make_server(settings, ReviewChoice("ann")), video_page.make_server(settings, VIDEO)
    for server in (review, video):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    addresses = {"review": f"{review.url}?split=train&lab=lab&video={VIDEO}", "video page, live": video.url}
    figures = []
    with tempfile.TemporaryDirectory(prefix="etholake-page-") as folder, browser.chromium() as running:
        if is_static:
            page = Path(folder) / "video.html"
            video_page.run(settings, VIDEO, page)
            addresses["video page, file"] = page.as_uri()
            figures.append(Figure("video page, file: size", page.stat().st_size / 1e6, "MB"))
        for name, address in addresses.items():
            shown = running.new_page()
            before, began = processor(), time.perf_counter()
            shown.goto(address, wait_until="commit")
            while not shown.evaluate(_FIRST_SKELETON):  # `wait_for_function` is not allowed by the page's policy
                assert time.perf_counter() - began < 300, f"no skeleton in five minutes: {address}"
                time.sleep(0.02)
            seconds = time.perf_counter() - began
            figures.append(Figure(f"{hours:.1f} h: {name}, first skeleton", seconds, "s", "< 3", seconds < 3))
            figures.append(Figure("  processor", processor() - before, "s"))
            shown.close()
    for server in (review, video):
        server.shutdown()
    return figures


def asked(server: Any, path: str, body: Any = None, *, binary: bool = False) -> tuple[float, Any, int]:
    """Return (seconds, answer, bytes) of one request of the page."""
    host = f"127.0.0.1:{server.server_address[1]}"
    connection = http.client.HTTPConnection(host, timeout=300)
    headers = {"Content-Type": "application/json", "Origin": f"http://{host}"}
    began = time.perf_counter()
    method, text = ("GET", None) if body is None else ("POST", json.dumps(body))
    connection.request(method, f"/{server.token}/api/{path}", text, headers)
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - began
    assert response.status == 200, content[:500]
    print(f"{path[:40]}: {seconds:.2f} s, {len(content):,} bytes", file=sys.stderr)
    return seconds, None if binary else json.loads(content), len(content)


def library(videos: int) -> list[Figure]:
    """Return the longest answer of a library for each kind of question."""
    row = dict.fromkeys(COLUMNS, 0) | {"split": "train", "reviewers": "", "uncertainty": 0.5, "score": 0.5}
    rows = [
        tuple((row | {"lab_id": f"lab{i % 20}", "video_id": i, "labels": i % 3}).values()) for i in range(videos)
    ]
    index = VideoLibrary(rows)
    questions = [
        {},
        {"search": "77"},
        {"state": "unlabelled", "order": "uncertainty"},
        {"lab": "lab3", "page": "2"},
    ]
    times = []
    for question in questions:
        began = time.perf_counter()
        index.page(question)
        times.append(time.perf_counter() - began)
    return [Figure(f"library of {videos:,} videos, slowest page", max(times), "s", "< 0.3", max(times) < 0.3)]


if __name__ == "__main__":
    main()
