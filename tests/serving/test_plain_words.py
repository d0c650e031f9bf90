"""Training and prediction say which videos they used, cut or left out."""

from dataclasses import replace

from etholake.settings import Settings
from etholake.stages.model.training_result import sentence
from etholake.stages.serving.model_requests import ModelRequests
from etholake.stages.serving.predict import _reasons, taught_note
from etholake.stages.serving.videos import Videos


def details(train: list[dict], validation: list[dict], test: list[dict]) -> dict:
    return {
        "config": "tiny", "seconds": 3.0, "metrics": {"best_val_score": 0.5}, "notes": ["Lab: snout as nose"],
        "split": {"train": train, "validation": validation, "test": test},
    }  # fmt: skip


def span(video: int, start: int, stop: int) -> dict:
    return {"video_id": video, "lab_id": "Lab", "start_frame": start, "stop_frame": stop}


def test_a_video_that_is_cut_in_time_is_not_three_videos() -> None:
    text = sentence(details([span(1, 0, 60)], [span(1, 60, 80)], [span(1, 80, 100)]))
    assert (
        "Video 1 is cut in time: frames 0 to 60 train, frames 60 to 80 validation, frames 80 to 100 test" in text
    )
    assert "Note: Lab: snout as nose" in text
    whole = sentence(details([span(1, 0, 9), span(2, 0, 9)], [span(3, 0, 9)], [span(4, 0, 9)]))
    assert "2 videos taught it; 1 video chose thresholds (3); 1 video held out for the score (4)." in whole
    assert "validation score 0.500" in whole
    assert "cut in time" not in whole


def test_a_cross_validated_training_says_that_every_video_was_judged() -> None:
    every = details([span(1, 0, 9), span(2, 0, 9)], [], []) | {"folds": 2}
    text = sentence(every)
    assert "out-of-fold score 0.500" in text
    assert "2 videos taught it; 2 folds judged each of them once by models that had not seen it; none held" in text
    many = sentence(details([span(1, 0, 9)], [], [span(video, 0, 9) for video in range(2, 60)]) | {"folds": 2})
    assert "58 videos held out for the score (2, 3, 4, 5, 6, 7, 8, 9, …)." in many


def test_videos_that_taught_the_model_are_named_with_the_way_to_a_fair_score() -> None:
    parts = {"train": [span(1, 0, 80), span(2, 0, 100)], "test": [span(1, 80, 100), span(3, 0, 100)]}
    note = taught_note([1, 3], parts)
    assert "Parts of 1 taught the model" in note
    assert "evaluate --held-out" in note
    assert taught_note([3], parts) == taught_note([1], {}) == ""


def test_a_video_is_left_out_for_its_own_reason() -> None:
    unlabelled = {"frames_per_second": 30.0, "behaviors_labeled": []}
    labelled = {"frames_per_second": 30.0, "behaviors_labeled": ["mouse1,self,rear"]}
    requests = ModelRequests(Videos(Settings(), "train"))
    assert requests.unusable(labelled | {"frames_per_second": None}) == "no frames_per_second"
    assert "behaviors_labeled is empty" in requests.unusable(unlabelled)
    assert requests.unusable(labelled) == ""
    assert replace(requests, has_tasks=True).unusable(unlabelled) == ""
    assert _reasons({1: "no frames_per_second", 2: "no frames_per_second"}) == "no frames_per_second: 1, 2"
