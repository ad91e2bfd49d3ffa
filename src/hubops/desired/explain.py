"""Which layer decides a value that a hub's charts get, and what the others say about it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hubops.desired.chart_values import for_templates
from hubops.desired.layers import SECRET, Layer
from hubops.desired.model import Values
from hubops.desired.schema import dotted
from hubops.desired.values import IMAGE_KEY, merge
from hubops.desired.yaml import Path
from hubops.errors import UsageError
from hubops.names import nearest

_PEOPLE = re.compile(r"((admin|allowed|blocked)_)?users")
_SECRET = re.compile(
    r"(secret|token|password|passphrase|(api|private)_?key|CryptKeeper\.keys)s?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Setting:
    """What one layer says about a key; `effect` is what became of it, in words."""

    where: str
    value: Any
    effect: str


@dataclass(frozen=True)
class Value:
    """A value in the end; `where` it was set, file:line:column or who did."""

    key: str
    value: Any
    where: str
    is_default: bool = False


@dataclass(frozen=True)
class Explanation:
    """A key's value in the end, None where `is_set` is not, and what each layer says, lowest first."""

    key: str
    is_set: bool
    value: Any
    settings: Sequence[Setting]


def final_values(layers: Sequence[Layer]) -> Values:
    """What the hub's charts get of the layers."""
    charts = {key: values for layer in layers if layer.is_default for key, values in layer.values.items()}
    merged = merge(*(layer.values for layer in layers if not layer.is_default))
    final: Values = _without_image_names(for_templates(merged, charts))
    return final


def list_values(layers: Sequence[Layer]) -> Iterator[Value]:
    """Every value in the end; lists count as one."""
    for path, value in _leaves(final_values(layers), ()):
        layer = _decider(layers, path, value)
        yield Value(dotted(path), hide(path, value), layer.where(path), layer.is_default)


def explain(layers: Sequence[Layer], key: str, prefix: str) -> Explanation:
    """What each layer says about a key, which may be without the prefix of JupyterHub's chart.

    Raises:
        UsageError: no layer says anything; names the nearest key.
    """
    final = final_values(layers)
    known = {
        dotted(path): path
        for values in (*(layer.values for layer in layers), final)
        for path in _paths(values, ())
    }
    path = known.get(key) or known.get(f"{prefix}.{key}")
    if path is None:
        near = nearest(key, known) or nearest(f"{prefix}.{key}", known)
        raise UsageError(
            f"nothing sets {key}", hint=f"Did you mean {near}?" if near else "See all without --explain."
        )
    is_set, value = _at(final, path)
    return Explanation(dotted(path), is_set, hide(path, value), tuple(_settings(layers, path)))


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


def _settings(layers: Sequence[Layer], path: Path) -> Iterator[Setting]:
    says = [(layer, *hit) for layer in layers if (hit := _hit(layer.values, path))]
    # A default is merged after all others: what hides other layers below it does not hide that.
    cuts = [
        number for number, (layer, _, value) in enumerate(says) if not _is_map(value) and not layer.is_default
    ]
    cut = cuts[-1] if cuts else -1
    decides = len(says) - 1 if cut == len(says) - 1 or not _is_map(says[-1][2]) else cut + 1
    for number, (layer, at, value) in enumerate(says):
        adds = _is_map(says[-1][2]) and _is_map(value) and (number > cut or layer.is_default)
        if adds:
            effect = "adds its keys" if number else "adds its keys, the lowest"
        elif number == decides:
            effect = _decides(path, at, value, is_lowest=number == 0)
        else:
            effect = f"hidden by {says[decides][0].where(says[decides][1])}"
        yield Setting(layer.where(at), hide(at, value), effect)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _decides(path: Path, at: Path, value: Any, *, is_lowest: bool) -> str:
    if value is None:
        what = "null" if at == path else f"null at {dotted(at)}"
        return f"{what} takes it away{', but there is nothing below' if is_lowest else ''}"
    if at != path:
        return f"{dotted(at)} is a value here, in place of keys and values"
    return "decides, the only one" if is_lowest else "decides, the topmost"


def _hit(values: Values, path: Path) -> tuple[Path, Any] | None:
    """Where values say something about a path: there, or above it where no map is."""
    found: Any = values
    for number, key in enumerate(path):
        if key not in found:
            return None
        found = found[key]
        if not isinstance(found, dict):
            return path[: number + 1], found
    return path, found


def _without_image_names(value: Any) -> Any:
    """What `hubops-image` asks for is among the values already."""
    if not isinstance(value, dict):
        return value
    return {key: _without_image_names(item) for key, item in value.items() if key != IMAGE_KEY}


def _decider(layers: Sequence[Layer], path: Path, value: Any) -> Layer:
    saying = [layer for layer in reversed(layers) if _at(layer.values, path)[0]]
    return next((layer for layer in saying if _at(layer.values, path)[1] == value), saying[0])


def _at(values: Any, path: Path) -> tuple[bool, Any]:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False, None
        values = values[key]
    return True, values


def _paths(values: Values, path: Path) -> Iterator[Path]:
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from _paths(value, (*path, key))


def _leaves(values: Values, path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
