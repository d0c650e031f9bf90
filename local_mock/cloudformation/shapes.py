"""Template values (often strings) as the types that an API operation wants, by botocore's own model. Pure."""

from __future__ import annotations

from typing import Any

__all__ = ["cast", "input_shape"]

_CASTS: dict[str, Any] = {"integer": int, "long": int, "float": float, "double": float, "string": str}


def input_shape(client: Any, operation: str) -> Any:
    """Return the input shape of a client's operation (its Python name, say `create_job`)."""
    name = client.meta.method_to_api_mapping[operation]
    return client.meta.service_model.operation_model(name).input_shape


def cast(shape: Any, value: Any, where: str = "") -> Any:
    """Return `value` with every scalar cast to its member's type.

    Raises ValueError for a member that the operation does not know: a property must not be lost in silence.
    """
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'The value'} must be an object, but got {value!r}.")
        unknown = sorted(set(value) - set(shape.members))
        if unknown:
            raise ValueError(f"{where or 'The resource'} has the unsupported properties {unknown}.")
        return {k: cast(shape.members[k], v, f"{where}.{k}".strip(".")) for k, v in value.items() if v is not None}
    if kind == "list":
        return [cast(shape.member, item, f"{where}[]") for item in value]
    if kind == "map":
        return {str(k): cast(shape.value, v, f"{where}.{k}") for k, v in value.items()}
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    return _CASTS[kind](value) if kind in _CASTS else value
