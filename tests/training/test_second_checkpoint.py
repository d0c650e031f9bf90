"""The second best epoch: how it is judged, and how an archive gives it by its name."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from etholake.errors import DataError, UsageError
from etholake.events.types import Event, PairScores
from etholake.models.archive import checkpoint_of
from etholake.models.registry import resolve
from etholake.models.tarball import unpack
from etholake.training.validation import HeldOut


def test_accuracy_counts_probabilities_on_the_right_side_of_a_half() -> None:
    probabilities = np.array([[0.9], [0.4], [0.6], [0.1]], np.float32)
    pair = PairScores(1, "A", 30.0, 1, 2, 0, ("chase",), probabilities)
    held_out = HeldOut((pair,), (Event(1, 1, 2, "chase", 0, 2),), {1: frozenset({(1, 2, "chase")})}, {1: "A"})
    figures = held_out.loss_and_accuracy()
    assert figures is not None
    assert figures == pytest.approx((-np.log([0.9, 0.4, 0.4, 0.9]).mean(), 0.5), rel=1e-5)
    assert HeldOut((), (), {}, {}).loss_and_accuracy() is None


def test_an_archive_gives_a_second_checkpoint_with_the_same_code(tmp_path: Path) -> None:
    files = {
        "./meta.json": b"best", "model.safetensors": b"1", "lowest_loss/meta.json": b"second",
        "lowest_loss/model.safetensors": b"2", "members/0/meta.json": b"", "code/serve.py": b"#",
    }  # fmt: skip
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    folder = unpack(checkpoint_of(sink.getvalue(), "lowest_loss"), tmp_path, "x")
    stored = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert stored == {"meta.json": b"second", "model.safetensors": b"2", "code/serve.py": b"#"}
    with pytest.raises(
        UsageError, match="no checkpoint 'members'; it has lowest_loss beside that of the best score"
    ):
        checkpoint_of(sink.getvalue(), "members")
    with pytest.raises(DataError, match="not the archive of a model"):
        checkpoint_of(b"nothing", "lowest_loss")


def test_configurations_say_which_second_epoch_they_keep() -> None:
    kept = {name: resolve(name)[1].second_best for name in ("crop_sequence", "slowfast", "cnn_lstm", "cnn3d")}
    assert kept == {"crop_sequence": "accuracy", "slowfast": "accuracy", "cnn_lstm": "loss", "cnn3d": ""}
    with pytest.raises(UsageError, match=r"second_best must be one of '' \(none\), loss, accuracy, but got 'f1'"):
        resolve("cnn3d", {"second_best": "f1"})
