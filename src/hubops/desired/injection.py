"""`hubops-image: NAME` in values becomes the image of that name, by digest."""

from collections.abc import Iterator, Mapping
from typing import Any

from hubops.desired.model import ImageReference, Values
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError

IMAGE_KEY = "hubops-image"
# What the hub's Python settings are told: there an image is one text.
_SETTINGS = ("hub", "config")


def inject(value: Any, images: Mapping[str, ImageReference], where: str, path: Path = ()) -> Any:
    """Replace every {hubops-image: NAME} by the image's name and tag; other keys beside it stay.

    In lists stand the fields of Kubernetes and KubeSpawner (extraContainers, profileList), where an image
    is one text, as in the hub's own settings (hub.config); everywhere else those of the chart.

    Raises:
        RepositoryError: nothing builds it; its name or tag is set by hand as well; keys are beside a text.
    """
    if isinstance(value, list):
        return [inject(item, images, where, (*path, number)) for number, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    rest = {key: inject(item, images, where, (*path, key)) for key, item in value.items() if key != IMAGE_KEY}
    if value.get(IMAGE_KEY) is None:
        return rest
    name = str(value[IMAGE_KEY])
    _require_plain(name, rest, images, where, path)
    return str(images[name]) if _is_text(path) else {**rest, **as_values(images[name])}


def as_values(image: ImageReference) -> Values:
    """An image as charts take it."""
    return {"name": image.repository, "tag": image.pinned_tag}


def named_images(value: Any) -> Iterator[str]:
    """Each NAME of a `hubops-image`."""
    if isinstance(value, list):
        for item in value:
            yield from named_images(item)
    elif isinstance(value, dict):
        if value.get(IMAGE_KEY) is not None:
            yield str(value[IMAGE_KEY])
        for item in value.values():
            yield from named_images(item)


def _is_text(path: Path) -> bool:
    within = any(path[at : at + 2] == _SETTINGS for at in range(len(path)))
    return within or any(isinstance(key, int) for key in path)


def _require_plain(
    name: str, rest: Values, images: Mapping[str, ImageReference], where: str, path: Path
) -> None:
    if name not in images:
        raise RepositoryError(f"the image {name} is named, but nothing builds it", where=where)
    if {"name", "tag"} & set(rest):
        raise RepositoryError(
            f"the image {name} is built by hubops, but its name or tag is set by hand as well", where=where
        )
    if rest and _is_text(path):
        raise RepositoryError(
            f"the image {name} is named with other keys beside it, where an image is one text",
            where=where,
            why=f"{', '.join(map(str, rest))} would be lost",
            hint="Set them where the chart, KubeSpawner or Kubernetes has them, such as image_pull_policy.",
        )
