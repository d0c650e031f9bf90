"""Failures of a query, in the words of Athena: `CODE: line 1:8: message`."""

__all__ = ["ApiError", "QueryError", "at", "not_supported"]


class QueryError(Exception):
    """The query fails; the text becomes `Status.StateChangeReason`. `code` is Trino's error name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code


class ApiError(Exception):
    """A request is refused at once (`InvalidRequestException` unless another kind is named)."""

    def __init__(self, message: str, kind: str = "InvalidRequestException", **extra: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.extra = extra


def at(position: tuple[int, int] | None) -> str:
    """Return `line 1:8: ` for a position, nothing without one."""
    return f"line {position[0]}:{position[1]}: " if position else ""


def not_supported(what: str, position: tuple[int, int] | None = None) -> QueryError:
    """Return an idiom that Athena has and this mock does not translate faithfully."""
    return QueryError("NOT_SUPPORTED", f"{at(position)}{what} is not supported by local_mock")
