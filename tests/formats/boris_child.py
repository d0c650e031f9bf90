"""Open a project with BORIS's own code, headless, and export it as BORIS does; run by BORIS's own Python.

``boris_child.py PROJECT OUT`` prints {observation: [[subject, code, modifiers, start, stop], …]} as JSON and
writes OUT/<observation>.tsv (tabular) and OUT/<observation>.aggregated.csv.
"""

import importlib.util
import json
import os
import sys
import types
from pathlib import Path
from unittest import mock

os.environ["QT_QPA_PLATFORM"] = "offscreen"
package = types.ModuleType("boris")  # its __init__ starts the whole window, which needs sound libraries
package.__path__ = list(importlib.util.find_spec("boris").submodule_search_locations)  # type: ignore[union-attr,arg-type]
sys.modules["boris"] = package
for player in ("boris.mpv", "boris.mpv2", "PyQt5.QtMultimedia"):  # they load libraries that play films and sounds
    sys.modules[player] = mock.MagicMock()

from boris import config as cfg  # type: ignore[import-not-found]  # noqa: E402
from boris import export_observation, project_functions  # type: ignore[import-not-found]  # noqa: E402


def main(path: str, out: str) -> None:
    _, changed, project, message = project_functions.open_project_json(path)
    assert "error" not in project, project
    assert not changed, message
    answer = {}
    ethogram = project[cfg.ETHOGRAM]
    for name, observation in project[cfg.OBSERVATIONS].items():
        fine, text = project_functions.check_state_events_obs(name, ethogram, observation)
        assert fine, text
        waiting: dict = {}
        bouts = []
        flagged = project_functions.events_start_stop(ethogram, observation[cfg.EVENTS], observation[cfg.TYPE])
        for event in flagged:
            key, time, status = (event[1], event[2], event[3]), float(event[0]), event[-1]
            if status == "START":
                waiting[key] = time
            else:
                bouts.append([*key, waiting.pop(key), time])
        answer[name] = bouts
        parameters = {
            "time": cfg.TIME_FULL_OBS,
            cfg.SELECTED_SUBJECTS: [s["name"] for s in project[cfg.SUBJECTS].values()],
            cfg.SELECTED_BEHAVIORS: [b["code"] for b in ethogram.values()],
        }
        table = Path(out) / f"{name}.tsv"
        export_observation.export_tabular_events(
            project, parameters, name, observation, ethogram, str(table), "tsv"
        )
        data, _ = export_observation.export_aggregated_events(project, parameters, name)
        data.headers = [
            "Observation id", "Observation date", "Description", "Observation type", "Source", "Time offset (s)",
            "Coding duration", "Media duration (s)", "FPS (frame/s)", "Subject",
            "Observation duration by subject by observation", "Behavior", "Behavioral category",
            *(f"Modifier #{i + 1}" for i in range(data.width - 24)),
            "Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Media file name", "Image index start",
            "Image index stop", "Image file path start", "Image file path stop", "Comment start", "Comment stop",
        ]  # fmt: skip
        (Path(out) / f"{name}.aggregated.csv").write_text(data.export("csv"))
    print(json.dumps(answer))


main(*sys.argv[1:])
