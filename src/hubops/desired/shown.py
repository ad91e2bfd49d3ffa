"""Values as they may be shown to anybody."""

import re
from typing import Any

from hubops.desired.schema import dotted
from hubops.desired.yaml import Path

SECRET = "(secret)"  # noqa: S105 - stands for one
_PEOPLE = re.compile(r"((admin|allowed|blocked)_)?users")
_SECRET = re.compile(
    r"(secret|token|password|passphrase|(api|private)_?key|CryptKeeper\.keys)s?$", re.IGNORECASE
)


def hide(path: Path, value: Any) -> Any:
    """A value without names of people, which are counted, and without what its key tells to be a secret."""
    if isinstance(value, dict):
        return {key: hide((*path, key), item) for key, item in value.items()}
    if isinstance(value, list) and path and _PEOPLE.fullmatch(str(path[-1])):
        return f"({len(value)} {'person' if len(value) == 1 else 'people'})"
    if isinstance(value, list):
        hidden = bool(value) and _SECRET.search(dotted(path))
        return SECRET if hidden else [hide((*path, number), item) for number, item in enumerate(value)]
    return SECRET if value and isinstance(value, str) and _SECRET.search(dotted(path)) else value
