"""The API of a minor version of Kubernetes: its kinds, their schemas, and which of them come and go.

kubernetes.json is derived by toolchain/kubernetes_api.py from what Kubernetes publishes (docs/adr/0016).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from hubops.desired.manifests.formats import CHECKS, WORDS, in_form
from hubops.desired.model import Values
from hubops.desired.schema import Rules

_UNSTABLE = ("alpha", "beta")
_RELAXED_SERVICES = 36  # RelaxedServiceNameValidation is on by default
_LABELS: Values = {
    "type": "object",
    "propertyNames": in_form("label-key"),
    "additionalProperties": in_form("label"),
}
_ANNOTATIONS: Values = {
    "type": "object",
    "propertyNames": in_form("annotation-key"),
    "additionalProperties": {"type": "string"},
}
_LABEL_NAME = in_form("dns-label")
# What the API server's validation adds to fields that OpenAPI calls texts, or maps of texts.
_STRICTER: dict[str, Values] = {
    "meta.v1.ObjectMeta": {"labels": _LABELS, "annotations": _ANNOTATIONS, "namespace": _LABEL_NAME},
    "meta.v1.LabelSelector": {"matchLabels": _LABELS},
    "core.v1.PodSpec": {"nodeSelector": _LABELS},
    "core.v1.ServiceSpec": {"selector": _LABELS},
    "core.v1.Container": {"name": _LABEL_NAME},
    "core.v1.Volume": {"name": _LABEL_NAME},
}
_NAMES = {"Namespace": "dns-label", "ClusterTrustBundle": "path-segment"}
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Life:
    """The minor versions in which a version of a kind came, was deprecated and went; `replacement` is "version Kind"."""

    introduced: int = 0
    deprecated: int = 0
    removed: int = 0
    replacement: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind that can be created. `by_default` is whether API servers serve it unless told otherwise."""

    version: str
    name: str
    schema: str
    namespaced: bool
    by_default: bool


class Api:
    """What the API server of one minor version takes. `release` is the version it was derived from."""

    def __init__(self, minor: int) -> None:
        derived = _derived()
        self.minor = minor
        self.name = f"1.{minor}"
        self.release: str = derived["releases"][str(minor)]
        self._lives: Values = derived["lifecycle"]
        self.kinds: dict[str, dict[str, Kind]] = {}
        for version, kinds in derived["kinds"].items():
            if found := {
                name: _kind(version, name, kinds[name]) for name in kinds if minor in kinds[name]["in"]
            }:
                self.kinds[version] = found
        self._rules: dict[Kind, Rules] = {}

    def find(self, version: str, kind: str) -> Kind | None:
        """The kind, if this API has it."""
        return self.kinds.get(version, {}).get(kind)

    def life(self, version: str, kind: str) -> Life:
        """When the kind came and goes; nothing of what nobody ever heard of, and of what is there to stay."""
        return Life(**self._lives.get(f"{version} {kind}", {}))

    def minors_of(self, version: str, kind: str) -> list[int]:
        """The known minor versions that have the kind."""
        found: list[int] = _derived()["kinds"].get(version, {}).get(kind, {}).get("in", [])
        return found

    def replacement(self, version: str, kind: str) -> str:
        """What this API has in place of a kind, "version Kind"; empty where it has nothing."""
        tried = f"{version} {kind}"
        while (tried := self.life(*tried.split(" ")).replacement) and not self.find(*tried.split(" ")):
            pass
        return tried or next((f"{each} {kind}" for each in self._stable(group_of(version), kind)), "")

    def _stable(self, group: str, kind: str) -> list[str]:
        """The versions of a group that have the kind, and are served by default."""
        return [
            version
            for version, kinds in self.kinds.items()
            if group_of(version) == group and kind in kinds and kinds[kind].by_default
        ]

    @cached_property
    def groups(self) -> frozenset[str]:
        """The groups that are Kubernetes' own, now or once; all others are custom resources."""
        names = (name.split(" ")[0] for name in (*self._lives, *_derived()["kinds"]))
        return frozenset(group_of(version) for version in names)

    def rules(self, kind: Kind) -> Rules:
        """The schema of a kind, compiled."""
        if kind not in self._rules:
            self._rules[kind] = Rules(_top(kind, self._definitions, self.minor), CHECKS)
        return self._rules[kind]

    @cached_property
    def _definitions(self) -> Values:
        found = {
            name: variant["schema"]
            for name, variants in _derived()["definitions"].items()
            for variant in variants
            if self.minor in variant["in"]
        }
        for name in ("api.resource.Quantity", "byte"):
            found[name] = {**found[name], "description": WORDS[found[name]["format"]]}
        for name, stricter in _STRICTER.items():
            found[name] = {**found[name], "properties": {**found[name]["properties"], **stricter}}
        return found


def group_of(version: str) -> str:
    """The group of an apiVersion; the core group has no name."""
    return version.rpartition("/")[0]


@cache
def load_api(minor: int) -> Api:
    """The API of a minor version.

    Raises:
        KeyError: it is none of `known_minors`.
    """
    return Api(minor)


@cache
def known_minors() -> tuple[int, ...]:
    """The minor versions that can be a target, oldest first."""
    return tuple(sorted(int(minor) for minor in _derived()["releases"]))


def nearest_minor(minor: int) -> int:
    """The minor version among the known ones that is most like this one."""
    return min(known_minors(), key=lambda known: abs(known - minor))


@cache
def _derived() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((Path(__file__).parent / "kubernetes.json").read_text())
    return found


def _kind(version: str, name: str, about: Values) -> Kind:
    by_default = not any(word in version for word in _UNSTABLE)
    return Kind(version, name, about["schema"], bool(about.get("namespaced")), by_default)


def _top(kind: Kind, definitions: Values, minor: int) -> Values:
    """An object has a name, in the form of its kind."""
    form = _NAMES.get(kind.name, "path-segment" if group_of(kind.version) == _RBAC else "subdomain")
    if kind.name == "Service":
        form = "dns-label" if minor >= _RELAXED_SERVICES else "dns-label-from-a-letter"
    metadata: Values = {"required": ["name"], "properties": {"name": in_form(form)}}
    named: Values = {"required": ["metadata"], "properties": {"metadata": metadata}}
    return {"allOf": [{"$ref": f"#/$defs/{kind.schema}"}, named], "$defs": definitions}
