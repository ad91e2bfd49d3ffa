"""The values that a chart gets in the end: the defaults of its own file below those it is deployed with.

As helm does it, which tests/cluster/test_values_agree.py holds against helm.
"""

from typing import Any

from hubops.desired.model import Values


def with_defaults(values: Values, defaults: Values) -> Values:
    """The values of a chart, merged with its defaults: null takes a default away."""
    unknown = {key: None for key, value in values.items() if value is None and key not in defaults}
    return {**_over(values, defaults), **unknown}


def for_dependency(values: Values, key: str, defaults: Values) -> Values:
    """The values that a dependency gets of those of its parent: under its key, and what is global."""
    own, shared = (_mapping(values.get(name)) for name in (key, "global"))
    merged = with_defaults(own, defaults)
    return {**merged, "global": _over(shared, _mapping(merged.get("global")))}


def is_enabled(values: Values, condition: str) -> bool:
    """Whether helm deploys a dependency: the first of the comma-separated paths that is set decides."""
    for path in condition.split(","):
        found: Any = values
        for key in path.strip().split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, bool):
            return found
    return True


def _over(values: Values, defaults: Values) -> Values:
    merged = {}
    for key in {**defaults, **values}:
        value, default = values.get(key), defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            merged[key] = _over(value, default)
        elif value is not None:
            merged[key] = value
        elif default is not None and key not in values:
            merged[key] = _without_nulls(default)
    return merged


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}


def _mapping(value: Any) -> Values:
    return value if isinstance(value, dict) else {}
