"""In which settings two sets of values differ."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hubops.plan.model import Difference
from hubops.secret import MASK

_SHOWN = 60  # characters of a value that help a reader; a script in extraConfig has thousands
_NOTHING = object()
_SECRET = re.compile(r"token|secret|passw|credential|(private|access|api|encryption)_?key", re.IGNORECASE)


def differences(here: Mapping[str, Any], there: Mapping[str, Any], path: str = "") -> Iterator[Difference]:
    """Each setting, by dotted path, that is not the same; lists count as one."""
    for key in sorted({*here, *there}):
        mine, other = here.get(key, _NOTHING), there.get(key, _NOTHING)
        dotted = f"{path}.{key}".removeprefix(".")
        if _is_map(mine, other) and _is_map(other, mine):
            yield from differences(_map(mine), _map(other), dotted)
        elif _written(mine) != _written(other):
            yield Difference(dotted, _shown(key, mine), _shown(key, other))


def _is_map(value: object, other: object) -> bool:
    """Whether it can be compared key by key; nothing can, with a map that has keys."""
    return isinstance(value, dict) or (value is _NOTHING and isinstance(other, dict) and bool(other))


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _written(value: object) -> str:
    """As it reaches helm: to Python 1 and True are equal."""
    return "" if value is _NOTHING else json.dumps(value, sort_keys=True)


def _shown(key: str, value: object) -> str | None:
    if value is _NOTHING:
        return None
    text = json.dumps(_masked(key, value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _masked(key: str, value: Any) -> Any:
    """Secrets have no place in values; one that is there all the same is not shown to those who read plans."""
    if isinstance(value, dict):
        # As Kubernetes writes the variables of an environment: {name: …, value: …}.
        named = str(value.get("name", ""))
        return {inner: _masked(named if inner == "value" else inner, value[inner]) for inner in value}
    if isinstance(value, list):
        return [_masked(key, item) for item in value]
    if isinstance(value, str) and "\n" in value:
        return f"a text of {len(value.splitlines())} lines"  # a script, and anything may be in it
    return MASK if isinstance(value, str) and value and _SECRET.search(key) else value
