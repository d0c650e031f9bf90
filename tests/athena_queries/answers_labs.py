"""Answers about labs, videos, classes and files."""

from __future__ import annotations

import pandas as pd
from answers import Base, answers, videos

WHERE = ["split", "lab_id"]


@answers()
def lake_overview(base: Base) -> pd.DataFrame:
    rows = []
    for (split, lab), group in videos(base).groupby(WHERE):
        files = base["curation_files"].query("split == @split and lab_id == @lab")
        rows.append(
            {
                "split": split, "lab_id": lab, "videos": len(group), "tracked": group["has_tracking"].sum(),
                "annotated": group["has_annotation"].sum(), "hours": group["video_duration_sec"].sum() / 3600,
                "tracking_rows": files.query("kind == 'tracking'")["rows_in"].sum(),
                "annotation_rows": files.query("kind == 'annotation'")["rows_in"].sum(),
                "imputed_rows": files["rows_imputed"].sum(), "quarantined_rows": files["rows_quarantined"].sum(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@answers()
def parts_per_lab(base: Base) -> pd.DataFrame:
    tracks, rates = base["tracking_curated"], videos(base).set_index("video_id")
    rows = []
    for (split, lab, part), group in tracks.groupby([*WHERE, "bodypart"]):
        measured = group[~group["is_imputed"]].sort_values(["video_id", "mouse_id", "video_frame"])
        elapsed = measured.groupby(["video_id", "mouse_id"])["video_frame"].diff()
        seconds = (elapsed / measured["video_id"].map(rates["frames_per_second"]))[measured["speed"].notna()]
        rows.append(
            {
                "split": split, "lab_id": lab, "bodypart": part, "videos": group["video_id"].nunique(),
                "tracks": len(group[["video_id", "mouse_id"]].drop_duplicates()),
                "points_measured": len(measured),
                "tracked_hours": seconds.sum() / 3600 if len(seconds) else None,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@answers()
def events_per_action(base: Base) -> pd.DataFrame:
    events = base["annotations_enriched"]
    table = events.groupby("action").agg(
        labs=("lab_id", "nunique"), videos=("video_id", "nunique"), events=("action", "size"),
        hours=("counted_sec", lambda s: s.sum() / 3600),
        most_events_of_a_lab=("lab_id", lambda s: s.value_counts().iloc[0]),
    )  # fmt: skip
    table["percent_of_time"] = 100 * table["hours"] / (events["counted_sec"].sum() / 3600)
    return table.reset_index()


@answers()
def class_imbalance(base: Base) -> pd.DataFrame:
    events = base["annotations_enriched"]
    rows = []
    for lab, own in events.groupby("lab_id"):
        seconds = own.groupby("action")["counted_sec"].sum()
        for action, group in own.groupby("action"):
            rows.append(
                {
                    "lab_id": lab, "action": action, "videos": group["video_id"].nunique(), "events": len(group),
                    "seconds": seconds[action], "share_percent": 100 * seconds[action] / seconds.sum(),
                    "rarer_than_top_by": seconds.max() / seconds[action],
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@answers()
def lab_action_matrix(base: Base) -> pd.DataFrame:
    asked, events = base["labeled_behaviors"], base["annotations_enriched"]
    rows = []
    for lab in sorted({*asked["lab_id"], *events["lab_id"]}):
        for action in sorted({*asked["action"], *events["action"]}):
            looked = asked.query("lab_id == @lab and action == @action")
            seen = events.query("lab_id == @lab and action == @action")
            status = {
                (True, True): "seen", (False, True): "seen, not looked for",
                (True, False): "looked for in vain", (False, False): "not looked for",
            }[len(looked) > 0, len(seen) > 0]  # fmt: skip
            rows.append((lab, action, status, looked["video_id"].nunique(), seen["video_id"].nunique(), len(seen)))
            rows[-1] = (*rows[-1], seen["counted_sec"].sum())
    columns = ["lab_id", "action", "status", "videos_looked_for", "videos_seen", "events", "seconds"]
    return pd.DataFrame(rows, columns=columns)


@answers()
def annotation_coverage(base: Base) -> pd.DataFrame:
    rows = []
    triplet = ["video_id", "agent_id", "target_id", "action"]
    for (split, lab), group in videos(base).groupby(WHERE):
        asked = base["labeled_behaviors"].query("split == @split and lab_id == @lab")
        events = base["annotations_enriched"].query("split == @split and lab_id == @lab")
        seen = set(events[triplet].itertuples(index=False)) & set(asked[triplet].itertuples(index=False))
        annotated = group[group["has_annotation"]]
        rows.append(
            {
                "split": split, "lab_id": lab, "videos": len(group), "annotated_videos": len(annotated),
                "annotated_hours": annotated["video_duration_sec"].sum() / 3600, "triplets_looked_for": len(asked),
                "triplets_seen": len(seen), "seen_percent": 100 * len(seen) / len(asked) if len(asked) else None,
                "events": len(events), "events_not_looked_for": (~events["is_labeled"].astype(bool)).sum(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@answers()
def flags_by_lab(base: Base) -> pd.DataFrame:
    files = base["curation_files"].explode("flags").rename(columns={"flags": "flag"}).dropna(subset="flag")
    return files.groupby(["flag", "kind", *WHERE], as_index=False).agg(
        files=("source_file", "size"), first_file=("source_file", "min")
    )


@answers()
def quarantine_by_rule(base: Base) -> pd.DataFrame:
    return base["quarantine"].groupby(["rule", *WHERE], as_index=False).agg(
        files=("source_file", "nunique"), rejected_rows=("rows", "sum"), first_file=("source_file", "min"),
        example=("detail", "min"),
    )  # fmt: skip


@answers()
def scores_by_lab(base: Base) -> pd.DataFrame:
    rows = []
    for (run, lab), group in base["scores"].groupby(["run_id", "lab_id"]):
        ranked = group.sort_values("f_score")
        (worst, worst_f), (best, best_f) = (ranked.iloc[i][["action", "f_score"]] for i in (0, -1))
        rows.append((run, lab, 1, len(group), best, worst, group["f_score"].mean(), best_f, worst_f))
    columns = [
        "run_id",
        "lab_id",
        "videos",
        "actions",
        "best_action",
        "worst_action",
        "score",
        "best_f",
        "worst_f",
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(official_score=table.groupby("run_id")["score"].transform("mean"))


@answers({"run_id": "r1"}, {"run_id": "r2"}, {"run_id": "none"})
def scores_by_action(base: Base, run_id: str) -> pd.DataFrame:
    own = base["scores"][base["scores"]["run_id"] == run_id]
    return own.groupby("action", as_index=False).agg(
        labs=("lab_id", "size"), mean_f=("f_score", "mean"), worst_f=("f_score", "min"),
        best_f=("f_score", "max"), tp_frames=("tp_frames", "sum"), fp_frames=("fp_frames", "sum"),
        fn_frames=("fn_frames", "sum"),
    )  # fmt: skip


@answers({"run_id": "r1", "other_run_id": "r2"})
def runs_compared(base: Base, run_id: str, other_run_id: str) -> pd.DataFrame:
    score = {(s.run_id, s.lab_id, s.action): s.f_score for s in base["scores"].itertuples()}
    cells = sorted({key[1:] for key in score if key[0] in (run_id, other_run_id)})
    rows = [(*cell, score.get((run_id, *cell)), score.get((other_run_id, *cell))) for cell in cells]
    table = pd.DataFrame(rows, columns=["lab_id", "action", "f_score", "other_f_score"])
    return table.assign(gain=table["other_f_score"] - table["f_score"])
