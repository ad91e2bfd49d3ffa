"""Objects against the API of one minor version of Kubernetes."""

from collections.abc import Iterable, Iterator
from typing import Any

from hubops.desired.manifests.api import Api, Kind, group_of
from hubops.desired.manifests.formats import CHECKS
from hubops.desired.manifests.model import Manifest, Wrong
from hubops.desired.model import Values
from hubops.desired.schema import Fault
from hubops.desired.yaml import Path
from hubops.names import nearest

_REASONS = {"unknown": "does not know it, and leaves it out", "required": "requires it"}


def find_wrong(manifests: Iterable[Manifest], api: Api, namespace: str) -> Iterator[Wrong]:
    """Everything that the API has against the objects of one release in its namespace.

    Not looked at are custom resources, whose schemas are on a cluster: `custom_kinds` names them.
    """
    manifests = [*manifests]
    yield from _doubles(manifests, api, namespace)
    for manifest in manifests:
        if kind := api.find(manifest.version, manifest.kind):
            yield from _of_life(manifest, kind, api)
            yield from _of_schema(manifest, kind, api)
        elif not is_custom(manifest, api):
            yield _unserved(manifest, api)


def is_custom(manifest: Manifest, api: Api) -> bool:
    """Whether an object is of a kind that is not Kubernetes' own; the group of such a kind has a dot."""
    group = group_of(manifest.version)
    return bool(manifest.kind) and "." in group and group not in api.groups


def _doubles(manifests: Iterable[Manifest], api: Api, namespace: str) -> Iterator[Wrong]:
    """Hooks may share a name: one goes before the other comes."""
    seen = set[tuple[str, str, str, str]]()
    for each in manifests:
        kind = api.find(each.version, each.kind)
        where = "" if kind and not kind.namespaced else each.namespace or namespace
        key = (group_of(each.version), each.kind, where, each.name)
        if key in seen and each.name and not each.is_hook:
            yield Wrong(
                "duplicate-object",
                each.template,
                f"{each} is rendered twice",
                "takes one of a name, and the other is lost",
                "Give one of them another name.",
                ("metadata", "name"),
                each,
            )
        seen.add(key)


def _of_life(manifest: Manifest, kind: Kind, api: Api) -> Iterator[Wrong]:
    life = api.life(manifest.version, manifest.kind)
    if not kind.by_default:
        hint = (
            f"{_instead(manifest, api)} A cluster may have it turned on: then ignore this rule, and say so."
        )
        what, reason = (
            f"{_titled(manifest)} is not served by default",
            "serves it only where somebody turned it on",
        )
        yield _version("unknown-kind", manifest, what, reason, hint.lstrip())
    elif 0 < life.deprecated <= api.minor:
        ends = f", and goes in 1.{life.removed}" if life.removed else ""
        what = f"{_titled(manifest)} is deprecated since 1.{life.deprecated}{ends}"
        yield _version("deprecated-api", manifest, what, "still takes it", _instead(manifest, api))


def _unserved(manifest: Manifest, api: Api) -> Wrong:
    life = api.life(manifest.version, manifest.kind)
    if missing := [key for key in ("apiVersion", "kind") if not manifest.value.get(key)]:
        what = f"{manifest}: {missing[0]} is missing" if str(manifest) else f"{missing[0]} is missing"
        return Wrong("manifest", manifest.template, what, "requires it", manifest=manifest)
    if 0 < life.removed <= api.minor or _was_before(manifest, api):
        since = f" since 1.{life.removed}" if life.removed else ""
        hint = _instead(manifest, api) or "Take it out: nothing takes its place."
        what = f"{_titled(manifest)} is gone{since}"
        return _version("removed-api", manifest, what, "does not know it", hint)
    if life.introduced > api.minor:
        what, hint = (
            f"{_titled(manifest)} is there from 1.{life.introduced} on",
            "The cluster is too old for it.",
        )
        return _version("unknown-kind", manifest, what, "does not know it yet", hint)
    what = f"there is no {_titled(manifest)}"
    return _version("unknown-kind", manifest, what, "would refuse it", _nearest(manifest, api))


def _was_before(manifest: Manifest, api: Api) -> bool:
    """Whether an older minor version had it, of which nothing tells when it went."""
    minors = api.minors_of(manifest.version, manifest.kind)
    return bool(minors) and max(minors) < api.minor


def _version(rule: str, manifest: Manifest, what: str, reason: str, hint: str) -> Wrong:
    return Wrong(rule, manifest.template, f"{manifest}: {what}", reason, hint, ("apiVersion",), manifest)


def _titled(manifest: Manifest) -> str:
    return f"{manifest.version} {manifest.kind}"


def _instead(manifest: Manifest, api: Api) -> str:
    found = api.replacement(manifest.version, manifest.kind)
    return f"Write it as {found}." if found else ""


def _nearest(manifest: Manifest, api: Api) -> str:
    """Another version that has the kind, or the kind that it may be a slip of."""
    having = [version for version, kinds in api.kinds.items() if manifest.kind in kinds]
    if having:
        return f"Did you mean {nearest(manifest.version, having) or having[0]}?"
    kind = nearest(manifest.kind, {name for kinds in api.kinds.values() for name in kinds})
    return f"Did you mean {kind}?" if kind else ""


def _of_schema(manifest: Manifest, kind: Kind, api: Api) -> Iterator[Wrong]:
    value = _without_null(manifest.value)
    for fault in api.rules(kind).find_faults(value):
        # The API server cannot tell "" from what is left out.
        if fault.rule == "enum" and value_at(value, fault.path) == "":
            continue
        reason = _REASONS.get(fault.rule, "takes nothing else")
        what = f"{manifest}: {fault.what}"
        yield Wrong(
            "manifest",
            manifest.template,
            what,
            _reason(fault, reason),
            _hint(fault, value),
            fault.path,
            manifest,
        )


def _hint(fault: Fault, manifest: Values) -> str:
    if fault.rule != "format":
        return "" if fault.rule == "required" else fault.hint
    value = value_at(manifest, fault.path)
    short = value.rstrip("Bb")  # of bytes, which no quantity has
    return f"Did you mean {short}?" if short != value and CHECKS["quantity"](short) else ""


def _reason(fault: Fault, reason: str) -> str:
    return f"{reason} ({fault.why})" if fault.why else reason


def value_at(value: Any, path: Path) -> Any:
    """The value at a path; None where there is none."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _without_null(value: Any) -> Any:
    """To the API server what is null is left out."""
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
