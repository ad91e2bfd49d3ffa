"""The values that charts get in the end: what helm puts below those that it is given.

As helm does it (pkg/chartutil), which tests/fast/test_values_agree.py holds against helm.
"""

from collections.abc import Collection, Mapping
from typing import Any

from hubops.desired.model import Values

GLOBAL = "global"


def for_templates(values: Values, charts: Mapping[str, Values]) -> Values:
    """What a hub's chart sees, and under their keys what its dependencies see.

    `charts` are the defaults of the dependencies, by the key they have; its own the chart has none left (see
    execute/bundle.py). Null takes away what lies below it, but in `global` nothing takes the place of a map.
    """
    # Helm first makes the chart's defaults whole, with null kept, and then lays the values on top.
    below = _coalesced({}, {}, charts, keeps_null=True)
    return _coalesced(values, below, charts, keeps_null=False)


def for_dependency(values: Values, key: str, defaults: Values) -> Values:
    """The values that one dependency sees, as `for_templates`."""
    found: Values = for_templates(values, {key: defaults})[key]
    return found


def is_enabled(values: Values, condition: str) -> bool:
    """Whether helm deploys a dependency: the first of the comma-separated paths that is set decides."""
    for path in condition.split(","):
        found: Any = values
        for key in path.strip().split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, bool):
            return found
    return True


def _coalesced(values: Values, below: Values, charts: Mapping[str, Values], *, keeps_null: bool) -> Values:
    found = _over_chart(values, below, charts, keeps_null=keeps_null)
    for key, defaults in charts.items():
        own = _with_globals(_mapping(found.get(key)), found)
        found[key] = _over_chart(own, defaults, (), keeps_null=keeps_null)
    return found


def _over_chart(values: Values, defaults: Values, charts: Collection[str], *, keeps_null: bool) -> Values:
    """A null that takes nothing away stays here, as it does not deeper inside."""
    found = {**defaults, **values}
    for key in defaults.keys() & values.keys():
        value, default = values[key], defaults[key]
        if value is None and not keeps_null:
            del found[key]
        elif isinstance(value, dict) and isinstance(default, dict):
            found[key] = _over(value, default, keeps_null=keeps_null or key in charts)
    return found


def _over(values: Values, defaults: Values, *, keeps_null: bool) -> Values:
    found = {**defaults, **values}
    for key, value in values.items():
        default = defaults.get(key)
        if value is None and not keeps_null:
            del found[key]
        elif isinstance(value, dict) and isinstance(default, dict):
            found[key] = _over(value, default, keeps_null=keeps_null)
    return found


def _with_globals(values: Values, parent: Values) -> Values:
    """A dependency's values with the globals of its parent over its own."""
    own, shared = values.get(GLOBAL, {}), parent.get(GLOBAL, {})
    if not isinstance(own, dict) or not isinstance(shared, dict):
        return values
    found = dict(own)
    for key, value in shared.items():
        if isinstance(value, dict) and isinstance(own.get(key), dict):
            found[key] = _over(value, own[key], keeps_null=True)
        elif key not in own or not (isinstance(value, dict) or isinstance(own[key], dict)):
            found[key] = value
    return {**values, GLOBAL: found}


def _mapping(value: Any) -> Values:
    return value if isinstance(value, dict) else {}
