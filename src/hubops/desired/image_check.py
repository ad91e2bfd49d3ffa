"""The images that a hub's values name: each is built by somebody."""

from collections.abc import Iterator
from typing import Any

from hubops.desired.injection import IMAGE_KEY
from hubops.desired.model import Fleet, Hub
from hubops.desired.places import place_of
from hubops.desired.values import image_names, path_below
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError
from hubops.names import did_you_mean


def check_images(fleet: Fleet, hub: Hub) -> Iterator[RepositoryError]:
    """Images that the hub's values name and nothing builds."""
    for name in used_images(hub):
        if name not in fleet.images:
            yield RepositoryError(
                f"nothing builds the image {name}",
                where=place_of_image(hub, name),
                why=f"user-images/{name}/Dockerfile is missing",
                hint=did_you_mean(name, fleet.images),
            )


def used_images(hub: Hub) -> list[str]:
    """The images that a hub needs where it is."""
    top = [hub.documents[-1].value] if hub.cluster.local else []
    return image_names(hub, *top)


def place_of_image(hub: Hub, name: str) -> str:
    """Where the topmost of the hub's files names the image; else where its user image would be set."""
    for document in reversed(hub.documents):
        for path, found in _named(document.value, ()):
            if found == name:
                return document.place(*path)
    return place_of(hub, path_below(hub, ("singleuser", "image")))


def _named(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict) and IMAGE_KEY in value:
        yield (*path, IMAGE_KEY), str(value[IMAGE_KEY])
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _named(item, (*path, key))
