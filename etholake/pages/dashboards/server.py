"""The page on loopback with live queries: every choice of a parameter asks Athena again.

``GET /`` is the page, ``GET /api/data/<dashboard>/<data set>?Lab=a&Lab=b`` one data set under the dashboard's
parameter filters. Only names that the definitions know are taken; values travel as execution parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, parse_qs

from etholake.pages import loopback
from etholake.pages.dashboards import page
from etholake.pages.dashboards.definitions import Definitions, Json, columns, parameter_filters, sql

__all__ = ["DashboardServer", "filtered"]

Ask = Callable[[str, Sequence[str]], tuple[Sequence[str], Sequence[Sequence[Any]]]]


def filtered(data_set: Json, database: str, choices: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
    """Return (SQL with ``?``, values as literals) of a data set whose columns have one of the `choices`."""
    kinds, text = columns(data_set), sql(data_set, database)
    clauses: list[str] = []
    values: list[str] = []
    for column, wanted in choices.items():
        if wanted and column in kinds:
            clauses.append(f'"{column}" IN ({", ".join("?" * len(wanted))})')
            values += [_literal(value, kinds[column]) for value in wanted]
    if not clauses:
        return text, []
    return f"SELECT * FROM ({text}) AS chosen WHERE {' AND '.join(clauses)}", values  # noqa: S608 values are ?


def _literal(value: str, kind: str) -> str:
    if kind == "STRING":
        return "'" + value.replace("'", "''") + "'"
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        raise ValueError(f"Expected a number, but got '{value}'.")
    return value


class DashboardServer(ThreadingHTTPServer):
    """Answers on 127.0.0.1 only; `port` 0 takes a free one."""

    daemon_threads = True

    def __init__(self, definitions: Definitions, database: str, facts: str, ask: Ask, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.definitions, self.database, self.facts, self.ask = definitions, database, facts, ask

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def data(self, dashboard: str, name: str, query: Mapping[str, Sequence[str]]) -> Json:
        """Return one data set under the choices; a query that fails gives its reason in `error`."""
        data_set = self.definitions.data_sets[name]
        filters = parameter_filters(self.definitions.dashboards[dashboard])
        choices = {filters[parameter]: values for parameter, values in query.items()}
        try:
            names, rows = self.ask(*filtered(data_set, self.database, choices))
        except Exception as err:  # whatever failed is shown in the visuals of this data set
            return page.pack_error(data_set, str(err))
        return page.pack(data_set, names, rows)


class _Handler(loopback.Handler):
    server: DashboardServer

    def answer(self, parts: SplitResult) -> None:
        """Answer a request by its path."""
        if parts.path == "/":
            text = page.render(self.server.definitions, None, facts=self.server.facts, read="", live=True)
            self.send(HTTPStatus.OK, "text/html", text)
            return
        match parts.path.strip("/").split("/"):
            case ["api", "data", dashboard, name] if self._known(dashboard, name, query := parse_qs(parts.query)):
                try:
                    answer = self.server.data(dashboard, name, query)
                except ValueError as err:
                    self.send(HTTPStatus.BAD_REQUEST, "text/plain", str(err))
                    return
                self.send(HTTPStatus.OK, "application/json", json.dumps(answer, allow_nan=False))
            case _:
                self.send(HTTPStatus.NOT_FOUND, "text/plain", "No such dashboard, data set or parameter.")

    def _known(self, dashboard: str, name: str, query: Mapping[str, Any]) -> bool:
        definitions = self.server.definitions
        return (
            dashboard in definitions.dashboards
            and name in definitions.data_sets
            and set(query) <= set(parameter_filters(definitions.dashboards[dashboard]))
        )
