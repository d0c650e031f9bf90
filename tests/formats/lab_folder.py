"""Write small folders as labs have them: DeepLabCut csvs, BORIS tables, `.annot` files, mp4 videos."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

BORIS_COLUMNS = "Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status"


def walk_xy(frames: int, animals: int, parts: int) -> np.ndarray:
    """Return tracks [frames, animals, parts, 2]: animal a walks along x from 100 a, parts are 10 px apart in y."""
    xy = np.zeros((frames, animals, parts, 2))
    xy[..., 0] = 100 * (1 + np.arange(animals))[None, :, None] + np.arange(frames)[:, None, None] * 0.5
    xy[..., 1] = 50 + 10 * np.arange(parts)
    return xy


def deeplabcut_csv(
    path: Path,
    xy: np.ndarray,
    parts: Sequence[str],
    animals: Sequence[str] | None = None,
    likelihood: np.ndarray | None = None,
    scorer: str = "DLC_resnet50_openfieldMay7shuffle1_500000",
) -> Path:
    """Write tracks [frames, animals, parts, 2] as DeepLabCut does; NaN is an empty cell."""
    frames, A, P, _ = xy.shape
    likelihood = np.full((frames, A, P), 0.99) if likelihood is None else likelihood
    names = animals or [""]
    columns = [(a, p, c) for a in range(A) for p in range(P) for c in ("x", "y", "likelihood")]
    lines = [["scorer", *([scorer] * len(columns))]]
    if animals:
        lines.append(["individuals", *(names[a] for a, _, _ in columns)])
    lines.append(["bodyparts", *(parts[p] for _, p, _ in columns)])
    lines.append(["coords", *(c for _, _, c in columns)])
    for t in range(frames):
        cells = [xy[t, a, p, "xy".index(c)] if c != "likelihood" else likelihood[t, a, p] for a, p, c in columns]
        lines.append([str(t), *("" if np.isnan(cell) else repr(float(cell)) for cell in cells)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(line) for line in lines) + "\n", encoding="utf-8")
    return path


def boris_csv(
    path: Path,
    media: str,
    bouts: Sequence[tuple[float, float, str, str]],
    *,
    fps: float = 30.0,
    length: float = 60.0,
) -> Path:
    """Write a BORIS tabular export; `bouts` are (start s, stop s, subject, behaviour)."""
    media = f'"{media}"' if "," in media else media
    rows = [(start, s, b, "START") for start, _, s, b in bouts] + [(stop, s, b, "STOP") for _, stop, s, b in bouts]
    lines = [f"{line},,,,,,," for line in ("Observation id,first", ",", "Media file(s),", f"Player #1,{media}")]
    lines.append(BORIS_COLUMNS)
    lines += [f"{t:.3f},{media},{length:.3f},{fps},{s},{b},,,{status}" for t, s, b, status in sorted(rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def boris_project(
    path: Path,
    observations: Mapping[str, tuple[str, Sequence[tuple[float, float, str, str]]]],
    *,
    behaviours: Sequence[str],
    subjects: Sequence[str] = (),
    fps: float = 30.0,
) -> Path:
    """Write a `.boris` project; `observations` are {id: (media, bouts)}. It stores no START and STOP."""
    written = {}
    for name, (media, bouts) in observations.items():
        events = sorted([t, subject, code, "", ""] for a, b, subject, code in bouts for t in (a, b))
        written[name] = {
            "file": {"1": [media], "2": []}, "type": "MEDIA", "time offset": 0.0, "events": events,
            "media_info": {"length": {media: 60.0}, "fps": {media: fps}},
        }  # fmt: skip
    project = {
        "project_format_version": "7.0",
        "subjects_conf": {str(i): {"key": str(i), "name": name} for i, name in enumerate(subjects)},
        "behaviors_conf": {
            str(i): {"type": "State event", "key": "k", "code": code, "modifiers": ""}
            for i, code in enumerate(behaviours)
        },
        "observations": written,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(project), encoding="utf-8")
    return path


def video_file(path: Path, frames: int, fps: Fraction | int = 30, size: tuple[int, int] = (64, 48)) -> Path:
    """Write an mp4 of grey frames."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 90, np.uint8), format="rgb24")
        for number in range(frames):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
