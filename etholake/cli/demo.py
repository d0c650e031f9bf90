"""``make demo``: every stage in order on this machine, then one page that says what came of it.

Uses the mock that runs, else starts one at the port that was asked for (PORT, --port) or at a free one, and stops
what it started, whatever happens.
"""

from __future__ import annotations

import csv
import dataclasses
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake import aws, local_server, logs, settings
from etholake.code_fingerprint import module_fingerprint
from etholake.contract import CURATED_ZONE, RAW_ZONE
from etholake.digest import fingerprint
from etholake.errors import UsageError
from etholake.progress import OnProgress, progress
from etholake.result import StageResult
from etholake.settings import AUTO, Settings
from etholake.video.recipe import ClipRecipe

if TYPE_CHECKING:
    from etholake.events.types import Event

__all__ = ["run"]

# The simulated default: small enough for a laptop's lunch break, heterogeneous enough to be a lake.
SIMULATED: dict[str, Any] = {"labs": 4, "videos": 6, "seconds": 75.0, "seed": 0, "dirt": 0.1}
# With films: short ones, because every frame of every animal goes through the clips and the network.
FILMED: dict[str, Any] = {"labs": 2, "videos": 3, "test_videos": 1, "seconds": 30.0, "seed": 0, "dirt": 0.0}
FILM_PX = 160
FILM_CONFIG = "video_pose:tiny"
FILM_CLIPS = ClipRecipe(length=16, stride=16, crop_size=32, pad_ratio=0.5)
WIDTH = 100  # columns of the page


@dataclasses.dataclass(frozen=True)
class _Line:
    result: StageResult
    seconds: float


@dataclasses.dataclass(frozen=True)
class _Shown:
    """The video that the page at the end is about; `span` (start_frame, stop_frame) of it was held out."""

    video: int
    lab: str
    span: tuple[int, int]
    truth: list[Event]
    predicted: list[Event]


def run(
    current: Settings,
    *,
    data: Path | None = None,
    keep_running: bool = False,
    own_port: bool = False,
    filmed: bool = False,
) -> None:
    """Run all stages on `data` (default: the `data` setting, else simulated) and print the page.

    Parameters
    ----------
    filmed
        Make clips of the videos in the data, and train a model of their pixels.
    own_port
        The user asked for the port of `current`: it is used. Otherwise a free one is, so that the demo runs beside
        whatever has the default port.

    Raises the EtholakeError of the stage that failed; what was done before stays and is not done again.
    """
    began = time.monotonic()
    local_server.require_java(current)
    with _mock(current, keep_running, own_port) as at:
        folder, simulated = _data_folder(at, data, filmed)
        pipeline = _Pipeline(at, filmed)
        pipeline.run_all(folder, simulated)
        print(pipeline.page(folder, simulated, time.monotonic() - began), flush=True)


@contextmanager
def _mock(current: Settings, keep_running: bool, own_port: bool) -> Iterator[Settings]:
    wanted = keep_running or own_port or local_server.running(current) is not None
    running = local_server.up(current if wanted else settings.replace_port(current, 0))
    at = settings.replace_port(current, running.port)
    aws.export(at)
    _say(f"mock      {'started' if running.started else 'already running'} at {running.url}")
    try:
        yield at
    finally:
        if running.started and not keep_running:
            local_server.down(at)


def _data_folder(current: Settings, data: Path | None, filmed: bool) -> tuple[Path, bool]:
    """Return (folder, whether it is simulated). A simulated one is made once and kept.

    Raises UsageError for a folder without videos where there must be some.
    """
    named = data or (Path(current.data) if current.data else None)
    if named:
        if filmed and not (named / "videos").is_dir():
            raise UsageError(f"--video needs videos, and {named} has no folder videos/<lab>/ (docs/video.md).")
        return named, False
    from etholake import simulate
    from etholake.simulate import Filming

    files = sorted(Path(simulate.__file__).parent.glob("*.py"))
    code = [module_fingerprint(file.read_bytes(), file.name) for file in files]
    options = FILMED if filmed else SIMULATED
    folder = Path(current.state_dir) / f"simulated-{fingerprint(options, code)}"
    if not (folder / "train.csv").is_file():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with progress("simulate") as on_progress:
            filming = Filming(FILM_PX) if filmed else None
            simulate.simulate(partial, **options, filming=filming, on_progress=on_progress)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return folder, True


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


class _Pipeline:
    """The stages of one demo, their results and timings."""

    def __init__(self, current: Settings, filmed: bool) -> None:
        self.settings, self.filmed = current, filmed
        self.lines: list[_Line] = []
        self.submission = Path(current.state_dir) / "submission.csv"
        self.evaluation = Path(current.state_dir) / "evaluation.html"
        self.scores: dict[str, Any] = {}
        self.shown: _Shown
        self.pages: dict[str, Path] = {}
        self.film: Path | None = None  # the shown video with its events drawn over

    def run_all(self, folder: Path, simulated: bool) -> None:
        """Run the stages from ingest to evaluate, in order, then write the pages to look at."""
        from etholake.stages.cloud import deploy
        from etholake.stages.lake import clips, etl, ingest, query
        from etholake.stages.model import evaluate, train
        from etholake.stages.model.training_result import held_out_spans
        from etholake.stages.reports import dashboards, overlay, video
        from etholake.stages.serving import predict, serve

        at, options = self.settings, train.TrainingOptions()
        config = at.config
        if self.filmed and config == AUTO:
            config = FILM_CONFIG
        elif config == AUTO and simulated:
            config = "tiny"
        elif config == AUTO:  # as `auto`, but a demo shows videos that were held out
            config, options, _ = train.recommended(config, options)
            options = dataclasses.replace(options, everything=False)
        self._stage("deploy", lambda _: deploy.run(at))
        self._stage("ingest", lambda tick: ingest.run(at, folder, tick))
        self._stage("etl", lambda tick: etl.run(at, tick))
        self._stage("query", lambda _: _reports(at, query))
        if self.filmed:
            made = self._stage("clips", lambda tick: clips.run(at, FILM_CLIPS, on_progress=tick))
            options = dataclasses.replace(options, clips=made.details["clip_set"])
        trained = self._stage("train", lambda tick: train.run(at, config, options=options, on_progress=tick))
        self._stage("serve", lambda _: serve.run(at))
        predicted = self._stage(
            "predict", lambda tick: predict.run(at, "train", None, self.submission, on_progress=tick)
        )
        evaluated = self._stage(
            "evaluate",
            lambda _: evaluate.run(
                at,
                folder,
                self.submission,
                run_id=predicted.details["run_id"],
                spans=held_out_spans(trained.details["split"]),
                page=self.evaluation,
            ),
        )
        self.scores = evaluated.details["scores"]
        self.shown = self._most_telling(folder)
        state, pages = Path(at.state_dir), []
        if self.shown.predicted:
            run_id, out = predicted.details["run_id"], state / f"video-{self.shown.video}.html"
            pages.append(self._stage("video", lambda tick: video.run(at, self.shown.video, out, run_id, tick)))
            if self.filmed:
                self.film = state / f"overlay-{self.shown.video}.mp4"
                self._stage("overlay", lambda _: overlay.run(at, self.shown.video, self.film, run_id=run_id))
        dashboard = state / "dashboards.html"  # last: it links to the pages of videos beside it
        pages.append(self._stage("dashboards", lambda tick: dashboards.run(at, dashboard, tick)))
        self.pages = {result.stage: Path(result.details["page"]) for result in reversed(pages)}

    def _stage(self, name: str, work: Callable[[OnProgress], StageResult]) -> StageResult:
        began = time.monotonic()
        with progress(name) as on_progress, logs.stage(name):
            result = work(on_progress)
            logs.add_result(result)
        self.lines.append(_Line(result, time.monotonic() - began))
        _say(f"{name:<9} {self.lines[-1].seconds:6.1f} s  {result.status}: {result.summary}")
        return result

    def page(self, folder: Path, simulated: bool, seconds: float) -> str:
        """Return the page at the end."""
        from etholake.stages.lake import query
        from etholake.stages.model import evaluate

        at = self.settings
        kind = "simulated: no scientific claim rests on them" if simulated else "your tracks"
        blocks = [
            ["", "=" * WIDTH, f"Etholake demo: {folder} ({kind}), {seconds:.0f} s"],
            ["", "What was processed"],
            [f"  {x.result.stage:<9} {x.seconds:6.1f} s  {x.result.summary}" for x in self.lines],
            ["", "Held-out videos, the official score (MABe F-beta)"],
            [f"  {line}" for line in evaluate.lines(self.scores)],
        ]
        for name in ("lake_overview", "scores_by_lab"):
            result = query.run_report(at, name, {})
            blocks.append(["", f"Athena: {name} ({result.scanned_bytes:,} bytes scanned)"])
            blocks.append([f"  {line}" for line in query.format_rows(result, "table").splitlines()])
        blocks += [["", *self._ethogram(folder)], ["", *self._where()], ["", *self._look()]]
        return "\n".join(line for block in blocks for line in block)

    def _most_telling(self, folder: Path) -> _Shown:
        """Return the held-out video with most annotated events; one with predictions, if there is any."""
        from etholake.events import submission
        from etholake.stages.model import evaluate
        from etholake.stages.model.training_result import held_out_spans

        train = next(x.result for x in self.lines if x.result.stage == "train")
        spans = held_out_spans(train.details["split"])
        truth = evaluate.read_truth(folder, list(spans)).events
        predicted = submission.read_csv(self.submission)
        counts = Counter(e.video_id for e in truth if spans[e.video_id][0] <= e.start_frame < spans[e.video_id][1])
        guessed = {e.video_id for e in predicted}
        video = max(spans, key=lambda v: (v in guessed, counts[v], v))
        return _Shown(
            video,
            _lab(train.details["split"], video),
            spans[video],
            [e for e in truth if e.video_id == video],
            [e for e in predicted if e.video_id == video],
        )

    def _ethogram(self, folder: Path) -> list[str]:
        """Return the ethogram of the shown video as text, and save its picture."""
        from etholake.evaluation.ethogram import Ethogram

        shown = self.shown
        title = f"Video {shown.video} ({shown.lab}), held out"
        drawn = Ethogram(title, _fps(folder, shown.video), *shown.span, shown.truth, shown.predicted)
        png = Path(self.settings.state_dir) / f"ethogram-{shown.video}.png"
        drawn.save_png(png)
        return [*drawn.text(WIDTH).splitlines(), f"  picture: {png}"]

    def _look(self) -> list[str]:
        names = {"dashboards": "dashboards", "video": f"video {self.shown.video}"}
        width = max(len(names[stage]) for stage in self.pages)
        pages = self.pages.items()
        return [
            "Look at it in a browser",
            *(f"  {names[stage]:<{width}}  {page.resolve().as_uri()}" for stage, page in pages),
            *([f"  {'film':<{width}}  {self.film.resolve().as_uri()}"] if self.film else []),
        ]

    def _where(self) -> list[str]:
        at = self.settings
        on_disk = at.target == "mock"
        root = Path(at.s3_root) / at.bucket if on_disk else f"s3://{at.bucket}"
        return [
            "Where things lie",
            f"  raw data     {root}/{RAW_ZONE}",
            f"  curated      {root}/{CURATED_ZONE}   (tables in database '{at.database}')",
            f"  submission   {self.submission}",
            f"  evaluation   {self.evaluation}   (a page with ethograms)",
            f"  logs         {at.state_dir}",
            "How to go on",
            "  make up                                     lake and endpoint again",
            "  make query ARGS='--list'                    the reports; --sql \"SELECT …\" for your own",
            "  make demo DATA=<folder in the MABe layout>  the same on your tracks",
        ]


def _reports(current: Settings, query: Any) -> StageResult:
    """Create the views and run every report that needs no parameter."""
    views = query.create_views(current)
    ran = [name for name, _ in query.list_reports(without_parameters=True)]
    for name in ran:
        query.run_report(current, name, {})
    return StageResult("query", "done", f"{len(views)} views, {len(ran)} reports answered", {"reports": ran})


def _lab(split: Mapping[str, Sequence[Mapping[str, Any]]], video: int) -> str:
    return next(str(s["lab_id"]) for s in split["test"] if s["video_id"] == video)


def _fps(folder: Path, video: int) -> float:
    with (folder / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        return next(
            float(row["frames_per_second"]) for row in csv.DictReader(file) if row["video_id"] == str(video)
        )
