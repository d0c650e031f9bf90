"""The small pictures of the library: kept in the state folder, made when a row is looked at, bounded in all.

The picture of a film is taken by the browser that shows the library, from the middle of the film: a file that
nobody can trust is decoded in the browser's sandbox, and read in pieces. Until it is there, and where there is no
film, the animals of the middle frame are drawn from the lake's tracks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from pathlib import Path
from typing import Any

from etholake.errors import UsageError
from etholake.lake import Lake
from etholake.pages.review import thumbnail
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.review.film import Film
from etholake.stages.review.store import VideoKey

__all__ = ["KEPT_BYTES", "Thumbnails"]

KEPT_BYTES = 64 * 2**20  # of all pictures: some ten thousand
_LARGEST = 60_000  # bytes of one
_JPEG = b"\xff\xd8\xff"
_PREFIX = "data:image/jpeg;base64,"
_FRAME = """SELECT mouse_id, bodypart, coalesce(x_cm, x) AS x, coalesce(y_cm, y) AS y FROM tracking_curated
WHERE split = ? AND lab_id = ? AND video_id = ? AND video_frame = (
    SELECT max(last_frame) / 2 FROM track_summary WHERE split = ? AND lab_id = ? AND video_id = ?
) AND coalesce(x_cm, x) IS NOT NULL AND coalesce(y_cm, y) IS NOT NULL"""


class Thumbnails:
    """The pictures of a lake's videos."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self.settings, self.lake = settings, lake
        self.folder = Path(settings.state_dir) / "thumbnails"
        self._writing = threading.Lock()  # requests come from several threads

    def of(self, key: VideoKey, film: Film | None) -> dict[str, Any]:
        """Return the picture of a video: ``svg``, or ``jpeg`` as an address; ``text`` says what it shows.

        ``film`` says whether there is a film of which no picture has been taken yet.
        """
        if film is not None:
            kept = self._read(self._name(key, f"film {film.size} {film.suffix}.jpg"))
            if kept is not None:
                return {"jpeg": _PREFIX + base64.b64encode(kept).decode(), "film": False, "text": "film"}
        state = self.lake.current("tracking_curated", {"split": key.split, "lab_id": key.lab_id})
        name = self._name(key, f"tracks {state['generation'] if state else ''}.svg")
        kept = self._read(name)
        if kept is None:
            kept = self._drawn(key).encode()
            self._write(name, kept)
        text = "animals of the middle frame" if b"<circle" in kept else "no picture"
        return {"svg": kept.decode(), "film": film is not None, "text": text}

    def keep(self, key: VideoKey, film: Film | None, picture: object) -> None:
        """Keep the picture that a browser has taken of a film.

        Raises
        ------
        UsageError
            There is no film, or the picture is no small JPEG.
        """
        if film is None:
            raise UsageError(f"There is no film of video {key.video_id}.")
        try:
            content = base64.b64decode(str(picture).removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            content = b""
        if not content.startswith(_JPEG) or len(content) > _LARGEST:
            raise UsageError(f"Expected the picture of a film as a JPEG of at most {_LARGEST:,} bytes.")
        self._write(self._name(key, f"film {film.size} {film.suffix}.jpg"), content)

    def _drawn(self, key: VideoKey) -> str:
        where = (query.literal(key.split), query.literal(key.lab_id), str(key.video_id))
        points = query.run_sql(self.settings, _FRAME, [*where, *where]).records
        return thumbnail.skeletons(points) if points else thumbnail.words("no poses")

    def _name(self, key: VideoKey, version: str) -> str:
        whole = "\n".join((self.lake.bucket, key.split, key.lab_id, str(key.video_id), version))
        return hashlib.sha256(whole.encode()).hexdigest()[:32] + Path(version).suffix

    def _read(self, name: str) -> bytes | None:
        file = self.folder / name
        try:
            content = file.read_bytes()
            file.touch()
        except FileNotFoundError:
            return None
        return content

    def _write(self, name: str, content: bytes) -> None:
        """Keep a picture; those that were looked at longest ago go where all of them would take too much."""
        with self._writing:
            self._replace(name, content)

    def _replace(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        made = self.folder / f".{name}"
        made.write_bytes(content)
        made.replace(self.folder / name)
        files = [(file.stat(), file) for file in self.folder.iterdir()]
        whole = sum(stat.st_size for stat, _ in files)
        for stat, file in sorted(files, key=lambda pair: pair[0].st_mtime):
            if whole <= KEPT_BYTES:
                return
            file.unlink(missing_ok=True)
            whole -= stat.st_size
