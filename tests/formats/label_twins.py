"""Small label files as other tools write them, one function a format; each returns the path of its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

OLD_HEADER = (
    "Observation id,obs1,,\n,,,\nMedia file(s),,,\n,,,\nPlayer #1,/videos/pair.mp4,,\n,,,\n"
    "Observation date,2023-01-01 10:00:00,,\n,,,\nDescription,,,\n,,,\nTime offset (s),{offset},,\n,,,\n"
    "independent variables,,,\nvariable,value,,\n,,,\n"
    "Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status\n"
)
NEW_COLUMNS = (
    "Observation id,Observation date,Description,Observation duration,Observation type,Source,Time offset (s),"
    "Media duration (s),FPS,Subject,Behavior,Behavioral category,Modifier #1,Behavior type,Time,Media file name,"
    "Image index,Image file path,Comment"
)
AGGREGATED_COLUMNS = (
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),Coding duration,"
    "Media duration (s),FPS (frame/s),Subject,Observation duration by subject by observation,Behavior,"
    "Behavioral category,Behavior type,Start (s),Stop (s),Duration (s),Media file name,Image index start,"
    "Image index stop,Image file path start,Image file path stop,Comment start,Comment stop"
)


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def boris(
    folder: Path,
    events: list[list[Any]] | None = None,
    *,
    files: dict[str, list[str]] | None = None,
    lengths: dict[str, float] | None = None,
    fps: dict[str, Any] | None = None,
    offset: float = 0.0,
) -> Path:
    files = files or {"1": ["/videos/pair.mp4"]}
    names = [name for queue in files.values() for name in queue]
    behaviours = [("attack", "State event"), ("sniff", "State event"), ("jump", "Point event")]
    project = {
        "time_format": "hh:mm:ss",
        "project_format_version": "7.0",
        "subjects_conf": {"0": {"key": "m", "name": "mouse", "description": ""}},
        "behaviors_conf": {
            str(i): {"type": kind, "key": code[0], "code": code, "modifiers": "", "excluded": "", "category": ""}
            for i, (code, kind) in enumerate(behaviours)
        },
        "observations": {
            "obs1": {
                "file": files,
                "type": "MEDIA",
                "date": "2023-01-01T10:00:00",
                "description": "",
                "time offset": offset,
                "events": [[1.0, "mouse", "attack", "", ""], [2.0, "mouse", "attack", "", ""]]
                if events is None
                else events,
                "media_info": {
                    "length": lengths or dict.fromkeys(names, 60.0),
                    "fps": fps or dict.fromkeys(names, 30.0),
                },
            }
        },
    }
    return written(folder / "project.boris", json.dumps(project))


def boris_old(folder: Path, rows: str = "1.0,/videos/pair.mp4,60.0,30.0,mouse,attack,,,START\n"
              "2.0,/videos/pair.mp4,60.0,30.0,mouse,attack,,,STOP\n", offset: str = "0.0") -> Path:  # fmt: skip
    return written(folder / "old.csv", OLD_HEADER.format(offset=offset) + rows)


def boris_new(folder: Path, rows: list[tuple[str, str, float]] | None = None, *,
              source: str = "player #1:/v/pair.mp4",
              length: str = "60.000", fps: str = "30.000", suffix: str = ".tsv") -> Path:  # fmt: skip
    table = [NEW_COLUMNS.split(",")]
    for behaviour, status, time in rows or [("attack", "START", 1.0), ("attack", "STOP", 2.0)]:
        table.append(["obs1", "2023-01-01 10:00:00", "", "60.0", "Media file(s)", source, "0", length, fps,
        "mouse", behaviour, "", "", status, f"{time:.3f}", "pair.mp4", "NA", "NA", ""])  # fmt: skip
    if suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in table:
            book.active.append(row)
        book.save(folder / "new.xlsx")
        return folder / "new.xlsx"
    return written(folder / f"new{suffix}", "\n".join("\t".join(row) for row in table))


def boris_xlsx(folder: Path) -> Path:
    return boris_new(folder, suffix=".xlsx")


def boris_aggregated(folder: Path) -> Path:
    row = "obs1,2023-01-01 10:00:00,,Media file,player #1:/v/pair.mp4,0,60.000,60.000,30.000,mouse,2.0,{},," + (
        "{},{},{},1.0,pair.mp4,,,,,,"
    )
    rows = [row.format("attack", "STATE", "2.000", "3.000"), row.format("attack", "STATE", "1.000", "2.000"),
            row.format("jump", "POINT", "5.000", "5.000")]  # fmt: skip
    return written(folder / "aggregated.csv", "\n".join([AGGREGATED_COLUMNS, *rows]))


def annot(
    folder: Path, rows: str = "1\t10\t999\n", *, channels: str = "", stop: str = "300", fps: str = "30"
) -> Path:
    text = (
        "Bento annotation file\nMovie file(s):  /videos/pair.seq \n\nStimulus name: \nAnnotation start frame: 1\n"
        f"Annotation stop frame: {stop}\n" + (f"Annotation framerate: {fps}\n" if fps else "")
        + "\nList of channels:\nCh1\n" + ("Ch2\n" if channels else "")
        + "\nList of annotations:\nattack\nmount\n\n"
        + f"Ch1----------\n>attack\nStart\t Stop\t Duration \n{rows}\n\n{channels}"
    )  # fmt: skip
    return written(folder / "pair.annot", text)


def annotator(folder: Path) -> Path:
    text = (
        "Caltech Behavior Annotator - Annotation File\n\nConfiguration file:\nbase\tz\naggression\ta\n\n"
        "S1:\tstart\tend\ttype\n-----------------------------\n       1\t943\tbase\n       "
        "944\t1000\taggression\n  \n"
        "S2:\tstart\tend\ttype\n-----------------------------\n       1\t1000\tbase\n"
    )
    return written(folder / "12_annot.txt", text)


ETHO_NAMES = ["Trial time", "Recording time", "X center", "Mobility state(Mobile)", "Grooming", "Result 1"]
ETHO_UNITS = ["s", "s", "cm", "", "", ""]


def etho_rows(
    names: list[str], units: list[str], body: list[list[str]], subject: str = "Subject 1"
) -> list[list[str]]:
    facts = [["Experiment", "pain"], ["Video file", "C:\\videos\\trial 1.mpg"], ["Subject name", subject], [""]]
    return [["Number of header lines:", str(len(facts) + 3)], *facts, names, units, *body]


def etho_body(samples: int = 45, rate: float = 15.0) -> list[list[str]]:
    """Grooming from sample 15 to 30; of the mobile state the samples 5 and 6 are missing."""
    return [
        [
            f"{k / rate:.3f}",
            f"{k / rate:.3f}",
            "1.5",
            "-" if k in (5, 6) else str(k % 2),
            str(int(15 <= k < 30)),
            "-",
        ]
        for k in range(samples)
    ]


def ethovision_raw(folder: Path) -> Path:
    rows = etho_rows(ETHO_NAMES, ETHO_UNITS, etho_body())
    text = "\r\n".join(";".join(f'"{cell}"' for cell in row) for row in rows)
    return written(folder / "Raw data-Trial 1.txt", text, "utf-16")


def ethovision_xlsx(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for subject in ("Subject 1", "Subject 2"):
        sheet = book.create_sheet(f"Track-Arena 1-{subject}")
        for row in etho_rows(ETHO_NAMES, ETHO_UNITS, etho_body(), subject):
            sheet.append([float(cell) if cell.replace(".", "", 1).isdigit() else cell for cell in row])
    book.save(folder / "raw.xlsx")
    return folder / "raw.xlsx"


def ethovision_manual(folder: Path, last: str = "state stop") -> Path:
    body = [["1.000", "1.000", "Subject 1", "Rearing", "state start"],
            ["1.500", "1.500", "Subject 1", "Rearing", last],
            ["2.000", "2.000", "Subject 1", "Jump", "point event"]]  # fmt: skip
    names = ["Trial time", "Recording time", "Subject", "Behavior", "Event"]
    rows = etho_rows(names, ["s", "s", "", "", ""], body)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / "manual.xlsx")
    return folder / "manual.xlsx"


def simba(folder: Path) -> Path:
    header = ",Nose_1_x,Nose_1_y,Nose_1_p,Movement,attack,sniffing"
    rows = [f"{t},{t}.5,2.5,0.9,{t * 0.3:.2f},{int(2 <= t < 4)},0" for t in range(6)]
    return written(folder / "pair_simba.csv", "\n".join([header, *rows]))


def jabs(folder: Path) -> Path:
    blocks = [{"start": 25, "end": 50, "present": True}, {"start": 60, "end": 60, "present": False}]
    labels = {"1": {"Walking": blocks}}
    content = {
        "version": 1,
        "file": "pair.avi",
        "num_frames": 100,
        "labels": labels,
        "unfragmented_labels": labels,
    }
    return written(folder / "jabs.json", json.dumps(content))


def deepethogram(folder: Path) -> Path:
    rows = ["0,1,0", "1,0,1", "2,0,1", "3,-1,-1", "4,0,1"]
    return written(folder / "pair_labels.csv", "\n".join([",background,groom", *rows]))


def calms21(folder: Path) -> Path:
    points = [[[1.0] * 7, [2.0] * 7]] * 2
    sequence = {"keypoints": [points] * 4, "scores": [[[0.9] * 7] * 2] * 4, "annotations": [3, 0, 0, 1],
                "metadata": {"vocab": {"attack": 0, "investigation": 1, "mount": 2, "other": 3}}}  # fmt: skip
    return written(folder / "calms21.json", json.dumps({"annotator-id_0": {"task1/train/mouse001": sequence}}))


def prediction(folder: Path, trial: int = 2, actions: str = "0") -> Path:
    rows = [f"{t},{actions[t % len(actions)]}" for t in range(360)]
    return written(folder / f"prediction_pair.mp4_{trial}.csv", "\n".join(["Frame,Action", *rows]))


def interval_csv(folder: Path) -> Path:
    rows = [
        "video,agent,target,action,start_frame,stop_frame",
        "p.mp4,mouse1,mouse2,attack,3,7",
        "p.mp4,a,self,rear,0,2",
    ]
    text = "\n".join(rows)
    return written(folder / "intervals.csv", text)


def framewise_csv(folder: Path) -> Path:
    return written(folder / "pair_frames.csv", "frame,attack,rear\n0,0,-1\n1,1,-1\n2,1,1\n4,1,0\n")


def framewise_names(folder: Path) -> Path:
    return written(folder / "pair_names.csv", "frame,behavior\n0,other\n1,attack\n2,attack\n3,rear\n")


def mabe(folder: Path) -> Path:
    table = pa.table({
        "agent_id": pa.array([1, 2], pa.int8()), "target_id": pa.array([2, 2], pa.int8()),
        "action": ["attack", "rear"], "start_frame": pa.array([3, 5], pa.int32()),
        "stop_frame": pa.array([7, 6], pa.int32()),
    })  # fmt: skip
    pq.write_table(table, folder / "122332.parquet")
    return folder / "122332.parquet"


def nwb(folder: Path) -> Path:
    with h5py.File(folder / "pair.nwb", "w") as file:
        table = file.create_group("processing/behavior/annotations")
        table.attrs["neurodata_type"] = "TimeIntervals"
        table["start_time"], table["stop_time"] = [1.0, 2.0], [1.5, 3.0]
        table["label"], table["agent"], table["target"] = ["attack", "rear"], ["m1", "m1"], ["m2", "m1"]
    return folder / "pair.nwb"


TWINS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "boris": ("boris_project", boris), "boris_old": ("boris_tabular", boris_old),
    "boris_new": ("boris_tabular", boris_new), "boris_xlsx": ("boris_tabular", boris_xlsx),
    "boris_aggregated": ("boris_aggregated", boris_aggregated), "annot": ("caltech_annot", annot),
    "annotator": ("caltech_annotator", annotator), "ethovision_raw": ("ethovision_raw", ethovision_raw),
    "ethovision_xlsx": ("ethovision_raw", ethovision_xlsx), "ethovision_manual": ("ethovision_manual",
    ethovision_manual),
    "simba": ("simba_targets", simba), "jabs": ("jabs_annotations", jabs), "deepethogram": ("deepethogram",
    deepethogram), "calms21": ("calms21_annotations", calms21), "prediction": ("trial_prediction", prediction),
    "interval_csv": ("interval_csv", interval_csv), "framewise_csv": ("framewise_csv", framewise_csv),
    "framewise_names": ("framewise_csv", framewise_names), "mabe": ("mabe2025_annotation", mabe),
    "nwb": ("nwb_intervals", nwb),
}  # fmt: skip
