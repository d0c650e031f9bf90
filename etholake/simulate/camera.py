"""Place the camera of a simulated laboratory: which pixel shows which point of the arena."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etholake.errors import UsageError

__all__ = ["CAMERAS", "Camera", "camera"]

Floats = npt.NDArray[np.float32]
CAMERAS = ("gray-above", "colour-above", "gray-below", "colour-below")
MAX_TILT = 0.12  # the far edge appears that much smaller than the near one


@dataclass(frozen=True)
class Camera:
    """Position and kind of a camera.

    `below`: it looks up through a glass floor, so the picture is mirrored. `tilt` is the share by which the upper
    edge of the picture is smaller than the lower one (0: it looks straight down).
    """

    width_px: int
    height_px: int
    pix_per_cm: float
    colour: bool
    below: bool
    tilt: float
    keyframe_every: int = 250

    def project(self, cm: Floats) -> Floats:
        """Return pixels [..., 2] (right, down) of points [..., 2] in cm from the arena centre (right, up)."""
        half = np.array([self.width_px, self.height_px], np.float32) / 2
        sign = np.array([-1 if self.below else 1, -1], np.float32)
        flat = cm * sign * np.float32(self.pix_per_cm)
        if self.tilt:
            flat = flat * self.scale(flat[..., 1])[..., None]
        pixels: Floats = (flat + half).astype(np.float32)
        return pixels

    def scale(self, down: Floats) -> Floats:
        """Return the size of things, 1 at the lower edge, at `down` pixels below the centre (without tilt)."""
        share: Floats = (1 - self.tilt * (0.5 - down / np.float32(self.height_px))).astype(np.float32)
        return share


def camera(lab: str, seed: int, index: int, width_cm: float, height_cm: float, size: int, kind: str) -> Camera:
    """Return the camera of a lab.

    `size` is the longer side of its picture in pixels, `kind` one of `CAMERAS` or mixed (one a lab).

    Raises UsageError for a size that is no multiple of 16 from 64 to 2160, or another kind.
    """
    if kind not in (*CAMERAS, "mixed"):
        raise UsageError(f"camera must be one of mixed, {', '.join(CAMERAS)}, but got '{kind}'.")
    if not 64 <= size <= 2160 or size % 16:
        raise UsageError(
            f"The size of a simulated video must be a multiple of 16 from 64 to 2160, but got {size}."
        )
    kind = CAMERAS[index % len(CAMERAS)] if kind == "mixed" else kind
    random = np.random.default_rng([seed, zlib.crc32(lab.encode()), 5])
    pix_per_cm = size / max(width_cm, height_cm)
    width, height = (2 * round(side * pix_per_cm / 2) for side in (width_cm, height_cm))
    tilt = round(float(random.uniform(0, MAX_TILT)), 3)
    keyframes = int(random.choice([12, 50, 250]))
    return Camera(width, height, pix_per_cm, kind.startswith("colour"), kind.endswith("below"), tilt, keyframes)
