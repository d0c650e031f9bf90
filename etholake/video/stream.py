"""Clips of a video as they are made: a child process decodes and crops, this one reads its windows from a pipe.

The child is ``python -m etholake.video.stream TASK.json``; it writes one endless tar to its output. A thread reads
some windows ahead, so that the child works while a network does; then the child waits. A decoder that crashes
takes only itself down, and nothing of the video stays on a disk.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake import child_module
from etholake.errors import DataError, EtholakeError
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import add_window, read_shard, swapped
from etholake.video.stored_clips import CropFrames, Subject, empty_crops
from etholake.video.task import ClipTask, clip_maker, limit_child
from etholake.video.windows import ClipWindow

__all__ = ["StreamedClips", "windows_of"]

Ints = npt.NDArray[np.int64]
_ERROR_CHARS = 400
AHEAD_BYTES = 64 << 20  # of pixels that are read before they are asked for: some hundred windows of 112 px


def windows_of(task: ClipTask) -> Iterator[ClipWindow]:
    """Yield the windows of a video in the order in which they are complete.

    Raises DataError if the video, its tracks or its boxes cannot be used, also after some windows.
    """
    with tempfile.TemporaryDirectory(prefix="etholake-stream-") as folder:
        order = Path(folder) / "task.json"
        order.write_text(json.dumps(task.as_dict()), encoding="utf-8")
        errors = Path(folder) / "errors"
        with errors.open("wb") as error_file:
            child = subprocess.Popen(
                child_module.command("etholake.video.stream", str(order)),
                stdout=subprocess.PIPE, stderr=error_file, env=child_module.environment(),
            )  # fmt: skip
        assert child.stdout is not None
        windows = _ReadAhead(read_shard(child.stdout))
        try:
            cut_short = None
            try:
                yield from windows
            except DataError as err:
                cut_short = err
            if child.wait():
                reason = errors.read_text(encoding="utf-8", errors="replace").strip()[-_ERROR_CHARS:]
                raise DataError(reason or f"{task.video}: the video library ended with status {child.returncode}.")
            if cut_short:
                raise cut_short
        finally:
            child.kill()  # the thread comes to the end of the pipe
            windows.stop()
            child.stdout.close()
            child.wait()


class _ReadAhead:
    """Windows that a thread reads before they are asked for, up to `AHEAD_BYTES` of pixels and one more."""

    def __init__(self, windows: Iterator[ClipWindow]) -> None:
        self._windows, self._ready, self._bytes = windows, deque[ClipWindow](), 0
        self._ended = self._stopped = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="clips", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[ClipWindow]:
        """Yield the windows in their order. Raises what reading them raises, after those before it."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._ended)
                if not self._ready:
                    break
                window = self._ready.popleft()
                self._bytes -= window.frames.nbytes
                self._changed.notify_all()
            yield window
        if self._error:
            raise self._error

    def stop(self) -> None:
        """Let the thread end; it must not be waiting for a pipe that stays open."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _read(self) -> None:
        try:
            for window in self._windows:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or self._bytes < AHEAD_BYTES)
                    if self._stopped:
                        return
                    self._ready.append(window)
                    self._bytes += window.frames.nbytes
                    self._changed.notify_all()
        except Exception as err:  # who asks for the next window gets it
            self._error = err
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


class StreamedClips:
    """The crops of a video that is read from its beginning to its end (see `stored_clips.FrameSource`).

    Frames are asked for in ascending order; who asks for earlier ones again makes the video be read again. Memory
    holds the windows of the frames that are asked for, one more, and those that are read ahead (`AHEAD_BYTES`).

    Parameters
    ----------
    make
        Returns the windows of the video, from the first.
    on_frame
        Called with the number of frames that are passed.
    """

    def __init__(
        self,
        clip_set: str,
        recipe: ClipRecipe,
        make: Callable[[], Iterator[ClipWindow]],
        on_frame: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.clip_set, self.recipe, self._make, self._on_frame = clip_set, recipe, make, on_frame
        self._covered: dict[Subject, list[list[int]]] = defaultdict(list)  # ranges [first, last], ascending
        self._windows, self._passed = make(), 0  # frames before `_passed` are no longer held
        self._held: deque[ClipWindow] = deque()

    def crops(self, subject: Subject, numbers: Ints, parts: Sequence[str]) -> CropFrames:
        """Return the crops of frames of the video [T], ascending, with the key points of `parts`."""
        first, last = int(numbers[0]), int(numbers[-1])
        if first < self._passed:
            self._windows, self._passed = self._make(), 0
            self._held.clear()
        self._read_to(last)
        while self._held and self._held[0].index.last_frame < first:
            self._held.popleft()
            self._passed = first
        crops = empty_crops(len(numbers), self.recipe.crop_size, len(parts))
        for window in self._held:
            own = (window.index.agent_id, window.index.target_id)
            if own == subject:
                crops.fill(numbers, window, parts)
            elif own[1] is not None and (own[1], own[0]) == subject:
                crops.fill(numbers, swapped(window), parts)
        return crops

    def seen(self, subject: Subject, numbers: Ints) -> npt.NDArray[np.bool_]:
        """Return of which frames [T] there is a crop, as far as the video has been read."""
        agent, target = subject
        ranges = self._covered[subject] or (self._covered[target, agent] if target is not None else [])
        inside = np.zeros(len(numbers), np.bool_)
        for low, high in ranges:
            inside |= (low <= numbers) & (numbers <= high)
        return inside

    def _read_to(self, last: int) -> None:
        """Hold all windows that begin at `last` or before: they come in the order in which they end."""
        while not self._held or self._held[-1].index.first_frame <= last:
            window = next(self._windows, None)
            if window is None:
                return
            self._held.append(window)
            self._note(window)
            self._on_frame(window.index.last_frame + 1)

    def _note(self, window: ClipWindow) -> None:
        index = window.index
        ranges = self._covered[index.agent_id, index.target_id]
        if ranges and index.first_frame <= ranges[-1][1] + 1:
            ranges[-1][1] = max(ranges[-1][1], index.last_frame)
        else:
            ranges.append([index.first_frame, index.last_frame])


def main(argv: list[str]) -> int:
    """Write the windows of a task to the output as one tar; what is wrong goes to stderr, as a sentence."""
    task = ClipTask.from_dict(json.loads(Path(argv[1]).read_text(encoding="utf-8")))
    limit_child(task)
    try:
        with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            for window in clip_maker(task):
                add_window(tar, window, task.recipe.encoding, task.recipe.quality)
    except EtholakeError as err:
        print(err, file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has seen enough
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
