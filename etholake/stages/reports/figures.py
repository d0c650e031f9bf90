"""Stage figure: draw a figure for a paper from the lake, and write what it shows as CSV beside it.

Everything comes from Athena, aggregated there as far as the kind allows: a figure of events reads events, one of
places reads one point a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etholake.errors import UsageError
from etholake.pages.figures.request import GROUPS, ONE_VIDEO, FigureRequest
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.lake import query

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["run"]

VIEWS = ("v_video_info", "v_action_spans", "v_behavior_events", "v_behavior_shares", "v_video_seconds")
_CENTRES = ("body_center", "hip_left", "lateral_left", "neck", "tail_base", "nose")  # best stand-in first


@dataclass(frozen=True)
class _Drawn:
    """A figure, the rows that it shows, and sentences on what was left out."""

    figure: Figure
    rows: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def run(settings: Settings, request: FigureRequest) -> StageResult:
    """Write a figure and, beside it with the ending `.csv`, the rows that it shows.

    Raises
    ------
    UsageError
        Nothing in the lake fits the request.
    DataError
        The figure would have more rows than fit a page, or no two groups to compare.
    """
    from etholake.pages.figures.style import styled

    query.create_views(settings, VIEWS)
    with styled():
        drawn = _DRAWN_BY[request.kind](settings, request)
        request.out.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"CreationDate": None} if request.out.suffix == ".pdf" else None
        metadata = {"Date": None} if request.out.suffix == ".svg" else metadata
        drawn.figure.savefig(request.out, metadata=metadata)
        _close(drawn.figure)
    table = request.out.with_suffix(".csv")
    drawn.rows.to_csv(table, index=False)
    summary = f"{request.title} in {request.out}, its {len(drawn.rows):,} rows in {table}"
    if drawn.notes:
        summary += ". " + " ".join(drawn.notes)
    details = {"figure": str(request.out), "table": str(table), "rows": len(drawn.rows), "notes": drawn.notes}
    return StageResult("figure", "done", summary, details)


def _close(figure: Figure) -> None:
    import matplotlib.pyplot as plt

    plt.close(figure)


# --- what the kinds read ------------------------------------------------------------------------------------
# Every value is a parameter; an empty one leaves its condition out. Trino folds constants, so a lab still prunes.
EVENTS = """SELECT source, lab_id, video_id AS video, agent_id, target_id, action,
    start_frame / frames_per_second AS start_s, stop_frame / frames_per_second AS stop_s, video_duration_sec,
    agent_condition AS condition, agent_strain AS strain, agent_sex AS sex, agent_age AS age
FROM v_behavior_events
WHERE (? = '' OR lab_id = ?) AND (? = '' OR contains(split(?, ','), CAST(video_id AS varchar)))
    AND (? = '' OR contains(split(?, ','), action))
    AND (source = 'predicted' AND run_id = ? OR source = 'annotated' AND (? = '' OR ? = 'ethogram'))
    AND frames_per_second > 0e0
ORDER BY video, agent_id, target_id, action, start_s"""
SHARES = """SELECT lab_id, video_id AS video, agent_id, action, percent_of_time AS percent,
    condition, strain, sex, age
FROM v_behavior_shares
WHERE (? = '' OR lab_id = ?) AND (? = '' OR contains(split(?, ','), CAST(video_id AS varchar)))
    AND (? = '' OR contains(split(?, ','), action))
    AND (source = 'predicted' AND run_id = ? OR source = 'annotated' AND ? = '')
ORDER BY video, agent_id, action"""
PLACES = """SELECT lab_id, video_id AS video, mouse_id, video_second, x, y, speed
FROM v_video_seconds
WHERE bodypart = ? AND (? = '' OR lab_id = ?) AND (? = '' OR contains(split(?, ','), CAST(video_id AS varchar)))
ORDER BY video, mouse_id, video_second"""
PARTS = """SELECT bodypart, count(DISTINCT video_id) AS videos FROM track_summary
WHERE (? = '' OR lab_id = ?) AND (? = '' OR contains(split(?, ','), CAST(video_id AS varchar)))
GROUP BY bodypart ORDER BY videos DESC, bodypart"""
SCALES = """SELECT DISTINCT pix_per_cm_approx IS NOT NULL FROM v_video_info
WHERE has_tracking AND (? = '' OR lab_id = ?) AND (? = '' OR contains(split(?, ','), CAST(video_id AS varchar)))"""
MICE = """SELECT lab_id, video_id AS video, element_at(animal_conditions, n) AS condition,
    element_at(animal_strains, n) AS strain, element_at(animal_sexes, n) AS sex, element_at(animal_ages, n) AS age,
    n AS mouse_id
FROM (
    SELECT lab_id, video_id, animal_conditions, animal_strains, animal_sexes, animal_ages FROM metadata_train
    UNION ALL
    SELECT lab_id, video_id, animal_conditions, animal_strains, animal_sexes, animal_ages FROM metadata_test
) CROSS JOIN UNNEST(sequence(1, 127)) AS t (n)
WHERE n <= greatest(
    coalesce(cardinality(animal_conditions), 0), coalesce(cardinality(animal_strains), 0),
    coalesce(cardinality(animal_sexes), 0), coalesce(cardinality(animal_ages), 0)
)"""


def _rows(settings: Settings, sql: str, parameters: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    result = query.run_sql(settings, sql, [query.literal(value) for value in parameters])
    return pd.DataFrame(result.rows, columns=result.columns)


def _of_videos(request: FigureRequest) -> list[str]:
    """Return the parameters of a statement that asks for a lab and videos."""
    videos = ",".join(map(str, request.videos))
    return [request.lab, request.lab, videos, videos]


def _of_actions(request: FigureRequest) -> list[str]:
    actions = ",".join(request.actions)
    return [*_of_videos(request), actions, actions, request.run_id, request.run_id]


def _events(settings: Settings, request: FigureRequest) -> tuple[pd.DataFrame, list[str]]:
    """Return the events of the request in seconds, with the group of the agent, and notes."""
    return _grouped(_rows(settings, EVENTS, [*_of_actions(request), request.kind]), request, "events")


def _shares(settings: Settings, request: FigureRequest) -> tuple[pd.DataFrame, list[str]]:
    """Return the share of time of every animal, video and action, with the group of the animal, and notes."""
    return _grouped(_rows(settings, SHARES, _of_actions(request)), request, "labeled behaviors")


def _places(settings: Settings, request: FigureRequest) -> tuple[pd.DataFrame, list[str]]:
    """Return the place and speed of every animal, second by second, with its group, and notes."""
    part = request.bodypart or _best_part(settings, request)
    places = _rows(settings, PLACES, [part, *_of_videos(request)])
    if request.group:
        places = places.merge(_animals(settings), on=["lab_id", "video", "mouse_id"], how="left")
    rows, notes = _grouped(places, request, f"tracks of {part}")
    return rows, [*notes, f"The animal's place is that of its {part}, the mean of each second."]


def _animals(settings: Settings) -> pd.DataFrame:
    """Return one row an animal and video with its condition, strain, sex and age."""
    return _rows(settings, MICE, ()).astype({"video": "int64", "mouse_id": "int64"})  # also of no rows


def _best_part(settings: Settings, request: FigureRequest) -> str:
    """Return the part that most videos track, of these the one nearest to the body's centre."""
    parts = _rows(settings, PARTS, _of_videos(request))
    if parts.empty:
        raise UsageError(f"The lake has no tracks of {_whose(request)}: there is nothing to draw.")
    most = parts[parts.videos == parts.videos.max()].bodypart.tolist()
    return next((part for part in _CENTRES if part in most), str(most[0]))


def _grouped(rows: pd.DataFrame, request: FigureRequest, what: str) -> tuple[pd.DataFrame, list[str]]:
    """Add the column `group`; leave out animals without one and say how many. Raises UsageError for no rows."""
    rows = rows.assign(group=rows[GROUPS[request.group]] if request.group else "")
    if request.kind in ONE_VIDEO and (labs := sorted(rows.lab_id.unique()))[1:]:
        raise UsageError(f"Several labs have a video {request.videos[0]}: name one with --lab: {', '.join(labs)}.")
    rows = rows.assign(lab=rows.lab_id)
    rows = rows.drop(columns=[column for column in GROUPS.values() if column in rows])
    without, notes = rows[rows.group.isna()], []
    if not without.empty:
        animal = "agent_id" if "agent_id" in rows else "mouse_id"
        count = len(without.drop_duplicates(["lab", "video", animal]))
        notes = [f"{count} animals (one a video) have no {request.group} in the metadata and are left out."]
    kept = rows[rows.group.notna()].reset_index(drop=True)
    if kept.empty:
        source = (
            f" predicted by run {request.run_id}" if request.run_id else " annotated (--run takes predictions)"
        )
        group = f" with a known {request.group}" if request.group else ""
        source = "" if what.startswith("tracks") else source
        raise UsageError(f"The lake has no {what} of {_whose(request)}{group}{source}: there is nothing to draw.")
    return kept, notes


def _whose(request: FigureRequest) -> str:
    parts = [f"video {', '.join(map(str, request.videos))}"] if request.videos else []
    parts += [f"lab {request.lab}"] if request.lab else []
    parts += [f"action {', '.join(request.actions)}"] if request.actions else []
    return ", ".join(parts) or "any lab"


# --- the kinds ----------------------------------------------------------------------------------------------
def _ethogram(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    events, notes = _events(settings, request)
    seconds = float(events.video_duration_sec.max())
    shown = events.drop(columns=["group", "video_duration_sec"])
    return _Drawn(draw.ethogram(shown, seconds, request.title), shown, notes)


def _raster(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    events, notes = _events(settings, request)
    seconds = (events.stop_s - events.start_s).groupby(events.action).sum().sort_values(ascending=False)
    shown = events.drop(columns=["target_id", "source", "video_duration_sec"])
    return _Drawn(draw.raster(shown, request.title, [str(action) for action in seconds.index]), shown, notes)


def _budget(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    shares, notes = _shares(settings, request)
    return _Drawn(draw.budget(shares, request.title), shares, notes)


def _comparison(settings: Settings, request: FigureRequest) -> _Drawn:
    import pandas as pd

    from etholake.pages.figures import draw
    from etholake.pages.figures.statistics import TEST, compare

    shares, notes = _shares(settings, request)
    values: dict[tuple[str, str], list[float]] = {
        (str(group), str(action)): own.percent.astype(float).tolist()
        for (group, action), own in shares.groupby(["group", "action"])
    }
    compared = compare(values)
    rows = pd.DataFrame([{**one.__dict__, "test": TEST} for one in compared])
    return _Drawn(draw.comparison(shares, compared, request.title), rows, notes)


def _transitions(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    events, notes = _events(settings, request)
    counts = _counted_transitions(events)
    if counts.empty:
        raise UsageError("No event is followed by another of the same animal: there are no transitions to draw.")
    return _Drawn(draw.transitions(counts, request.title), counts, notes)


def _counted_transitions(events: pd.DataFrame) -> pd.DataFrame:
    """Return how often (`n`) an action of an animal is followed by the next one, by group. Pure."""
    ordered = events.sort_values(["lab", "video", "agent_id", "start_s", "stop_s", "target_id", "action"])
    ordered["next_action"] = ordered.groupby(["lab", "video", "agent_id"]).action.shift(-1)
    followed = ordered.dropna(subset=["next_action"])
    return followed.groupby(["group", "action", "next_action"]).size().rename("n").reset_index()


def _trajectory(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    points, notes = _places(settings, request)
    return _Drawn(draw.trajectory(points, _unit(settings, request), request.title), points, notes)


def _heatmap(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    points, notes = _places(settings, request)
    return _Drawn(draw.heatmap(points, _unit(settings, request), request.title), points, notes)


def _speed(settings: Settings, request: FigureRequest) -> _Drawn:
    from etholake.pages.figures import draw

    speeds, notes = _places(settings, request)
    speeds["minute"] = speeds.video_second.astype(int) // 60
    minutes = speeds.groupby(["group", "lab", "video", "mouse_id", "minute"], as_index=False).speed.mean()
    return _Drawn(draw.speed(minutes, request.title), minutes, notes)


def _unit(settings: Settings, request: FigureRequest) -> str:
    """Return the unit of places; raises UsageError for videos with and videos without a scale together."""
    scaled = {bool(value) for value in _rows(settings, SCALES, _of_videos(request)).iloc[:, 0]}
    if len(scaled) > 1:
        raise UsageError(
            "Some videos have a scale (px/cm) and others do not: draw them apart, with --videos or --lab."
        )
    return "cm" if scaled == {True} else "px"


_DRAWN_BY: Mapping[str, Callable[[Settings, FigureRequest], _Drawn]] = {
    "ethogram": _ethogram, "raster": _raster, "budget": _budget, "transitions": _transitions,
    "trajectory": _trajectory, "heatmap": _heatmap, "speed": _speed, "comparison": _comparison,
}  # fmt: skip
