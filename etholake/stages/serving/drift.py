"""Stage drift: compare the requests that an endpoint gets with the videos that its model was trained on.

The endpoint keeps a share of its requests (data capture). They are compared, feature by feature, with a baseline
of the training videos, which is made once per model and kept in the model zone under the fingerprint of the
training data. The measure is the population stability index over the deciles of the baseline (PSI; below 0.1 the
same, from 0.25 drifted: Siddiqi, Credit Risk Scorecards, 2006), with the largest distance of the distributions
(KS) beside it.

Features are of tracks, not of the network: speeds, lengths and distances in cm on the 30 Hz clock, what is seen of
an animal, and frame rate, scale and number of animals of a video. Body parts are the unified ones, by the
contract's map and the model's `part_map`: the same part under another name is the same part here.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake import aws
from etholake.contract import MODEL_ZONE, UNIFIED_PARTS, unified_part_sources
from etholake.dataset.part_sources import PartSources
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.video_meta import VideoMeta
from etholake.digest import fingerprint
from etholake.errors import DataError, EtholakeError
from etholake.objects import list_objects
from etholake.pages.drift import render
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model.models import unpacked
from etholake.stages.serving.endpoint_requests import CAPTURED, endpoint_name
from etholake.stages.serving.trained_model import trained_model
from etholake.stages.serving.videos import METADATA_KEY, REQUEST_TYPE, Videos
from etholake.stages.state import load_state
from etholake.video import clip_request

__all__ = ["FEATURES", "baseline", "clip_features", "compare", "run"]

STAGE = "drift"
FEATURES = (
    "speed_cm_s", "body_length_cm", "pair_distance_cm", "parts_seen", "frames_per_second", "pix_per_cm", "animals",
)  # fmt: skip
PER_CLIP = 2000  # values of a feature that one video contributes at most, evenly spread
MAX_VIDEOS, MAX_REQUESTS = 60, 1000  # of the baseline; of the newest captured requests
FEW = 5  # requests below which nothing is said
FLOOR = 1e-4  # least share of a bin
SAME, DRIFTED = 0.1, 0.25
NOSE, TAIL = UNIFIED_PARTS.index("nose"), UNIFIED_PARTS.index("tail_base")
Values = dict[str, npt.NDArray[np.float64]]


def run(settings: Settings, output: Path, endpoint: str = "") -> StageResult:
    """Compare what `endpoint` (default: the real-time one) was asked with the training videos.

    Returns
    -------
    StageResult
        `details`: `requests` (compared), `other_models`, `unreadable`, `features` (psi, ks, verdict of each),
        `drifted`, `output`. The report is written to `output` as a page, and beside it as JSON.

    Raises
    ------
    DataError
        No model has been trained, or the endpoint has captured no request of it.
    """
    endpoint = endpoint or endpoint_name()
    _, uri = trained_model(settings)
    data_fingerprint, part_map = _trained_with(settings, uri)
    captured = _captured(settings, endpoint, data_fingerprint, unified_part_sources(part_map))
    if not captured["clips"]:
        others = f" ({captured['other_models']} of other models)" if captured["other_models"] else ""
        raise DataError(
            f"Endpoint '{endpoint}' has captured no request to the newest model{others}: ask it first."
        )
    reference = _baseline(settings, data_fingerprint, part_map)
    rows = compare(reference, _pooled(clip_features(clip) for clip in captured["clips"]))
    enough = len(captured["clips"]) >= FEW
    drifted = [row["feature"] for row in rows if row["verdict"] == "drifted"] if enough else []
    details = {
        "endpoint": endpoint, "requests": len(captured["clips"]), "other_models": captured["other_models"],
        "unreadable": captured["unreadable"], "model_fingerprint": data_fingerprint, "features": rows,
        "drifted": drifted, "enough": enough, "output": str(output),
    }  # fmt: skip
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(details, indent=1), encoding="utf-8")
    page = render(details, same=SAME, drifted=DRIFTED, fewest_requests=FEW)
    output.write_text(page, encoding="utf-8")
    if not enough:
        verdict = f"only {len(captured['clips'])} requests, too few to judge ({FEW} are needed)"
    else:
        verdict = f"drifted: {', '.join(drifted)}" if drifted else "no feature has drifted"
    return StageResult(STAGE, "done", f"{len(captured['clips'])} requests: {verdict}; see {output}.", details)


# --- the measure: pure --------------------------------------------------------------------------------------
def clip_features(clip: PoseTracks) -> Values:
    """Return the values of every feature of one video, at most `PER_CLIP` each, without missing ones."""
    xy = np.asarray(clip.xy_TMK2, dtype=np.float64)
    seen: npt.NDArray[np.bool_] = ~np.isnan(xy[:, :, :, 0])
    counts = np.maximum(seen.sum(axis=2), 1)[..., None]
    centre = np.where(seen.sum(axis=2)[..., None] > 0, np.nansum(xy, axis=2) / counts, np.nan)  # [T, M, 2]
    M = centre.shape[1]
    gaps = [np.linalg.norm(centre[:, a] - centre[:, b], axis=-1) for a in range(M) for b in range(a)]
    features = {
        "speed_cm_s": np.linalg.norm(np.diff(centre, axis=0), axis=-1) * MODEL_FPS,
        "body_length_cm": np.linalg.norm(xy[:, :, NOSE] - xy[:, :, TAIL], axis=-1),
        "pair_distance_cm": np.concatenate(gaps) if gaps else np.empty(0),
        "parts_seen": seen.sum(axis=2).astype(np.float64),
        "frames_per_second": np.array([clip.meta.fps]),
        "pix_per_cm": np.array([clip.meta.pix_per_cm or np.nan]),
        "animals": np.array([float(M)]),
    }
    return {name: _spread(values) for name, values in features.items()}


def _spread(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    flat = values.ravel()
    flat = flat[np.isfinite(flat)]
    return flat[:: max(1, -(-len(flat) // PER_CLIP))]


def _pooled(clips: Iterable[Values]) -> Values:
    pooled: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in FEATURES}
    for values in clips:
        for name in FEATURES:
            pooled[name].append(values[name])
    return {name: np.concatenate(pieces) if pieces else np.empty(0) for name, pieces in pooled.items()}


def baseline(values: Values, data_fingerprint: str, videos: int) -> dict[str, Any]:
    """Return the baseline of the training videos: each feature's deciles and the shares between them.

    The outermost bins lie outside of all that training has seen, and are empty.
    """
    features = {}
    for name in FEATURES:
        numbers = values[name]
        if not len(numbers):
            continue
        deciles = np.quantile(numbers, np.linspace(0, 1, 11))
        margin = max(1e-6, 1e-6 * float(np.abs(deciles).max()))
        deciles[0], deciles[-1] = deciles[0] - margin, deciles[-1] + margin
        edges = np.unique(deciles)
        features[name] = {
            "edges": edges.tolist(),
            "shares": _shares(numbers, edges).tolist(),
            "values": len(numbers),
        }
    return {"format": 1, "data_fingerprint": data_fingerprint, "videos": videos, "features": features}


def _shares(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the share of values in (-inf, e0], (e0, e1], …, (en, inf)."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def compare(reference: Mapping[str, Any], values: Values) -> list[dict[str, Any]]:
    """Return PSI, KS and verdict of every feature of the baseline; `psi` None without a value in the requests."""
    rows = []
    for name, kept in reference["features"].items():
        expected, edges = np.array(kept["shares"]), np.array(kept["edges"])
        row: dict[str, Any] = {"feature": name, "expected": kept["shares"], "edges": kept["edges"]}
        if not len(values[name]):
            rows.append({**row, "psi": None, "ks": None, "actual": None, "verdict": "no values"})
            continue
        actual = _shares(values[name], edges)
        a, e = np.maximum(actual, FLOOR), np.maximum(expected, FLOOR)
        psi = float(((a - e) * np.log(a / e)).sum())
        ks = float(np.abs(np.cumsum(actual) - np.cumsum(expected)).max())
        verdict = "same" if psi < SAME else "drifted" if psi >= DRIFTED else "moderate"
        rows.append(
            {**row, "psi": round(psi, 4), "ks": round(ks, 4), "actual": actual.tolist(), "verdict": verdict}
        )
    return rows


# --- where it comes from ------------------------------------------------------------------------------------
def _trained_with(settings: Settings, uri: str) -> tuple[str, str]:
    """Return fingerprint of the training data and part map of a model; an ensemble's members have one map."""
    with unpacked(settings, uri) as folder:
        metas = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("**/meta.json"))]
        whole = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return str(whole.get("data_fingerprint")), next((m["part_map"] for m in metas if m.get("part_map")), "")


def _baseline(settings: Settings, data_fingerprint: str, part_map: str) -> dict[str, Any]:
    """Return the baseline of a model's training data; make it from the curated zone if there is none."""
    name = f"{data_fingerprint}-{fingerprint(part_map)}" if part_map else data_fingerprint
    s3, key = aws.client(settings, "s3"), f"{MODEL_ZONE}/baselines/{name}.json"
    try:
        kept: dict[str, Any] = json.loads(s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        split = load_state(settings, "train")["details"]["split"]
        source = Videos(settings, "train")
        used = sorted({span["video_id"] for span in split["train"]} & set(source.rows))
        used = used[:: max(1, -(-len(used) // MAX_VIDEOS))]
        sources = unified_part_sources(part_map)
        clips = (
            PoseTracks.from_curated(source.tracks(video), VideoMeta.from_row(source.rows[video]), sources)
            for video in used
        )
        kept = baseline(_pooled(clip_features(clip) for clip in clips), data_fingerprint, len(used))
        s3.put_object(Bucket=settings.bucket, Key=key, Body=json.dumps(kept).encode())
    return kept


def _captured(settings: Settings, endpoint: str, data_fingerprint: str, sources: PartSources) -> dict[str, Any]:
    """Return `clips` of the newest captured requests; how many went to other models, or are unreadable."""
    s3 = aws.client(settings, "s3")
    objects = list_objects(s3, settings.bucket, f"{CAPTURED}/{endpoint}/")
    keys = sorted((item["Key"] for item in objects), reverse=True)
    captured: dict[str, Any] = {"clips": [], "other_models": 0, "unreadable": 0}
    for key in keys[:MAX_REQUESTS]:
        body = s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
        for sent, answered in _exchanges(body):
            try:
                if json.loads(_data(answered))["model"]["data_fingerprint"] != data_fingerprint:
                    captured["other_models"] += 1
                else:
                    captured["clips"].append(_clip(sent, settings.max_gap_frames, sources))
            except (EtholakeError, ValueError, KeyError, TypeError, OSError):
                captured["unreadable"] += 1
    return captured


def _exchanges(body: bytes) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield (input, output) of every line that has both."""
    for line in body.splitlines():
        data = json.loads(line)["captureData"]
        if "endpointInput" in data and "endpointOutput" in data:
            yield data["endpointInput"], data["endpointOutput"]


def _data(side: Mapping[str, Any]) -> bytes:
    text = str(side["data"])
    return base64.b64decode(text) if side["encoding"] == "BASE64" else text.encode()


def _clip(sent: Mapping[str, Any], max_gap_frames: int, sources: PartSources) -> PoseTracks:
    """Return the video of a captured request (see sagemaker/inference.py for its forms)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if sent["observedContentType"] in (REQUEST_TYPE, clip_request.CLIP_REQUEST):
        body = _data(sent)
        body = body if sent["observedContentType"] == REQUEST_TYPE else clip_request.read(body)[0]
        table = pq.read_table(io.BytesIO(body))
        row = json.loads(table.schema.metadata[METADATA_KEY])
    else:
        content = json.loads(_data(sent))
        row, table = content["metadata"], pa.table(content["tracking"])
    meta = VideoMeta.from_row(row)
    if "x_cm" in table.column_names:
        return PoseTracks.from_curated(table, meta, sources)
    return PoseTracks.from_raw(table, meta, max_gap_frames=max_gap_frames, sources=sources)
