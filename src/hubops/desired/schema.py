"""What a chart's schema has against values, in the operator's words."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hubops.desired.go_scalars import resolve
from hubops.desired.model import Values
from hubops.desired.yaml import Path
from hubops.names import did_you_mean, nearest

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "keys and values",
    "array": "a list",
    "null": "null",
}
_LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "needs at least {} characters",
    "maxLength": "takes at most {} characters",
    "minItems": "needs at least {} items",
    "maxItems": "takes at most {} items",
    "pattern": "must match {}",
    "format": "must be {}",
}
_LONGEST = 60
_REQUIRED = "Set it, or take away the null that takes away its default."


@dataclass(frozen=True)
class Fault:
    """One thing that the schema refuses, at `path` of the values; `rule` is the schema's keyword."""

    rule: str
    path: Path
    what: str
    why: str = ""
    hint: str = ""


class Rules:
    """A schema, compiled. With `formats` it looks at these: each tells whether a text is of the form that it names.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, schema: Values, formats: Mapping[str, Callable[[str], bool]] | None = None) -> None:
        import jsonschema_rs  # noqa: PLC0415 - not needed by most commands

        self._schema = schema
        self._validator = jsonschema_rs.validator_for(
            schema, offline=True, formats=dict(formats or {}), validate_formats=bool(formats)
        )

    def find_faults(self, values: Values) -> Iterator[Fault]:
        """Everything that the schema has against the values."""
        for error in self._validator.iter_errors(values):
            yield from _faults(error, self._schema)


def dotted(path: Path) -> str:
    """A path as people write it: singleuser.profileList[0].slug."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the whole"


def _faults(error: Any, schema: Values) -> Iterator[Fault]:
    rule, path = error.kind.name, tuple(error.instance_path)
    if rule == "additionalProperties":
        yield from (_unknown((*path, key), error, schema) for key in error.kind.unexpected)
    elif rule == "falseSchema":
        yield _unknown(path, error, schema)
    elif rule == "propertyNames":
        key = (*path, error.kind.error.instance)
        about = _meaning(schema, error.kind.error)
        yield Fault(rule, key, f"{dotted(key)} cannot be a key", about and f"it must be {about}")
    elif rule in {"oneOf", "anyOf"} and (inner := _meant(error)):
        for each in inner:
            yield from _faults(each, schema)
    else:
        yield _wrong(rule, path, error, schema)


def _meant(error: Any) -> list[Any]:
    """The errors of that alternative which fits best: it is wrong deepest inside. None where none fits."""
    # Where more than one of a oneOf fits, those have no errors.
    branches = [branch for branch in error.kind.context if branch]
    depths = [(max(len(each.instance_path) for each in branch), branch) for branch in branches]
    deepest, branch = max(depths, key=lambda pair: pair[0], default=(0, []))
    return list(branch) if deepest > len(error.instance_path) else []


def _unknown(path: Path, error: Any, schema: Values) -> Fault:
    key = str(path[-1])
    known = sorted(_node(schema, error.schema_path[:-1]).get("properties", {}))
    elsewhere = sorted(found for found in _paths(schema) if found.split(".")[-1] == key)
    hint = did_you_mean(key, known) if known else ""
    if elsewhere and not nearest(key, known):
        hint = f"The chart knows it as {', '.join(elsewhere[:3])}."
    return Fault("unknown", path, f"unknown key {dotted(path)}", hint=hint)


def _wrong(rule: str, path: Path, error: Any, schema: Values) -> Fault:
    name, value, limit = dotted(path), error.instance, error.kind.value
    meaning = _meaning(schema, error)
    if rule == "required":
        return Fault(rule, (*path, limit), f"{dotted((*path, limit))} is missing", hint=_REQUIRED)
    if rule == "type":
        what = f"{name} must be {_one_of([_TYPES[each] for each in sorted(limit, key='null'.__eq__)])}, not {_shown(value)}"
        return Fault(rule, path, what, meaning, _retyped(value, limit))
    if rule == "enum":
        allowed = [_shown(each) for each in limit]
        return Fault(rule, path, f"{name} must be {_one_of(allowed)}, not {_shown(value)}", meaning)
    if rule in _LIMITS:
        # The name of a format says less than the schema's description of it.
        told, why = (meaning, "") if rule == "format" else (limit, meaning)
        return Fault(rule, path, f"{name} {_LIMITS[rule].format(told)}, not {_shown(value)}", why)
    if needed := _needed(error):
        return Fault(rule, path, f"{name} needs one of {', '.join(needed)}", meaning)
    return Fault(rule, path, f"{name} is not what the chart takes", meaning or error.message[:300])


def _meaning(schema: Values, error: Any) -> str:
    """The first paragraph of what the schema says about the value."""
    about = str(_node(schema, error.schema_path[:-1]).get("description", ""))
    return " ".join(about.split("\n\n")[0].split())


def _needed(error: Any) -> list[str]:
    """The keys of which each alternative of a oneOf or anyOf requires another."""
    branches = getattr(error.kind, "context", [])
    return [each.kind.value for branch in branches for each in branch if each.kind.name == "required"]


def _retyped(value: Any, types: list[str]) -> str:
    if isinstance(value, (bool, int, float)) and "string" in types:
        return "Quote it."
    if isinstance(value, str):
        meant = resolve(value)
        kinds = {bool: {"boolean"}, int: {"integer", "number"}, float: {"number"}}
        if kinds.get(type(meant), set()) & {*types}:
            return "Take the quotes away."
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "keys and values" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _one_of(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _node(schema: Values, path: list[str | int]) -> Values:
    found: Any = schema
    for part in path:
        found = found[part]
    return found if isinstance(found, dict) else {}


def _paths(schema: Values, path: str = "") -> Iterator[str]:
    """Every key that a schema names, dotted."""
    for key, child in schema.get("properties", {}).items():
        yield f"{path}{key}"
        if isinstance(child, dict):
            yield from _paths(child, f"{path}{key}.")
