"""Look at one video and print what it holds as JSON: the child process of `etholake.formats.video.probe`.

python -m etholake.formats.video_child mov /path/to/video.mp4
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from fractions import Fraction
from itertools import pairwise
from typing import Any

MEMORY_BYTES = 4 << 30
CPU_S = 300
MAX_PACKETS = 200_000_000
MAX_TRIES = 64  # packets to decode until a frame comes out


def main(container: str, path: str) -> int:
    """Print one JSON object: the fields of VideoInfo, or {"error": sentence}."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = look(container, path)
    except Exception as err:
        answer = {"error": f"{type(err).__name__}: {' '.join(str(err).split())[:200]}"}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def look(container: str, path: str) -> dict[str, Any]:
    """Return the fields of VideoInfo, without path and container."""
    import av

    av.logging.set_level(av.logging.PANIC)
    with av.open(path, format=container, options={"protocol_whitelist": "file"}) as file:
        if not file.streams.video:
            cut_off = "" if file.streams.audio else ", and no sound either: was it cut off?"
            return {"error": f"it has no video stream{cut_off}"}
        stream = file.streams.video[0]
        if stream.codec_context is None:
            return {"error": "its codec is not known, or the file was cut off"}
        base = stream.time_base or Fraction(1, 90_000)
        times: list[int] = []
        count = 0
        last_duration = longest = since = 0
        first: Any = None
        for packet in file.demux(stream):
            if not packet.size:
                continue
            count += 1
            since = 1 if packet.is_keyframe else since + 1
            longest = max(longest, since)
            if count > MAX_PACKETS:
                return {"error": f"it has more than {MAX_PACKETS} frames"}
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                times.append(stamp)
            last_duration = packet.duration or last_duration
            if first is None and count <= MAX_TRIES:
                first = _decoded(packet)
        first = first or _decoded(stream.codec_context)
        if not count or first is None:
            return {"error": "none of its frames can be decoded"}
        times.sort()
        rate = stream.average_rate or stream.guessed_rate
        span = Fraction(times[-1] - times[0]) * base if len(times) > 1 else Fraction(0)
        if not rate and span > 0:
            rate = (len(times) - 1) / span
        if not rate:
            return {"error": "it does not tell its frames per second"}
        rate = Fraction(rate)
        step = Fraction(last_duration) * base or 1 / rate
        return {
            "codec": stream.codec_context.name,
            "fps": [rate.numerator, rate.denominator],
            "frames": count,
            "declared_frames": stream.frames or _missing(file, stream, rate, count),
            "width": int(first.width),
            "height": int(first.height),
            "rotation": int(first.rotation or 0) % 360,
            "duration_s": float(span + step) if span else float(count / rate),
            "start_s": float(times[0] * base) if times else 0.0,
            "pixel_format": stream.codec_context.pix_fmt or "",
            "bits": max(component.bits for component in first.format.components),
            "keyframe_distance": longest,
            "variable_rate": _varies(times, base, rate),
        }


def _decoded(source: Any) -> Any:
    """Return the first frame of a packet, or of what a decoder still holds; None if there is none."""
    import av

    try:
        frames = source.decode() if isinstance(source, av.Packet) else source.decode(None)
    except av.FFmpegError:
        return None
    return frames[0] if frames else None


def _missing(file: Any, stream: Any, rate: Fraction, count: int) -> int | None:
    """Return the frames of the time that an mkv's header tells, if the file holds clearly fewer; else None.

    The header has no number of frames. Only the time of this stream counts: sound may be longer.
    """
    parts = str(stream.metadata.get("DURATION", "")).split(":")
    seconds = 0.0
    if len(parts) == 3:
        with contextlib.suppress(ValueError):
            seconds = int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
    elif len(file.streams) == 1 and file.duration:
        seconds = file.duration / 1e6
    frames = round(min(seconds * float(rate), MAX_PACKETS))
    return frames if frames - count > max(2, 0.02 * count) else None


def _varies(times: list[int], base: Fraction, rate: Fraction) -> bool:
    """Return whether the steps between frames differ by more than the clock's rounding and a hundredth."""
    steps = [after - before for before, after in pairwise(times)]
    if not steps:
        return False
    tolerance = max(2, int(Fraction(1, 100) / (rate * base)))
    return max(steps) - min(steps) > tolerance


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2]))
