"""Which layer decides a value that a hub's charts get, and what the others say about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hubops.desired.chart_values import GLOBAL, for_templates
from hubops.desired.injection import IMAGE_KEY
from hubops.desired.layers import Layer
from hubops.desired.model import Values
from hubops.desired.schema import dotted
from hubops.desired.shown import hide
from hubops.desired.values import leaves, merge
from hubops.desired.yaml import Path
from hubops.errors import UsageError
from hubops.names import nearest


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


@dataclass(frozen=True)
class _Said:
    """A layer, and the value that it has `at` a path or above it."""

    layer: Layer
    at: Path
    value: Any
    where: str


def final_values(layers: Sequence[Layer]) -> Values:
    """What the hub's charts get of the layers."""
    merged = merge(*(layer.values for layer in layers if not layer.is_default))
    final: Values = _without_image_names(for_templates(merged, _defaults(layers)))
    return final


def _defaults(layers: Sequence[Layer]) -> Values:
    """Those of the charts below the hub's, by their keys."""
    return merge(*(layer.values for layer in layers if layer.is_default))


def list_values(layers: Sequence[Layer]) -> Iterator[Value]:
    """Every value in the end; lists count as one."""
    for path, value in leaves(final_values(layers), lists=False):
        if says := _says(layers, path):  # no one says that there be an empty `global`
            said = _decider(says, path, value)
            yield Value(dotted(path), hide(path, value), said.where, said.layer.is_default)


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
    return Explanation(dotted(path), is_set, hide(path, value), tuple(_settings(layers, path, final)))


def _settings(layers: Sequence[Layer], path: Path, final: Values) -> Iterator[Setting]:
    says = _says(layers, path)
    is_set, value = _at(final, path)
    if is_set and _is_map(value):
        effects = _merged(says)
    else:
        decides = says.index(_decider(says, path, value)) if is_set else len(says) - 1
        effects = [_effect(says, number, decides, path) for number in range(len(says))]
    for each, effect in zip(says, effects, strict=True):
        yield Setting(each.where, hide(each.at, each.value), effect)


def _merged(says: Sequence[_Said]) -> list[str]:
    """For a map: each adds to it that no other value lies above."""
    cut = _cut(says)
    above = says[cut + 1].where if cut + 1 < len(says) else "another key of the map around it"
    return [
        "adds its keys" if _adds(each, number, cut) else f"hidden by {above}"
        for number, each in enumerate(says)
    ]


def _cut(says: Sequence[_Said]) -> int:
    """The topmost that is no map: what lies below it has no part in a map."""
    others = (n for n, each in enumerate(says) if not _is_map(each.value) and not each.layer.is_default)
    return max(others, default=-1)


def _adds(each: _Said, number: int, cut: int) -> bool:
    """A default is merged after all others."""
    return _is_map(each.value) and (number > cut or each.layer.is_default)


def _effect(says: Sequence[_Said], number: int, decides: int, path: Path) -> str:
    each = says[number]
    if number < decides:
        return f"hidden by {says[decides].where}"
    if number > decides:
        return "has no effect: keys and values above it bring the default back"
    if each.value is None:
        what = "null" if each.at == path else f"null at {dotted(each.at)}"
        return f"{what} takes it away{'' if number else ', but there is nothing below'}"
    if each.at != path:
        return f"{dotted(each.at)} is a value here, in place of keys and values"
    return "decides, the topmost" if number else "decides, the only one"


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _says(layers: Sequence[Layer], path: Path) -> list[_Said]:
    """Who says something about a path, lowest first; above all the `global` of the hub's chart, which goes to each."""
    found = [_Said(layer, *hit, layer.where(hit[0])) for layer in layers if (hit := _hit(layer.values, path))]
    if path[1:2] == (GLOBAL,) and path[0] in _defaults(layers):
        found += [replace(said, at=path[: len(said.at) + 1]) for said in _says(layers, path[1:])]
    return found


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


def _decider(says: Sequence[_Said], path: Path, value: Any) -> _Said:
    """The topmost that says the value; of a map, that has a part in it."""
    if _is_map(value):
        cut = _cut(says)
        return [each for number, each in enumerate(says) if _adds(each, number, cut)][-1]
    saying = [each for each in reversed(says) if each.at == path]
    return next((each for each in saying if each.value == value), saying[0])


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
