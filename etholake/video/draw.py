"""Draw key points, boxes and words on pictures, and put pictures side by side on one sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.video.windows import TARGET_PREFIX, ClipWindow

__all__ = ["COLOURS", "contact_sheet", "draw_points", "labelled", "write_png"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
# Okabe and Ito's colours, which people with other colour vision tell apart.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
_HEAD = 14  # px of a tile's line of text


def draw_points(picture: Pixels, points_K3: Floats, colour: tuple[int, int, int], radius: int = 2) -> None:
    """Draw finite points [K, 3] (x, y, confidence) as small squares into the picture; in place."""
    height, width = picture.shape[:2]
    for x, y in points_K3[:, :2][np.isfinite(points_K3[:, :2]).all(axis=1)]:
        left, top = round(float(x)), round(float(y))
        if -radius <= left < width + radius and -radius <= top < height + radius:
            rows = slice(max(0, top - radius), max(0, top + radius + 1))
            columns = slice(max(0, left - radius), max(0, left + radius + 1))
            picture[rows, columns] = colour


def labelled(picture: Pixels, text: str, colour: tuple[int, int, int] = (255, 255, 255)) -> Pixels:
    """Return the picture below a black line with the text, which is cut to its width."""
    from PIL import Image, ImageDraw

    head = Image.new("RGB", (picture.shape[1], _HEAD))
    ImageDraw.Draw(head).text((2, 1), text, fill=colour)
    return np.concatenate([np.asarray(head), picture])


def contact_sheet(
    windows: Iterable[ClipWindow], columns: int = 4, per_window: int = 2, captions: Sequence[str] = ()
) -> Pixels:
    """Return one picture [H, W, 3] of windows: each with `per_window` frames, key points over them, and its name.

    Points of an agent and of a target have two colours. Windows of different sizes are padded. No window gives an
    empty tile that says so.
    """
    tiles = []
    for number, window in enumerate(windows):
        chosen = np.linspace(0, len(window.frames) - 1, min(per_window, len(window.frames))).astype(int)
        pictures = []
        for at in chosen:
            picture = window.frames[at].copy()
            target = np.array([part.startswith(TARGET_PREFIX) for part in window.parts], bool)
            for which, colour in ((~target, COLOURS[0]), (target, COLOURS[1])):
                draw_points(picture, window.keypoints[at][which], colour, max(1, len(picture) // 80))
            pictures.append(picture)
        index = window.index
        animals = f"{index.agent_id}" if index.target_id is None else f"{index.agent_id}>{index.target_id}"
        caption = (
            captions[number] if number < len(captions) else f"{index.video_id} {animals} f{index.first_frame}"
        )
        tiles.append(labelled(np.concatenate(pictures, axis=1), caption))
    if not tiles:
        return labelled(np.zeros((16, 120, 3), np.uint8), "no window")
    height, width = max(t.shape[0] for t in tiles), max(t.shape[1] for t in tiles)
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * height, min(columns, len(tiles)) * width, 3), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def write_png(path: Path, picture: Pixels) -> None:
    """Write a picture atomically."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    Image.fromarray(picture).save(partial, "PNG")
    partial.replace(path)
