"""Draw simulated mice: bodies with fur, shading and shadows on bedding, seen by a `Camera`. Deterministic.

An animal is a surface of overlapping spheres along its spine, lit from one side, with the texture of a fur that is
fixed to its body. Only the patch around an animal is computed, so that a frame costs a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etholake.simulate.camera import Camera

__all__ = ["BODY", "PARTS", "boxes", "render"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

# Spheres of the trunk: (part, part, share of the way, radius in cm).
_SPHERES: tuple[tuple[str, str, float, float], ...] = (
    ("nose", "head", 0.2, 0.30), ("nose", "head", 0.8, 0.60), ("head", "neck", 0.5, 0.85),
    ("neck", "spine_1", 0.5, 1.0), ("spine_1", "body_center", 0.7, 1.25), ("body_center", "spine_2", 0.5, 1.45),
    ("spine_2", "tail_base", 0.3, 1.45), ("spine_2", "tail_base", 0.7, 1.0),
)  # fmt: skip
_EARS = ("ear_left", "ear_right")
_PAWS = ("forepaw_left", "forepaw_right", "hindpaw_left", "hindpaw_right")
_TAIL = ("tail_base", "tail_middle_1", "tail_midpoint", "tail_middle_2", "tail_tip")
BODY = ("nose", "head", "neck", "spine_1", "body_center", "spine_2", "tail_base", *_EARS, *_PAWS)
PARTS = (*BODY, *_TAIL[1:])
"""The parts that `render` needs, in its order."""
_AT = {part: number for number, part in enumerate(PARTS)}
_EAR_CM, _PAW_CM, _TAIL_CM, _BORDER_CM = 0.55, 0.35, 0.22, 1.6
_COATS = ((46, 42, 40), (226, 222, 216), (122, 88, 60), (168, 150, 124))  # black, white, brown, agouti
_SKIN = (214, 160, 150)
_LIGHT = np.array([-0.5, -0.6, 0.62], np.float32)
_NOISE_BANK = 16


@dataclass(frozen=True)
class _Look:
    """Appearance of one animal: colours [3] and a tile of fur [64, 64]."""

    coat: Floats
    skin: Floats
    fur: Floats


def boxes(pixels_TMP2: Floats) -> Floats:
    """Return the true boxes [T, M, 4] in pixels (x0, y0, x1, y1): around all drawn parts but the tail.

    `pixels_TMP2` has the parts `PARTS`; the base of the tail counts.
    """
    body = pixels_TMP2[:, :, : len(BODY)]
    return np.concatenate([body.min(axis=2), body.max(axis=2)], axis=-1).astype(np.float32)


def render(pixels_TMP2: Floats, camera: Camera, random: np.random.Generator) -> Iterator[Pixels]:
    """Yield the frames of a video: uint8 [H, W] gray or [H, W, 3] RGB.

    Parameters
    ----------
    pixels_TMP2
        float32 [T, M, P, 2]: the parts `PARTS` of every animal, in pixels of the camera.
    random
        Decides bedding, coats and noise.
    """
    channels = 3 if camera.colour else 1
    floor = _bedding(camera, channels, random)
    looks = [_look(number, channels, camera, random) for number in range(pixels_TMP2.shape[1])]
    bank = random.normal(0, 3.0, (_NOISE_BANK, camera.height_px, camera.width_px, 1)).astype(np.float32)
    offsets = random.integers(0, [_NOISE_BANK, camera.height_px], (len(pixels_TMP2), 2))
    for points_MP2, (which, shift) in zip(pixels_TMP2, offsets, strict=True):
        frame = floor.copy()
        for look, points in zip(looks, points_MP2, strict=True):
            _draw(frame, points, look, camera)
        noise = bank[which]
        frame[shift:] += noise[: camera.height_px - shift]
        frame[:shift] += noise[camera.height_px - shift :]
        np.clip(frame, 0, 255, out=frame)
        picture = frame.astype(np.uint8)
        yield picture if camera.colour else picture[..., 0]


def _look(number: int, channels: int, camera: Camera, random: np.random.Generator) -> _Look:
    paler = 1.15 if camera.below else 1.0  # bellies are paler
    coat: Floats = (np.array(_COATS[number % len(_COATS)]) * paler).astype(np.float32)
    skin = np.array(_SKIN, np.float32)
    if channels == 1:
        coat, skin = coat.mean(keepdims=True, dtype=np.float32), skin.mean(keepdims=True, dtype=np.float32)
    noise = random.standard_normal((64, 64))
    hairs = sum(np.roll(noise, row, 0) for row in range(4)) / 2  # they lie along the body
    return _Look(coat, skin, np.asarray(1 + 0.10 * hairs, np.float32))


def _bedding(camera: Camera, channels: int, random: np.random.Generator) -> Floats:
    """Return the empty arena [H, W, channels]: chips of several sizes, darker walls, uneven light, a mark."""
    height, width = camera.height_px, camera.width_px
    texture = np.zeros((height, width), np.float32)
    for grain, strength in ((2, 7.0), (5, 7.0), (24, 3.0)):
        cells = random.standard_normal((height // grain + 2, width // grain + 2)).astype(np.float32)
        texture += strength * np.repeat(np.repeat(cells, grain, 0), grain, 1)[:height, :width]
    if camera.below:
        texture *= 0.3  # glass
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 1 - 0.18 * ((x / width - 0.4) ** 2 + (y / height - 0.45) ** 2)
    wall = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) < 0.012 * max(width, height)
    level = np.where(wall, 60, (95 if camera.below else 138) + texture) * light
    tint = np.array([1.10, 1.0, 0.80] if not camera.below else [0.95, 1.0, 1.05], np.float32)
    floor = level[..., None] * (tint if channels == 3 else np.ones(1, np.float32))
    return (floor + _mark(height, width)[..., None]).astype(np.float32)


def _mark(height: int, width: int) -> Floats:
    """Return the word SIMULATED [H, W] for the lower left corner: no picture can be taken for a real one."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).text((6, height - 16), "SIMULATED", fill=90)
    return np.asarray(image, np.float32)


def _draw(frame: Floats, points: Floats, look: _Look, camera: Camera) -> None:
    """Draw an animal, whose parts are `points` [P, 2], with its shadow into the frame."""
    height, width = frame.shape[:2]
    centre = points[_AT["body_center"]]
    unit = np.float32(camera.pix_per_cm * (camera.scale(centre[1:2] - height / 2)[0] if camera.tilt else 1))
    border = _BORDER_CM * unit
    x0, y0 = np.floor(points.min(axis=0) - border).astype(int)
    x1, y1 = np.ceil(points.max(axis=0) + border).astype(int)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        return
    x = np.arange(x0, x1, dtype=np.float32)
    y = np.arange(y0, y1, dtype=np.float32)
    patch = frame[y0:y1, x0:x1]
    trunk = _surface(points, unit, x, y)
    solid = trunk > 0
    _shadow(frame, trunk, x0, y0, unit)
    if not camera.below:
        _spots(patch, points, _PAWS, _PAW_CM * unit, look.skin * np.float32(0.8), x, y)
    _tail(patch, points, unit, look, camera, x, y)
    # Light: the slope of the surface against the lamp.
    slope_y, slope_x = trunk[2:, 1:-1] - trunk[:-2, 1:-1], trunk[1:-1, 2:] - trunk[1:-1, :-2]
    shade = np.ones_like(trunk)
    lamp = (_LIGHT[2] * 2 - _LIGHT[0] * slope_x - _LIGHT[1] * slope_y) / np.sqrt(4 + slope_x**2 + slope_y**2)
    shade[1:-1, 1:-1] = 0.55 + 0.6 * np.clip(lamp, 0, None)
    forward = points[_AT["neck"]] - centre
    forward = forward / max(float(np.hypot(*forward)), 1e-3) * np.float32(32 / (6 * unit))
    u = ((x - centre[0])[None] * forward[0] + (y - centre[1])[:, None] * forward[1]).astype(np.int32) & 63
    v = ((y - centre[1])[:, None] * forward[0] - (x - centre[0])[None] * forward[1]).astype(np.int32) & 63
    shade *= look.fur[u, v]
    patch[solid] = shade[solid][:, None] * look.coat
    _spots(patch, points, _EARS, _EAR_CM * unit, (look.coat + look.skin) * np.float32(0.5), x, y)
    if camera.below:
        _spots(patch, points, _PAWS, _PAW_CM * unit, look.skin * np.float32(1.1), x, y)


def _surface(points: Floats, unit: np.float32, x: Floats, y: Floats) -> Floats:
    """Return the height of the trunk [h, w] in pixels over the floor; 0 beside it."""
    height = np.zeros((len(y), len(x)), np.float32)
    for first, second, share, radius_cm in _SPHERES:
        centre = (1 - share) * points[_AT[first]] + share * points[_AT[second]]
        r = radius_cm * unit
        left, right = np.searchsorted(x, [centre[0] - r, centre[0] + r])
        top, bottom = np.searchsorted(y, [centre[1] - r, centre[1] + r])
        rest = (r * r - (y[top:bottom] - centre[1]) ** 2)[:, None] - (x[left:right] - centre[0]) ** 2
        part = height[top:bottom, left:right]
        np.maximum(part, np.sqrt(np.maximum(rest, 0)), out=part)
    return height


def _shadow(frame: Floats, trunk: Floats, x0: int, y0: int, unit: np.float32) -> None:
    """Darken the floor beside the animal, away from the lamp."""
    dx, dy = round(0.5 * float(unit)), round(0.6 * float(unit))
    target = frame[y0 + dy : y0 + dy + trunk.shape[0], x0 + dx : x0 + dx + trunk.shape[1]]
    dark = np.minimum(trunk[: target.shape[0], : target.shape[1]] / unit, 1)
    target *= (1 - 0.45 * dark)[..., None]


def _spots(
    patch: Floats, points: Floats, parts: tuple[str, ...], radius: np.float32, colour: Floats, x: Floats, y: Floats
) -> None:
    for part in parts:
        px, py = points[_AT[part]]
        left, right = np.searchsorted(x, [px - radius, px + radius])
        top, bottom = np.searchsorted(y, [py - radius, py + radius])
        inside = (y[top:bottom] - py)[:, None] ** 2 + (x[left:right] - px) ** 2 < radius * radius
        patch[top:bottom, left:right][inside] = colour


def _tail(
    patch: Floats, points: Floats, unit: np.float32, look: _Look, camera: Camera, x: Floats, y: Floats
) -> None:
    spine = points[[_AT[part] for part in _TAIL]]
    steps = np.linspace(0, len(spine) - 1.001, max(8, int(6 * unit)))
    which, share = steps.astype(int), (steps % 1).astype(np.float32)[:, None]
    path = (1 - share) * spine[which] + share * spine[which + 1]
    colour = look.skin * np.float32(1 if camera.below else 0.6)
    half = max(0, round(_TAIL_CM * float(unit)) - 1)
    columns, rows = np.rint(path[:, 0] - x[0]).astype(int), np.rint(path[:, 1] - y[0]).astype(int)
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            keep = (rows + dy >= 0) & (rows + dy < len(y)) & (columns + dx >= 0) & (columns + dx < len(x))
            patch[rows[keep] + dy, columns[keep] + dx] = colour
