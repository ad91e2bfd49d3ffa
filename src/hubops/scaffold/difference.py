"""In what two values differ."""

import json
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to who reads them: 1 and true are not, 1 and 1.0 are."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def find_steps(old: list[Any], new: list[Any]) -> list[tuple[str, int, int]]:
    """What makes one list of the other: delete old[i]; insert new[j] before old[i]; change old[i] into new[j].

    Only a mapping or list may be changed into another: what is said beside a name is not true of the next.
    """
    found: list[tuple[str, int, int]] = []
    before, after = ([json.dumps(item, sort_keys=True) for item in items] for items in (old, new))
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            if i is not None and j is not None and _alike(old[i], new[j]):
                found.append(("change", i, j))
                continue
            if i is not None:
                found.append(("delete", i, 0))
            if j is not None:
                found.append(("insert", i2 if i is None else i + 1, j))
    return found


def _alike(old: Any, new: Any) -> bool:
    return isinstance(old, (dict, list)) and type(old) is type(new)
