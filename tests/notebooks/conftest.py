"""Lakes for the notebooks: an empty one, and one whose answers can be worked out by hand.

Lab `Jane's`, 10 frames/s, one train video and no test video. Two mice walk along x = y for 60 s, mouse 2 one
centimetre behind (in x and in y); of 100 points of the nose of mouse 1, 20 are imputed and 5 missing. Mouse 1
chases mouse 2 six times for 2 s and rears once for 1 s.
"""

from collections.abc import Callable
from typing import Any

import pytest
from lakes import open_lake, rows

from etholake.settings import Settings

LAB, FPS, FRAMES = "Jane's", 10.0, 600
BODY = {"hip_left": 0.5, "hip_right": -0.5, "nose": 3.0}  # cm beside the path; the hips' mean is on it


def event(target: int, action: str, start: int, stop: int) -> dict[str, Any]:
    which = {"split": "train", "video_id": 7, "agent_id": 1, "target_id": target, "action": action}
    clock = {"start_frame": start, "stop_frame": stop, "start_sec": start / FPS, "stop_sec": stop / FPS}
    length = {"duration_frames": stop - start, "duration_sec": (stop - start) / FPS, "frames_per_second": FPS}
    return {**which, **clock, **length, "is_self": target == 1, "is_labeled": True}


@pytest.fixture(scope="session")
def empty_lake(mock_settings: Settings) -> Settings:
    """Tables without a row."""
    return open_lake(mock_settings, "nbempty")[0]


@pytest.fixture(scope="session")
def one_lab(mock_settings: Settings) -> Settings:
    """The lake of the module's docstring; no test video, no prediction."""
    settings, lake = open_lake(mock_settings, "nbone")

    def put(table: str, *items: dict[str, Any], **partition: str) -> None:
        lake.replace_table(table, rows(table, *items), "one", partition)

    video = {"lab_id": LAB, "video_id": 7, "frames_per_second": FPS, "video_duration_sec": FRAMES / FPS,
             "pix_per_cm_approx": 10.0, "video_width_pix": 640, "video_height_pix": 480, "arena_width_cm": 64.0,
             "arena_height_cm": 48.0, "n_mice": 2, "body_parts_tracked": sorted(BODY), "has_tracking": True,
             "has_annotation": True}  # fmt: skip
    put("metadata_train", video)
    put(
        "tracking_curated",
        *({"video_id": 7, "video_frame": frame, "mouse_id": mouse, "bodypart": part, "x_cm": at + beside,
           "y_cm": at - beside, "speed": 1.0}
          for mouse in (1, 2)
          for part, beside in BODY.items()
          for frame in range(FRAMES)
          for at in (frame / 60 + 1 - mouse,)),
        split="train", lab_id=LAB,
    )  # fmt: skip
    track = {"video_id": 7, "last_frame": FRAMES - 1, "frames_present": 100, "points_measured": 100}
    track |= {"tracked_sec": 60.0, "path_cm": 60.0}
    gaps = {"points_measured": 75, "points_imputed": 20, "points_missing": 5}
    put(
        "track_summary",
        *({**track, "mouse_id": mouse, "bodypart": part, **(gaps if (mouse, part) == (1, "nose") else {})}
          for mouse in (1, 2) for part in BODY),
        split="train", lab_id=LAB,
    )  # fmt: skip
    put(
        "annotations_enriched",
        *(event(2, "chase", s, s + 20) for s in range(0, 600, 100)),
        event(1, "rear", 50, 60),
        lab_id=LAB,
    )
    triplet = {"split": "train", "video_id": 7, "agent_id": 1}
    put(
        "behavior_summary",
        {**triplet, "target_id": 2, "action": "chase", "events": 6, "frames": 120, "seconds": 12.0},
        {**triplet, "target_id": 1, "action": "rear", "is_self": True, "events": 1, "frames": 10, "seconds": 1.0},
        lab_id=LAB,
    )
    put(
        "class_distribution_stats",
        {"lab_id": LAB, "action": "chase", "videos": 1, "events": 6, "frames": 120, "seconds": 12.0},
        {"lab_id": LAB, "action": "rear", "videos": 1, "events": 1, "frames": 10, "seconds": 1.0},
    )
    looked_for = (("chase", 2), ("rear", 1), ("dig", 1))  # dig in vain
    put(
        "labeled_behaviors",
        *({**triplet, "lab_id": LAB, "target_id": target, "action": action} for action, target in looked_for),
    )
    return settings


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], None]:
    """Makes settings those of the process (and of the kernels that it starts), as a user's shell would."""

    def choose(settings: Settings) -> None:
        monkeypatch.setenv("PORT", str(settings.port))
        for name in ("bucket", "database", "workgroup", "stack", "state_dir", "s3_root"):
            monkeypatch.setenv(f"ETHOLAKE_{name.upper()}", getattr(settings, name))

    return choose
