"""What helm made of a hub, and what is wrong with it."""

from dataclasses import dataclass
from typing import Any

from hubops.desired.model import Values
from hubops.desired.yaml import Path

_HOOK = "helm.sh/hook"


@dataclass(frozen=True)
class Rendering:
    """A hub's manifests for one minor version of Kubernetes; or, in `failure`, what helm says against them."""

    minor: int
    text: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Manifest:
    """One object, and the template it is from, as helm names it: hub/charts/jupyterhub/templates/hub/service.yaml."""

    template: str
    value: Values

    @property
    def version(self) -> str:
        return _text(self.value.get("apiVersion"))

    @property
    def kind(self) -> str:
        return _text(self.value.get("kind"))

    @property
    def name(self) -> str:
        return _text(self._metadata.get("name"))

    @property
    def namespace(self) -> str:
        return _text(self._metadata.get("namespace"))

    @property
    def is_hook(self) -> bool:
        """Whether helm makes it at some moment, and may make it anew at another."""
        return _HOOK in (self._metadata.get("annotations") or {})

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @property
    def _metadata(self) -> Values:
        found = self.value.get("metadata")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Wrong:
    """What breaks a rule of `hubops check` in what was rendered from a template, at `path` of the object.

    `reason` is what Kubernetes makes of it, or at what helm failed. Where there is no object, `line` is the line of
    what was rendered, `number` that of the template, and `place` where the value is set; as far as they are known.
    """

    rule: str
    template: str
    what: str
    reason: str
    hint: str = ""
    path: Path = ()
    manifest: Manifest | None = None
    line: str = ""
    number: int = 0
    place: str = ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
