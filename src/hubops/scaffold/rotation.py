"""New values for what hubops generates, and what is left to a person. Pure: the values come from outside."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hubops.desired.model import Hub, Values
from hubops.desired.schema import dotted
from hubops.desired.secret_files import IMAGES
from hubops.desired.secret_keys import CRYPT_KEYS, EFFECTS, PASSWORDS, effect_of
from hubops.desired.values import find_value, leaves, path_below
from hubops.desired.yaml import Path
from hubops.errors import UsageError
from hubops.names import did_you_mean
from hubops.secret import Secret


@dataclass(frozen=True)
class Change:
    """One value of a file of secrets: a new one, or (None) none any more."""

    path: Path
    value: Secret | None


def choose(hub: Hub, values: Values, keys: Collection[str]) -> list[Path]:
    """Which generated secrets of the opened file get a new value; none named: all but the passwords of people.

    Raises:
        UsageError: a key is none that hubops generates.
    """
    if not keys:
        return [path for path in present(hub, values) if path not in PASSWORDS]
    known = {dotted(path): path for path in EFFECTS}
    chosen = []
    for key in keys:
        name = key.removeprefix(f"{hub.prefix}.") if hub.prefix else key
        if name not in known:
            hint = f"{did_you_mean(name, known)} Any other: hubops secrets edit {hub.name}"
            raise UsageError(f"hubops does not generate {key}", hint=hint)
        chosen.append(known[name])
    return chosen


def present(hub: Hub, values: Values) -> list[Path]:
    """The generated secrets that the opened file holds."""
    return [path for path in EFFECTS if find_value(values, path_below(hub, path))]


def changes(hub: Hub, values: Values, fresh: Values, paths: Iterable[Path]) -> list[Change]:
    """What to write into the opened file; `fresh` holds new values for all that hubops generates."""
    found: list[Change] = []
    for path in paths:
        here, new = path_below(hub, path), find_value(fresh, path)
        if path == CRYPT_KEYS:
            found += _crypt_keys(here, find_value(values, here), new[0])
        else:
            found.append(Change(here, Secret(new)))
    return found


def effects(hub: Hub, paths: Iterable[Path]) -> list[str]:
    """What people see of new values, a line each."""
    return [f"{dotted(path_below(hub, path))}: {EFFECTS[path]}" for path in paths]


def left_to_do(values: Values, done: Collection[Change]) -> list[str]:
    """What else in the opened file is a secret, or will be for a while, with what to do about it."""
    new = {change.path for change in done}
    found = {path: effect_of(path) for path, value in leaves(values) if isinstance(value, str) and value}
    left = [f"{dotted(path)}: {todo}" for path, todo in found.items() if todo and path not in new]
    kept = [path for path in new if path[-1] == 1]
    return left + [f"{dotted(path)}: take it out when everybody has logged in once more" for path in kept]


def changed_keys(before: Any, after: Any) -> list[str]:
    """How two opened files differ, without their values: `+` new, `-` gone, `~` another value."""
    old, new = dict(leaves(before)), dict(leaves(after))
    marks = {
        **{path: "-" for path in old if path not in new},
        **{
            path: "+" if path not in old else "~" for path in new if path not in old or old[path] != new[path]
        },
    }
    return [f"{marks[path]} {dotted(path)}" for path in sorted(marks, key=dotted)]


def checklist(name: str, done: dict[str, list[str]], left: dict[str, list[str]]) -> str:
    """What remains when somebody has left, as Markdown; the lines are by the name of the file."""
    return "\n".join(_checklist(name, done, left)) + "\n"


def _checklist(name: str, done: dict[str, list[str]], left: dict[str, list[str]]) -> Iterator[str]:
    yield f"# When {name} has left"
    yield ""
    yield f"{name} could read these files, and git's history keeps them as they were: who has read a value knows it"
    yield "until it is new at its source."
    for file, lines in done.items():
        yield f"\n## {file}\n"
        yield from (f"- [x] {line}" for line in lines)
        yield from (f"- [ ] {line}" for line in left[file])
        if file != f"secrets/{IMAGES}.yaml":
            yield "- [ ] Deploy it: until then the hub runs with the old values."
    yield "\n## Not in these files\n"
    yield f"- [ ] The keys of machines that {name} could read, such as CI's: offboard each as well, with a new one in its place."
    yield "- [ ] Clusters, the cloud, the image registry and the forge: accounts, tokens, kubeconfigs."
    yield "- [ ] The hubs themselves, where it is a person of one: people.yaml."


def _crypt_keys(path: Path, found: Any, new: str) -> list[Change]:
    """The new key first, and the one before it, which opens what was encrypted so far; older ones go."""
    if isinstance(found, str):
        return [Change(path, Secret(f"{new};{found.split(';')[0]}"))]
    before = found or []
    kept = [new, *map(str, before[:1])]
    gone = range(len(before) - 1, len(kept) - 1, -1)
    return [
        *(Change((*path, number), Secret(key)) for number, key in enumerate(kept)),
        *(Change((*path, number), None) for number in gone),
    ]
