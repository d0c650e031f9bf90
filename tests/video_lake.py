"""A small lake for the video page, whose poses and events can be worked out by hand; how tests look at the page.

Lab `north`, video 41, 25 frames/s, 4,500 frames (five slices). mouse1 walks: its nose is at
x = f % 700 / 50 - 7 cm, y = f / 450 - 5 cm, its tail 4 cm to the left; the tail is filled by curation on frames
100..109. mouse2 stands at (5, 5) cm; its nose is not known on frames 200..299. Nothing is known of mouse1 on
3000..3009. VideoView 43 has no scale: the one part of mouse1, which no skeleton knows, is at (100 + f, 50) px.
"""

from typing import Any

import pyarrow as pa
from playwright.sync_api import expect

from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.lake import query

FPS, FRAMES = 25.0, 4500
TRIPLETS = [(1, 2, "chase"), (1, 1, "rear"), (2, 1, "sniff")]  # what was looked for
ANNOTATED = [(1, 2, "chase", 100, 200), (1, 2, "chase", 1000, 1050), (1, 2, "chase", 3600, 3700),
             (1, 1, "rear", 250, 300), (2, 1, "sniff", 500, 600), (1, 1, "rear", 4200, 4200)]  # fmt: skip
PREDICTED = [(1, 2, "chase", 110, 205, 0.9), (1, 2, "chase", 1040, 1100, 0.5), (1, 1, "rear", 260, 290, 0.75),
             (1, 2, "attack", 700, 750, 0.6), (2, 1, "sniff", 4000, 4040, 0.45)]  # fmt: skip


def pose(frame: int) -> dict[tuple[int, str], tuple[float, float, bool]]:
    """{(mouse, part): (x cm, y cm, imputed)} of what is known at a frame."""
    x, y = frame % 700 / 50 - 7, frame / 450 - 5
    fixed_points = {(2, "tail_base"): (5.0, 5.0, False)}
    if not 3000 <= frame < 3010:
        fixed_points |= {(1, "nose"): (x, y, False), (1, "tail_base"): (x - 4, y, 100 <= frame < 110)}
    if not 200 <= frame < 300:
        fixed_points[2, "nose"] = (8.0, 5.0, False)
    return fixed_points


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    blank = {"bool": False, "string": "", "list<item: string>": []}
    schema = arrow_schema(name)
    empty = {f.name: None if f.nullable else blank.get(str(f.type), 0) for f in schema}
    return pa.Table.from_pylist([empty | row for row in rows], schema=schema)


def fill(lake: Lake, *, tracks: bool = True) -> None:
    """Commit the tables; the tracks only where a test looks at them, because they take a second."""

    def put(name: str, rows: list[dict[str, Any]], **partition: str) -> None:
        lake.replace_table(name, _table(name, rows), "one", partition)

    keys = {"lab_id": "north", "video_id": 41, "split": "train"}
    put("metadata_train", [{**keys, "frames_per_second": FPS, "video_duration_sec": FRAMES / FPS, "n_mice": 2,
        "pix_per_cm_approx": 10.0, "video_width_pix": 400, "video_height_pix": 300, "arena_width_cm": 30.0,
        "arena_height_cm": 20.0, "arena_shape": "rectangular", "has_tracking": True, "has_annotation": True,
        "animal_strains": ["C57BL/6J"], "animal_sexes": ["male"], "tracking_method": "by hand"},
        {**keys, "video_id": 43, "frames_per_second": FPS, "video_duration_sec": 2.0, "video_width_pix": 400,
         "video_height_pix": 300, "has_tracking": True}])  # fmt: skip
    put("metadata_test", [{"lab_id": "north", "video_id": 42, "video_duration_sec": 10.0}])  # no rate, no tracks
    points = [
        {"video_id": 41, "video_frame": f, "mouse_id": mouse, "bodypart": part, "is_imputed": imputed,
         "x": 10 * x + 200, "y": 10 * y + 150, "x_cm": x, "y_cm": y, "speed": 12.5 if mouse == 1 else 0.0}
        for f in range(FRAMES if tracks else 0) for (mouse, part), (x, y, imputed) in pose(f).items()
    ]  # fmt: skip
    whisker = {"video_id": 43, "mouse_id": 1, "bodypart": "whisker"}
    points += [{**whisker, "video_frame": f, "x": 100.0 + f, "y": 50.0, "is_imputed": False} for f in range(50)]
    put("tracking_curated", points, split="train", lab_id="north")
    summaries = [{"video_id": 41, "mouse_id": mouse, "bodypart": part,
                  "last_frame": FRAMES - 1, "points_measured": 9}
              for mouse in (1, 2) for part in ("nose", "tail_base")]  # fmt: skip
    summaries.append({**whisker, "last_frame": 49, "points_measured": 50})
    put("track_summary", summaries, split="train", lab_id="north")
    names = ("agent_id", "target_id", "action", "start_frame", "stop_frame", "confidence")
    annotated = [keys | dict(zip(names, e, strict=False)) for e in ANNOTATED]
    counted = [{"counted_start_frame": e["start_frame"], "counted_stop_frame": e["stop_frame"]} for e in annotated]
    put("annotations_enriched", [a | b for a, b in zip(annotated, counted, strict=True)], lab_id="north")
    put("labeled_behaviors", [keys | dict(zip(names, t, strict=False)) for t in TRIPLETS])
    put("predictions", [keys | dict(zip(names, e, strict=True)) for e in PREDICTED], run_id="r1")
    put("predictions", [keys | dict(zip(names, PREDICTED[0], strict=True))], run_id="r2")


def at_frame(shown: Any, frame: int) -> None:
    """Wait until that frame is drawn."""
    expect(shown.locator("#arena")).to_have_attribute("data-frame", str(frame))


def go_to(shown: Any, frame: int) -> None:
    shown.fill("#frame", str(frame))
    shown.press("#frame", "Enter")
    at_frame(shown, frame)
    shown.focus("#arena")


def drawn(shown: Any) -> tuple[int, dict[tuple[int, str], dict[str, Any]]]:
    """(frame, {(mouse, part): point}) of what the canvas shows."""
    pixels = shown.evaluate("videoPage.drawn()")
    points = {(m["id"], part): p for m in pixels["mice"] for part, p in m["points"].items()}
    return pixels["frame"], points


def watch(shown: Any) -> None:
    """From now on keep (time in ms, frame) of what is drawn, in `window.seen`."""
    shown.evaluate("""() => { window.seen = []; new MutationObserver(() => window.seen.push(
        [performance.now(), videoPage.drawn().frame])).observe(document.getElementById('arena'),
        { attributeFilter: ['data-frame'] }) }""")


def lake_pose(
    settings: Settings, frames: list[int]
) -> dict[int, dict[tuple[int, str], tuple[float, float, bool]]]:
    """Return what the lake's rows say, by frame."""
    answer = query.run_sql(settings, f"""SELECT video_frame, mouse_id, bodypart, x_cm, y_cm, is_imputed
        FROM tracking_curated WHERE video_id = 41 AND video_frame IN ({", ".join("?" * len(frames))})""",
        [str(f) for f in frames])  # fmt: skip
    points: dict[int, dict[tuple[int, str], tuple[float, float, bool]]] = {f: {} for f in frames}
    for frame, mouse, part, x, y, imputed in answer.rows:
        points[frame][mouse, part] = (x, y, imputed)
    return points


def rows_of(shown: Any) -> list[list[str]]:
    return [r.split("\t") for r in shown.locator("#list tbody tr").all_inner_texts()]


def pick(shown: Any, name: str, value: str) -> None:
    shown.click(f"#pick-{name}")
    shown.check(f"[data-pick={name}] input[value='{value}']")
    shown.keyboard.press("Escape")
