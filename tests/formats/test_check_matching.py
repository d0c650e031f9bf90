"""`etholake video-check` compares tracks and labels with the video that they belong to, as the importer does."""

from __future__ import annotations

from pathlib import Path

from lab_folder import boris_project, video_file  # type: ignore[import-not-found]

from etholake.video.check import check_folder


def test_labels_belong_to_the_video_that_they_name(tmp_path: Path) -> None:
    """Each observation of a project is compared with its own video, whatever the project is called."""
    for name, frames in (("cage one.mp4", 8), ("cage two.mp4", 60)):
        video_file(tmp_path / name, frames)
    bouts = [(0.1, 1.5, "a", "sniff")]
    media = {"first": "C:/films/cage one.mp4", "second": "cage two.mp4", "third": "gone.mp4"}
    observations = {name: (file, bouts) for name, file in media.items()}
    boris_project(tmp_path / "session.boris", observations, behaviours=["sniff"], subjects=["a"])
    checked = check_folder(tmp_path)
    one, two = checked.videos
    assert "session.boris: labels end at frame 45, the video has 8" in one.problems
    assert two.problems == ("session.boris: has labels of 1800 frames, the video has 60",)  # as the project says
    assert checked.alone == ("session.boris: no video of this name (gone) is in the folder",)


def test_what_was_not_looked_at_is_named_with_its_file(tmp_path: Path) -> None:
    video_file(tmp_path / "a.mp4", 8)
    (tmp_path / "aDLC.csv").touch()
    (tmp_path / "link.mp4").symlink_to("a.mp4")  # which is read, and no problem
    checked = check_folder(tmp_path)
    assert [video.file for video in checked.videos] == ["a.mp4", "link.mp4"]
    assert checked.errors == (f"{tmp_path / 'aDLC.csv'}: the file is empty: was it copied or downloaded whole?",)
