"""Stage explain: describe a trained model from what is stored with it, and draw where it looked in a video."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake.contract import MIN_FPS, unified_part_sources
from etholake.dataset.resampling import MODEL_FPS
from etholake.errors import ContractError
from etholake.evaluation.tasks import sample_kind
from etholake.events.post_processing import PostProcessing
from etholake.models.archive import META, read_meta
from etholake.models.registry import FAMILIES
from etholake.settings import Settings
from etholake.stages.model.models import unpacked

__all__ = ["describe", "lines", "look", "reconstruction_lines", "run", "stream_lines", "task_lines"]


def run(settings: Settings, model: str) -> dict[str, Any]:
    """Return `describe` of a model; `model` as in `stages.model.models.pack`."""
    with unpacked(settings, model) as folder:
        return describe(folder)


def look(settings: Settings, model: str, data: Path, video: int, page: Path) -> dict[str, Any]:
    """Write a page of where a model looked in a video of a folder, over its ethogram, and of its answers to tasks.

    Returns {"page": path, "attention": {"agent,target": [highest, frame of it]}, "values": answers to tasks}.

    Raises UsageError if the folder does not name the video, or the model has neither attention nor tasks.
    """
    from etholake.models.archive import load_model
    from etholake.models.attention import attention_of, has_attention
    from etholake.pages.attention import render
    from etholake.stages.model.evaluate import read_truth
    from etholake.stages.model.model_view import tracks_of

    with unpacked(settings, model) as folder:
        loaded = load_model(folder)
        ((_, tracks),) = tracks_of(settings, loaded, data, [video])
        values = loaded.values(tracks)
        curves = attention_of(loaded, tracks) if has_attention(loaded) or not values else {}
        predicted = loaded.events(tracks)
    truth = [event for event in read_truth(data, [video]).events if event.video_id == video]
    page.parent.mkdir(parents=True, exist_ok=True)
    title = f"{loaded.family}, video {video} of {tracks.lab_id}"
    page.write_text(render(title, curves, truth, predicted, tracks.fps, values), encoding="utf-8")
    highest = {
        f"{agent},{target}": [round(float(curve.max()), 3), first + int(curve.argmax())]
        for (agent, target), (first, curve) in curves.items()
    }
    return {"page": str(page), "attention": highest, "values": values}


def describe(folder: Path) -> dict[str, Any]:
    """Return what `meta.json` says about a model and, for an ensemble or a stack, about the models it combines.

    Keys: `family`, `members` (configurations of the single models that it combines), `space`, `config` (of the
    first model that reads windows, else of the first), `config_line` (the same, in words of its family), `input`
    (fps, min_fps, window; None without windows), `labs` ({lab: {action: threshold, seconds of training, score}};
    None where not stored), `vocabulary`, `parts` ({unified part: names that are read for it}), `part_map`,
    `features`, `clips` (set and recipe of a model of pixels, else None), `decoding`, `validation`, `confusion`
    ({lab: {annotated: {predicted: frames}}} of the validation), `reconstruction` (of a pre-trained model), `tasks`
    ({task: figures} of the validation videos, see `evaluation.tasks`),
    `class_weights`, `class_distribution` (of a network; None where not stored), `backbone` (the weights that it
    started with; None for random ones), `pose_windows` and `streams` (of a network of pixels and key points:
    windows of the training with pose, and all; validation scores with a stream hidden), `data_fingerprint`,
    `videos` (number by part of the split), `fine_tuned`, `notes`.

    Raises ContractError if there is no model in the folder, or its family is not installed.
    """
    read_meta(folder)
    meta, below = _meta(folder), list(_below(folder))
    single = [m for m in below if FAMILIES.get(m["family"]).presets] or [meta]
    try:
        shown = next((m for m in single if m["config"].get("window")), single[0])
        window = shown["config"].get("window")
        features = shown.get("features")
        return {
            "family": meta["family"],
            "members": [m["config"].get("name", m["family"]) for m in single] if below else [],
            "space": next((m["ensemble"]["space"] for m in [meta, *below] if "ensemble" in m), None),
            "config": shown["config"],
            "config_line": FAMILIES.get(shown["family"]).explain(shown["config"]),
            "input": {
                "fps": MODEL_FPS, "min_fps": MIN_FPS, "window": window,
                "window_s": window / MODEL_FPS if window else None,
            },
            "labs": _labs(meta, below),
            "vocabulary": meta["vocabulary"]["actions"],
            "parts": {part: list(names) for part, names in unified_part_sources(meta["part_map"]).items()},
            "part_map": meta["part_map"],
            "features": {
                "encoder": features["name"], "version": features["version"],
                "count": len(features["names"]) if "names" in features else None,
            } if features else None,
            "clips": shown.get("clips"),
            "decoding": meta["post_processing"]["decoding"],
            "validation": (meta.get("validation") or {}).get("score"),
            "confusion": (meta.get("validation") or {}).get("confusion", {}),
            "reconstruction": meta.get("reconstruction"),
            "tasks": meta.get("tasks", {}),
            "class_weights": meta.get("class_weights"),
            "class_distribution": meta.get("class_distribution"),
            "backbone": shown.get("backbone"),
            "pose_windows": shown.get("pose_windows"),
            "streams": shown.get("streams"),
            "data_fingerprint": meta.get("data_fingerprint"),
            "videos": {k: len({s["video_id"] for s in v}) for k, v in (meta.get("split") or {}).items()},
            "fine_tuned": meta.get("fine_tuned"),
            "notes": meta.get("notes", []),
        }  # fmt: skip
    except (KeyError, TypeError, AttributeError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err!r}.") from err


def lines(model: Mapping[str, Any]) -> list[str]:
    """Return `describe` as text."""
    input_, features = model["input"], model["features"]
    windows = (
        f"windows of {input_['window']} frames ({input_['window_s']:.1f} s)" if input_["window"] else "no windows"
    )
    text = [
        _title(model),
        f"config   {model['config_line']}",
        f"input    {input_['fps']:g} frames/s, {windows}; videos of at least {input_['min_fps']:g} frames/s",
        f"data     fingerprint {model['data_fingerprint']}; videos: "
        + ", ".join(f"{count} {part}" for part, count in model["videos"].items()),
        f"score    {_number(model['validation'])} on validation",
        *([_features_line(features)] if features else []),
        *([_clips_line(model["clips"])] if model["clips"] else []),
        *stream_lines(model["pose_windows"], model["streams"]),
        *([_backbone_line(model["backbone"], model["config"])] if model["backbone"] else []),
        "parts    " + "; ".join(f"{part} ({' or '.join(names)})" for part, names in model["parts"].items()),
    ]
    if tuned := model["fine_tuned"]:
        before = _number((tuned["before"] or {}).get("score"))
        text.append(
            f"tuned    from {tuned['from']}: labs added {tuned['labs_added']}, actions added "
            f"{tuned['actions_added']}; score before {before}"
        )
    for lab, actions in model["labs"].items():
        text.append(f"lab {lab}")
        for action, figures in actions.items():
            text.append(
                f"  {action:<18} threshold {figures['threshold']:.2f}, F {_number(figures['score'])}, trained on "
                f"{_number(figures['training_seconds'], '.0f')} s" + _counts(figures)
            )
        text += _confusion_lines(model["confusion"].get(lab, {}))
    text += reconstruction_lines(model["reconstruction"] or {})
    text += task_lines(model["tasks"])
    text += _class_lines(model["class_weights"], model["class_distribution"])
    return [*text, *(f"note: {note}" for note in model["notes"])]


def _labs(meta: Mapping[str, Any], below: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the threshold, seconds of training, and the validation's score and counts, by (lab, action)."""
    thresholds = PostProcessing.from_dict(meta["post_processing"]).thresholds
    validation = meta.get("validation") or {}
    seconds, scores = _seconds([dict(meta), *below]), validation.get("labs", {})
    classes = validation.get("classes", {})
    return {
        lab: {
            action: {
                "threshold": thresholds.get(lab, action),
                "training_seconds": seconds.get(lab, {}).get(action),
                "score": scores.get(lab, {}).get("actions", {}).get(action),
                **{
                    key: classes.get(lab, {}).get(action, {}).get(key)
                    for key in ("precision", "recall", "support")
                },
            }
            for action in actions
        }
        for lab, actions in meta["lab_actions"].items()
    }


def _title(model: Mapping[str, Any]) -> str:
    """Return the family, and the models that it combines."""
    counts = Counter(model["members"])
    members = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in counts.items())
    space = f", mean {model['space']}" if model["space"] else ""
    return f"{model['family']} of {members}{space}" if members else str(model["family"])


def reconstruction_lines(errors: Mapping[str, Any]) -> list[str]:
    """Return one line a gap length of a pre-trained model: the median error of every method in cm."""
    return [
        f"gaps of {gap} frames: "
        + ", ".join(f"{name.replace('_', ' ')} {figures['median']:.2f} cm" for name, figures in methods.items())
        for gap, methods in errors.get("gaps", {}).items()
    ]


def task_lines(tasks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one line a task: its figures on the validation videos."""
    return [
        f"task     {task}: "
        + ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in figures.items()
                    if name not in ("videos", "samples"))
        + f" on {figures['samples']:,} {sample_kind(task)} of "
        f"{figures['videos']} videos"
        for task, figures in tasks.items()
    ]  # fmt: skip


def _counts(figures: Mapping[str, Any]) -> str:
    if figures["support"] is None:
        return ""
    return (
        f"; precision {_number(figures['precision'])}, recall {_number(figures['recall'])}, "
        f"support {figures['support']:,} frames"
    )


def _confusion_lines(rows: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return one line an annotated action: as what its frames were predicted."""
    return [
        f"  annotated {annotated}: " + ", ".join(f"{n:,} frames {predicted}" for predicted, n in row.items())
        for annotated, row in rows.items()
    ]


def _class_lines(
    weights: Mapping[str, float] | None, distribution: Mapping[str, Mapping[str, float]] | None
) -> list[str]:
    """Return the weights of classes in the loss, and how often they occur before and after sampling."""
    if not weights or not distribution:
        return []
    before, after = distribution["before_sampling"], distribution["after_sampling"]
    return [
        "weights  " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items()),
        "classes  " + ", ".join(f"{name} {before[name]:.1%} of the frames, {after[name]:.1%} as sampled"
                                for name in before),
    ]  # fmt: skip


def _clips_line(clips: Mapping[str, Any]) -> str:
    """Return the line on the clips that a model of pixels reads: another recipe is refused."""
    recipe = clips["recipe"]
    return (
        f"clips    set {clips['clip_set']}: crops of {recipe['crop_size']} px, pad {recipe['pad_ratio']}, border "
        f"{recipe['border']}, smoothing {recipe['smoothing']}, boxes {recipe['boxes']}"
    )


def stream_lines(pose_windows: Sequence[int] | None, scores: Mapping[str, float] | None) -> list[str]:
    """Return the lines on a network of pixels and key points: how often it had both, and what each is worth."""
    text = (
        [f"pose     used in {pose_windows[0]}/{pose_windows[1]} windows of the training"] if pose_windows else []
    )
    if scores:
        figures = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
        text.append(f"streams  validation score: {figures}")
    return text


def _backbone_line(started: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return the line on the weights that a backbone started with, and how they were trained on."""
    frozen = config["freeze_epochs"]
    trained = (
        "never trained" if frozen < 0
        else f"frozen for {frozen} epochs, then trained at {config['backbone_lr']:g} of the learning rate"
    )  # fmt: skip
    return f"backbone {started['name']} from {started['file']} (sha256 {started['sha256'][:12]}), {trained}"


def _features_line(features: Mapping[str, Any]) -> str:
    count = f": {features['count']} features" if features["count"] else ""
    return f"features {features['encoder']}, version {features['version']}{count}"


def _seconds(metas: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the seconds of training by lab and action; for several models, the maximum."""
    longest: dict[str, dict[str, float]] = {}
    for stored in (meta.get("training_seconds") or {} for meta in metas):
        for lab, actions in stored.items():
            by_action = longest.setdefault(lab, {})
            for action, seconds in actions.items():
                by_action[action] = max(seconds, by_action.get(action, 0.0))
    return longest


def _number(value: float | None, form: str = ".3f") -> str:
    return "unknown" if value is None else format(value, form)


def _below(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield descriptions of the models that one combines, at any depth."""
    for path in sorted((*folder.glob("members/*/"), *folder.glob("bases/*/")), key=lambda p: int(p.name)):
        yield _meta(path)
        yield from _below(path)


def _meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ContractError(f"{folder / META} is not the description of an Etholake model: {err}.") from err
    if not isinstance(meta, dict):
        raise ContractError(f"{folder / META} is not the description of an Etholake model.")
    return meta
