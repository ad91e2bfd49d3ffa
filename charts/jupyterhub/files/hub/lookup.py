"""Values by dotted path."""

from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]


def at(values: Values, key: str) -> Any:
    """The value at a dotted path; None where the path leads nowhere."""
    value: Any = values
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def traits(values: Values, names: Mapping[str, str]) -> dict[str, Any]:
    """Traits from the values at their paths. One of null is left out, which leaves JupyterHub's own default."""
    return present({trait: at(values, key) for trait, key in names.items()})


def present(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in found.items() if value is not None}


def merged(below: Values, above: Values) -> dict[str, Any]:
    """Both, key by key at any depth; `above` wins."""
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            both[key] = merged(below[key], above[key])
    return both
