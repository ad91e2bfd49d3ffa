"""The values a hub is deployed with: layers merged as Helm merges its -f files, then what hubops adds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hubops.desired.injection import IMAGE_KEY, as_values, inject, named_images
from hubops.desired.model import Hub, ImageReference, Values
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

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
    injected = {"singleuser": {"image": as_values(images[hub.image])}} if hub.image in images else {}
    resolved: Values = inject(written, images, f"hub-charts/{hub.name}")
    return merge(resolved, prefixed(hub, injected))


def image_names(hub: Hub, *top: Values) -> list[str]:
    """The images a hub needs that hubops builds: its user image and each one named by `hubops-image`."""
    named = set(named_images(merge(*moved(hub, hub.layers), hub.values, *moved(hub, top))))
    return sorted(({hub.image} if hub.image else set()) | named)


def prefixed(hub: Hub, values: Values) -> Values:
    """Values of JupyterHub's chart, under the key it has in the hub's chart."""
    return {hub.prefix: values} if hub.prefix else values


def path_below(hub: Hub, path: Path) -> Path:
    """Where a hub's values have what JupyterHub's chart has at a path: `prefixed`, for paths."""
    return (hub.prefix, *path) if hub.prefix else path


def of_jupyterhub(hub: Hub, values: Values) -> Values:
    """The part of a hub's values that its JupyterHub chart gets; the other way round than `prefixed`."""
    found = values.get(hub.prefix) if hub.prefix else values
    return found if isinstance(found, dict) else {}


def find_value(values: Any, path: Sequence[str | int]) -> Any:
    """The value at a path; None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def leaves(value: Any, path: Path = (), *, lists: bool = True) -> Iterator[tuple[Path, Any]]:
    """Every value inside maps and lists, with its path; without `lists` a list is one value, and so is an empty map."""
    if isinstance(value, dict) and (value or lists):
        for key, item in value.items():
            yield from leaves(item, (*path, key), lists=lists)
    elif isinstance(value, list) and lists:
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    else:
        yield path, value


def texts(value: Any) -> Iterator[str]:
    """Every value inside maps and lists, as text; null is none."""
    return (str(leaf) for _, leaf in leaves(value) if leaf is not None)


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
    if not hub.image or not isinstance(found, dict):
        return
    if {"name", "tag"} & set(found) or found.get(IMAGE_KEY) not in {None, hub.image}:
        raise RepositoryError(
            f"the image of {hub.name}'s user servers is set by hand, but hubops builds {hub.image}",
            where=f"hub-charts/{hub.name}/values.yaml: singleuser.image",
            hint="Take it out: hubops sets name and tag. For another one: image: NAME in hub.yaml.",
        )
