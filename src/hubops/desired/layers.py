"""Everything that a hub's values come from, as layers: charts, hubops itself, files, secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hubops.desired.charts import Chart
from hubops.desired.files import SecretFile
from hubops.desired.model import Hub, ImageReference, Values
from hubops.desired.people import PEOPLE_LISTS, people_values
from hubops.desired.probe import probe_values
from hubops.desired.shown import SECRET
from hubops.desired.values import JUPYTERHUB, merge, moved, path_below, prefixed, render_values
from hubops.desired.yaml import Document, Path

_GENERATED: Values = {
    "proxy": {"secretToken": SECRET},
    "hub": {"cookieSecret": SECRET, "config": {"CryptKeeper": {"keys": SECRET}}},
}
_METADATA = "sops"


@dataclass(frozen=True)
class Layer:
    """Values of one source. `name` tells which where no file says where; `is_default` those of a chart."""

    name: str
    values: Values
    places: Mapping[Path, str] = field(default_factory=dict)
    is_default: bool = False

    def where(self, path: Path) -> str:
        return self.places.get(path, self.name)


def layers_of(
    hub: Hub, images: Mapping[str, ImageReference], charts: Mapping[str, Chart], secrets: SecretFile | None
) -> list[Layer]:
    """The layers of a hub, lowest first. `charts` are those on disk, by the key they have in the hub's values.

    Secrets are stand-ins; `secrets` is None where they are generated or cannot be seen.

    Raises:
        RepositoryError: as render_values.
    """
    top = [hub.documents[-1].value] if hub.cluster.local else []
    conventions = prefixed(hub, {"hub": {"baseUrl": hub.path}})
    files = list(_files(hub))
    written = merge(conventions, *(layer.values for layer in files))
    built = _added(render_values(hub, images, *top), written)
    return [
        *(
            Layer(f"default of the {chart}", {key: chart.values}, is_default=True)
            for key, chart in charts.items()
        ),
        Layer("hubops, for people.yaml", people_values(_without_ciphers(hub), written)),
        Layer("hubops, for the hub's path", conventions),
        *files,
        Layer("hubops, for an image that it builds", built),
        *_secrets(hub, secrets),
        Layer("hubops, to prove the hub", prefixed(hub, probe_values(SECRET))),
    ]


def _without_ciphers(hub: Hub) -> Hub:
    """Stand-ins for people whose names are encrypted."""
    if not hub.people.encrypted:
        return hub
    lists: dict[str, Any] = {key: tuple(SECRET for _ in getattr(hub.people, key)) for key in PEOPLE_LISTS}
    return replace(hub, people=replace(hub.people, **lists))


def _files(hub: Hub) -> Iterator[Layer]:
    own = len(hub.layers)
    for number, document in enumerate(hub.documents):
        if number == own:
            yield Layer(document.file, document.value, document.places)
        else:
            (values,) = moved(hub, [document.value])
            yield Layer(document.file, values, _moved_places(hub, document))


def _moved_places(hub: Hub, document: Document) -> dict[Path, str]:
    """Shared layers say jupyterhub, whatever key the hub's chart has for it."""
    if not isinstance(document.value.get(JUPYTERHUB), dict):
        return dict(document.places)
    return {
        path_below(hub, path[1:]) if path[:1] == (JUPYTERHUB,) else path: place
        for path, place in document.places.items()
    }


def _secrets(hub: Hub, file: SecretFile | None) -> Iterator[Layer]:
    if hub.cluster.local:
        yield Layer("hubops, generated on this machine", prefixed(hub, _GENERATED))
    elif file:
        values = {key: item for key, item in file.document.value.items() if key != _METADATA}
        yield Layer(file.name, _hidden(values), file.document.places)


def _hidden(value: Any) -> Any:
    return {key: _hidden(item) for key, item in value.items()} if isinstance(value, dict) else SECRET


def _added(values: Values, written: Values) -> Values:
    """What is in `values` and was not written."""
    found = {}
    for key, value in values.items():
        below = written.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            if inner := _added(value, below):
                found[key] = inner
        elif key not in written or value != below:
            found[key] = value
    return found
