"""A definition in the States Language, checked before a state machine is made, as AWS does.

Source: https://states-language.net and https://docs.aws.amazon.com/step-functions/latest/dg/concepts-states.html.
`problems` gives sentences in AWS's form (``MISSING_TRANSITION_TARGET: … at /States/A/Next``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonpath_ng.ext.parser import parse as parse_path

from local_mock.documents import RefusedError, load_json
from local_mock.stepfunctions import intrinsics, queries

__all__ = ["problems"]

_REQUIRED = {"Task": ("Resource",), "Choice": ("Choices",), "Parallel": ("Branches",)}
_TYPES = ("Task", "Pass", "Wait", "Choice", "Parallel", "Map", "Succeed", "Fail")
_ENDS = ("Succeed", "Fail")
_FIELDS = frozenset({
    "Arguments", "Assign", "Branches", "Catch", "Cause", "CausePath", "Choices", "Comment", "Credentials",
    "Default", "End", "Error", "ErrorPath", "HeartbeatSeconds", "HeartbeatSecondsPath", "InputPath", "ItemBatcher",
    "ItemProcessor", "ItemReader", "ItemSelector", "Items", "ItemsPath", "Iterator", "Label", "MaxConcurrency",
    "MaxConcurrencyPath", "Next", "Output", "OutputPath", "Parameters", "QueryLanguage", "Resource", "Result",
    "ResultPath", "ResultSelector", "ResultWriter", "Retry", "Seconds", "SecondsPath", "TimeoutSeconds",
    "TimeoutSecondsPath", "Timestamp", "TimestampPath", "ToleratedFailureCount", "ToleratedFailureCountPath",
    "ToleratedFailurePercentage", "ToleratedFailurePercentagePath", "Type",
})  # fmt: skip
_PATHS = tuple(f for f in sorted(_FIELDS) if f.endswith("Path") and f not in ("CausePath", "ErrorPath"))
_PAYLOADS = ("Assign", "ItemSelector", "Parameters", "ResultSelector")
_NESTED = ("Branches", "ItemProcessor", "Iterator")  # checked as machines of their own
_WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
_COMPARISONS = re.compile(
    r"(String|Numeric|Timestamp)(Equals|LessThan|GreaterThan|LessThanEquals|GreaterThanEquals)(Path)?"
    r"|BooleanEquals(Path)?|StringMatches|Is(Null|Present|Numeric|String|Boolean|Timestamp)"
)
_JSONPATH, _JSONATA = "JSONPath", "JSONata"
# Fields of one query language: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
_FOR_JSONATA = frozenset({"Arguments", "Items", "Output"})
_FOR_JSONPATH = frozenset({*_PATHS, "CausePath", "ErrorPath", "Parameters", "ResultSelector"})
_REFERENCE = re.compile(r"\$(\.[^\s.\[\]*?@]+|\[('[^']*'|\d+)\])*")
_VARIABLE = re.compile(r"\$[A-Za-z_]\w*")


def problems(definition: str) -> list[str]:
    """Return what is wrong with a definition; nothing if it can run."""
    try:
        document = load_json(definition)
    except RefusedError as err:
        return [f"INVALID_JSON_DESCRIPTION: {err}"]
    if not isinstance(document, dict):
        return ["SCHEMA_VALIDATION_FAILED: The definition must be a JSON object at /"]
    sentences: list[str] = []
    names: dict[str, str] = {}
    for problem in _machine(document, "", names, _JSONPATH):
        sentences.append(problem)
        if len(sentences) == 10:
            break
    return sentences


def _machine(machine: Mapping[str, Any], at: str, names: dict[str, str], language: str) -> Iterator[str]:
    """Yield what is wrong with a machine, a branch or an item processor. `names`: of states, over all of them."""
    language = machine.get("QueryLanguage", language)
    if language not in (_JSONPATH, _JSONATA):
        yield _schema(f"QueryLanguage must be one of [{_JSONPATH}, {_JSONATA}]", f"{at}/QueryLanguage")
        return
    states, start = machine.get("States"), machine.get("StartAt")
    missing = [name for name in ("StartAt", "States") if name not in machine]
    if missing:
        yield _schema(f"These fields are required: [{', '.join(missing)}]", at)
        return
    if not isinstance(states, dict) or not states:
        yield _schema("States must be an object with at least one state", f"{at}/States")
        return
    if not isinstance(start, str) or start not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing 'StartAt' target: {start} at {at}/StartAt"
    for name, state in states.items():
        where = f"{at}/States/{name}"
        if len(name) > 80:
            yield _schema("A state's name has at most 80 characters", where)
        if name in names:
            yield f"DUPLICATE_STATE_NAME: Duplicate State name: {name} at {where}"
        names[name] = where
        if isinstance(state, dict):
            yield from _state(state, where, states, names, language)
        else:
            yield _schema("A state must be an object", where)
    for name in _unreachable(states, start):
        yield f'MISSING_TRANSITION_TARGET: State "{name}" is not reachable. at {at}/States/{name}'


def _unreachable(states: Mapping[str, Any], start: Any) -> list[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if not isinstance(name, str) or name in reached or not isinstance(states.get(name), dict):
            continue
        reached.add(name)
        state = states[name]
        ahead += [state.get("Next"), state.get("Default")]
        for field in ("Choices", "Catch"):
            rules = state.get(field)
            ahead += (
                [rule.get("Next") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
            )
    return [name for name in states if name not in reached] if isinstance(start, str) and start in states else []


def _state(
    state: Mapping[str, Any], at: str, states: Mapping[str, Any], names: dict[str, str], language: str
) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in _TYPES:
        yield _schema(f"Type must be one of [{', '.join(_TYPES)}], but is {kind}", f"{at}/Type")
        return
    for field in sorted(set(state) - _FIELDS):
        yield _schema(f"Field '{field}' is not supported", f"{at}/{field}")
    if missing := [field for field in _REQUIRED.get(kind, ()) if field not in state]:
        yield _schema(f"These fields are required: [{', '.join(missing)}]", at)
        return
    yield from _transition(kind, state, at, states)
    language, outer = state.get("QueryLanguage", language), language
    if language not in (_JSONPATH, _JSONATA) or (outer, language) == (_JSONATA, _JSONPATH):
        yield _schema(f"QueryLanguage must not be {language} here", f"{at}/QueryLanguage")
        return
    for field in sorted(set(state) & (_FOR_JSONATA if language == _JSONPATH else _FOR_JSONPATH)):
        yield _schema(f"Field '{field}' is not supported with the query language {language}", f"{at}/{field}")
    if language == _JSONATA:
        yield from _expressions({name: state[name] for name in state if name not in _NESTED}, at)
    else:
        yield from _paths(state, at)
    if kind == "Wait" and sum(field in state for field in _WAITS) != 1:
        yield _schema(f"A Wait state has exactly one of [{', '.join(_WAITS)}]", at)
    if kind == "Choice":
        yield from _choices(state, at, states, language)
    for field in ("Retry", "Catch"):
        yield from _handlers(state.get(field, []), field, at, states, language)
    yield from _inner(kind, state, at, names, language)


def _expressions(value: Any, at: str) -> Iterator[str]:
    """Yield what is wrong in the JSONata expressions of a value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _expressions(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _expressions(inner, f"{at}[{number}]")
    elif queries.is_expression(value):
        if problem := queries.problem(queries.source(value)):
            yield _schema(f"The JSONata expression is not valid: {problem}", at)
    elif isinstance(value, str) and value.startswith(queries.OPEN):
        yield _schema("A JSONata expression starts with {% and ends with %}", at)


def _paths(state: Mapping[str, Any], at: str) -> Iterator[str]:
    """Yield what is wrong with the JSONPaths and payload templates of a state."""
    for field in _PATHS:
        if state.get(field) is not None and field in state:
            yield from _path(state[field], f"{at}/{field}", reference=field == "ResultPath")
    for field in ("CausePath", "ErrorPath"):
        if field in state:
            yield from _value(state[field], field, at)
    for field in _PAYLOADS:
        yield from _payload(state.get(field), f"{at}/{field}")


def _inner(kind: str, state: Mapping[str, Any], at: str, names: dict[str, str], language: str) -> Iterator[str]:
    if kind == "Parallel":
        branches = state["Branches"]
        if not isinstance(branches, list) or not branches or not all(isinstance(b, dict) for b in branches):
            yield _schema("Branches must be a list of at least one state machine", f"{at}/Branches")
            return
        for number, branch in enumerate(branches):
            yield from _machine(branch, f"{at}/Branches[{number}]", names, language)
    if kind == "Map":
        fields = [field for field in ("ItemProcessor", "Iterator") if field in state]
        if len(fields) != 1 or not isinstance(state[fields[0]], dict):
            yield _schema("A Map state has exactly one of [ItemProcessor, Iterator], a state machine", at)
            return
        yield from _machine(state[fields[0]], f"{at}/{fields[0]}", names, language)


def _transition(kind: str, state: Mapping[str, Any], at: str, states: Mapping[str, Any]) -> Iterator[str]:
    if kind in (*_ENDS, "Choice"):
        for field in ("Next", "End"):
            if field in state:
                yield _schema(f"Field '{field}' is not supported by a {kind} state", f"{at}/{field}")
        return
    ends = state.get("End")
    if "End" in state and not isinstance(ends, bool):
        yield _schema("End must be true or false", f"{at}/End")
    if ("Next" in state) == bool(ends):
        yield _schema("A state must have exactly one of [Next, End]", at)
    if "Next" in state:
        yield from _target(state["Next"], "Next", at, states)


def _target(target: Any, field: str, at: str, states: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(target, str) or target not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing '{field}' target: {target} at {at}/{field}"


def _choices(state: Mapping[str, Any], at: str, states: Mapping[str, Any], language: str) -> Iterator[str]:
    choices = state["Choices"]
    if "Default" in state:
        yield from _target(state["Default"], "Default", at, states)
    if not isinstance(choices, list) or not choices:
        yield _schema("Choices must be a list of at least one rule", f"{at}/Choices")
        return
    for number, rule in enumerate(choices):
        where = f"{at}/Choices[{number}]"
        if isinstance(rule, dict):
            if "Next" not in rule:
                yield _schema("These fields are required: [Next]", where)
            else:
                yield from _target(rule["Next"], "Next", where, states)
        if language == _JSONPATH:
            yield from _rule(rule, where, top=True)
        elif not isinstance(rule, dict) or not isinstance(rule.get("Condition"), bool | str):
            yield _schema("A choice rule must be an object with a Condition", where)


def _rule(rule: Any, at: str, *, top: bool) -> Iterator[str]:
    if not isinstance(rule, dict):
        yield _schema("A choice rule must be an object", at)
        return
    if "Next" in rule and not top:
        yield _schema("Field 'Next' is supported at the top of a choice rule only", f"{at}/Next")
    operators = [f for f in rule if f not in ("Assign", "Comment", "Next", "Output", "Variable")]
    if len(operators) != 1:
        yield _schema("A choice rule has exactly one operator", at)
        return
    operator = operators[0]
    inner, where = rule[operator], f"{at}/{operator}"
    if operator in ("And", "Or"):
        if not isinstance(inner, list) or not inner:
            yield _schema(f"{operator} must be a list of at least one rule", where)
            return
        for number, part in enumerate(inner):
            yield from _rule(part, f"{where}[{number}]", top=False)
    elif operator == "Not":
        yield from _rule(inner, where, top=False)
    elif not _COMPARISONS.fullmatch(operator):
        yield _schema(f"Field '{operator}' is not supported", where)
    elif "Variable" not in rule:
        yield _schema("These fields are required: [Variable]", at)
    else:
        yield from _path(rule["Variable"], f"{at}/Variable")
        yield from _operand(operator, inner, where)


def _operand(operator: str, value: Any, at: str) -> Iterator[str]:
    if operator.endswith("Path"):
        yield from _path(value, at)
        return
    kind: Any = (bool,)
    if operator.startswith(("String", "Timestamp")):
        kind = (str,)
    elif operator.startswith("Numeric"):
        kind = (int, float)
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
        yield _schema(f"The value of {operator} has the wrong type", at)


def _handlers(handlers: Any, field: str, at: str, states: Mapping[str, Any], language: str) -> Iterator[str]:
    if not isinstance(handlers, list):
        yield _schema(f"{field} must be a list", f"{at}/{field}")
        return
    for number, handler in enumerate(handlers):
        where = f"{at}/{field}[{number}]"
        errors = handler.get("ErrorEquals") if isinstance(handler, dict) else None
        if not isinstance(errors, list) or not errors or not all(isinstance(error, str) for error in errors):
            yield _schema("These fields are required: [ErrorEquals], a list of at least one text", where)
            continue
        if "States.ALL" in errors and (len(errors) > 1 or number < len(handlers) - 1):
            yield _schema("States.ALL must stand alone, and in the last place", f"{where}/ErrorEquals")
        if field == "Catch":
            yield from _target(handler.get("Next"), "Next", where, states)
            if handler.get("ResultPath") is not None:
                yield from _path(handler["ResultPath"], f"{where}/ResultPath", reference=True)
        if language == _JSONPATH:
            yield from _payload(handler.get("Assign"), f"{where}/Assign")


def _payload(value: Any, at: str) -> Iterator[str]:
    """Yield what is wrong in a payload template: values of fields that end in ``.$``."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.endswith(".$"):
                yield from _value(inner, name, at)
            else:
                yield from _payload(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _payload(inner, f"{at}[{number}]")


def _value(value: Any, field: str, at: str) -> Iterator[str]:
    """Yield what is wrong with a path or a call of an intrinsic function."""
    problem = ""
    if isinstance(value, str) and value.startswith("States."):
        try:
            intrinsics.parse(value)
        except intrinsics.IntrinsicError as err:
            problem = f": {err}"
        else:
            return
    elif isinstance(value, str) and next(_path(value, at), None) is None:
        return
    yield _schema(
        f"The value for the field '{field}' must be a valid JSONPath or a valid intrinsic function call{problem}",
        at,
    )


def _path(value: Any, at: str, *, reference: bool = False) -> Iterator[str]:
    """Yield what is wrong with a JSONPath; `reference`: with one that names a single place."""
    if not isinstance(value, str) or not value.startswith("$"):
        yield _schema("Value is not a valid JSONPath", at)
        return
    if reference:
        if not _REFERENCE.fullmatch(value):
            yield _schema("Value is not a Reference Path", at)
        return
    text = value.removeprefix("$") if value.startswith("$$") else _VARIABLE.sub("$", value, count=1)
    try:
        parse_path(text)
    except Exception:  # its own errors have no common class, and it raises bare ones, too
        yield _schema("Value is not a valid JSONPath", at)


def _schema(sentence: str, at: str) -> str:
    return f"SCHEMA_VALIDATION_FAILED: {sentence} at {at or '/'}"
