"""The values a hub is deployed with: layers merged as Helm merges its -f files, then what hubops adds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hubops.desired.model import Hub, ImageReference, Values
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

IMAGE_KEY = "hubops-image"
JUPYTERHUB = "jupyterhub"


def merge(*layers: Values) -> Values:
    """Later layers win: maps merge, everything else is replaced, and null stays for Helm to delete by it."""
    merged: Values = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            if isinstance(value, dict):
                value = merge(below if isinstance(below, dict) else {}, value)  # noqa: PLW2901 - a copy of it
            merged[key] = value
    return merged


def render_values(hub: Hub, images: Mapping[str, ImageReference], *top: Values) -> Values:
    """All values of a hub but its people (desired/people.py) and secrets. `top` are layers above its own, e.g. values/local.yaml.

    Raises:
        RepositoryError: an image is named that hubops does not build, or a tag of one is set by hand; under
            the key of a chart stands something else than keys and values.
    """
    conventions = prefixed(hub, {"hub": {"baseUrl": hub.path}})
    written = merge(conventions, *moved(hub, hub.layers), hub.values, *moved(hub, top))
    _require_mappings(hub, written)
    _refuse_hand_set(hub)
    injected = {"singleuser": {"image": _image(images[hub.image])}} if hub.image in images else {}
    resolved: Values = _resolve(written, images, f"hub-charts/{hub.name}")
    return merge(resolved, prefixed(hub, injected))


def image_names(hub: Hub, *top: Values) -> list[str]:
    """The images a hub needs that hubops builds: its user image and each one named by `hubops-image`."""
    named = set(_named(merge(*moved(hub, hub.layers), hub.values, *moved(hub, top))))
    return sorted(({hub.image} if hub.image else set()) | named)


def prefixed(hub: Hub, values: Values) -> Values:
    """Values of JupyterHub's chart, under the key it has in the hub's chart."""
    return {hub.prefix: values} if hub.prefix else values


def of_jupyterhub(hub: Hub, values: Values) -> Values:
    """The part of a hub's values that its JupyterHub chart gets; the other way round than `prefixed`."""
    found = values.get(hub.prefix) if hub.prefix else values
    return found if isinstance(found, dict) else {}


def find_value(values: Any, path: Sequence[str | int]) -> Any:
    """The value at a path; None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value inside maps and lists, with its path."""
    if not isinstance(value, (dict, list)):
        yield path, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(item, (*path, key))


def moved(hub: Hub, layers: Iterable[Values]) -> Iterator[Values]:
    """Shared layers say `jupyterhub:` for JupyterHub's chart; here it gets the key that the hub has for it."""
    for layer in layers:
        inner = layer.get(JUPYTERHUB)
        if hub.prefix == JUPYTERHUB or not isinstance(inner, dict):
            yield layer
        else:
            yield merge(
                {key: value for key, value in layer.items() if key != JUPYTERHUB}, prefixed(hub, inner)
            )


def _image(reference: ImageReference) -> Values:
    return {"name": reference.repository, "tag": reference.pinned_tag}


def _resolve(value: Any, images: Mapping[str, ImageReference], where: str, *, listed: bool = False) -> Any:
    """Replace every {hubops-image: NAME} by the image's name and tag; other keys beside it stay.

    In lists stand the fields of Kubernetes and KubeSpawner (extraContainers, profileList), where an image
    is one text; everywhere else those of the chart.
    """
    if isinstance(value, list):
        return [_resolve(item, images, where, listed=True) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {
        key: _resolve(item, images, where, listed=listed) for key, item in value.items() if key != IMAGE_KEY
    }
    if value.get(IMAGE_KEY) is None:
        return rest
    name = str(value[IMAGE_KEY])
    if name not in images:
        raise RepositoryError(f"the image {name} is named, but nothing builds it", where=where)
    if {"name", "tag"} & set(rest):
        raise RepositoryError(
            f"the image {name} is built by hubops, but its name or tag is set by hand as well", where=where
        )
    return str(images[name]) if listed else {**rest, **_image(images[name])}


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _named(item)
    elif isinstance(value, dict):
        if value.get(IMAGE_KEY) is not None:
            yield str(value[IMAGE_KEY])
        for item in value.values():
            yield from _named(item)


def _require_mappings(hub: Hub, written: Values) -> None:
    """Helm says no more than "type mismatch", for example where all that stood below `jupyterhub:` is commented out."""
    for dependency in hub.chart.value.get("dependencies", ()):
        key = dependency.get("alias") or dependency["name"]
        if isinstance(written.get(key, {}), dict):
            continue
        document = next((each for each in reversed(hub.documents) if key in each.value), None)
        raise RepositoryError(
            f"{key} must hold keys and values",
            where=document.place(key) if document else "",
            why=f"they go to the chart {dependency['name']}",
            hint="Take the key out where there is nothing to set.",
        )


def _refuse_hand_set(hub: Hub) -> None:
    """A shared layer may name an image for the hubs without one of their own; the hub itself may not."""
    found = find_value(of_jupyterhub(hub, hub.values), ("singleuser", "image"))
    if hub.image and isinstance(found, dict) and {"name", "tag"} & set(found):
        raise RepositoryError(
            f"the image of {hub.name}'s user servers is set by hand, but hubops builds {hub.image}",
            where=f"hub-charts/{hub.name}/values.yaml: singleuser.image",
            hint="Take it out: hubops sets name and tag.",
        )
