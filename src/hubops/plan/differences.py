"""In which settings two sets of values differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hubops.plan.model import Difference

_SHOWN = 60  # characters of a value that help a reader; a script in extraConfig has thousands
_NOTHING = object()


def differences(here: Mapping[str, Any], there: Mapping[str, Any], path: str = "") -> Iterator[Difference]:
    """Each setting, by dotted path, that is not the same; lists count as one."""
    for key in sorted({*here, *there}):
        mine, other = here.get(key, _NOTHING), there.get(key, _NOTHING)
        dotted = f"{path}.{key}".removeprefix(".")
        if isinstance(mine, dict) or isinstance(other, dict):
            mine_ = mine if isinstance(mine, dict) else {}
            yield from differences(mine_, other if isinstance(other, dict) else {}, dotted)
        elif mine != other:
            yield Difference(dotted, _shown(mine), _shown(other))


def _shown(value: object) -> str | None:
    if value is _NOTHING:
        return None
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
