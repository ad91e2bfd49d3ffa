"""Rules about images: named and built belong together."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hubops.desired.image_check import check_images
from hubops.desired.model import Fleet, ImageReference
from hubops.desired.places import written_place
from hubops.desired.rules.model import Rule
from hubops.desired.rules.views import FleetView, HubView
from hubops.desired.values import path_below
from hubops.desired.values_check import Given
from hubops.desired.yaml import Path
from hubops.errors import RepositoryError
from hubops.names import did_you_mean

# Of the tool: the address in front of the hubs of the local cluster.
_OF_NO_HUB = ("edge",)
_PLACEHOLDER = re.compile(
    r"(?i)(?<![a-z])set.?(?:by|on|at|in|during|later)(?![a-z])|placeholder|change.?me|to.?do|fix.?me|xxx+|your."
)


def unbuilt_image(view: HubView) -> Iterator[RepositoryError]:
    """By hubops-image, or written as one of our registry."""
    yield from check_images(view.fleet, view.hub)
    for place, name in _written(view):
        if name not in view.fleet.images:
            yield RepositoryError(
                f"nothing builds the image {name}",
                where=place,
                why=f"it is written as one of this repository, but user-images/{name}/Dockerfile is missing",
                hint=did_you_mean(name, view.fleet.images),
            )


def image_by_hand(view: HubView) -> Iterator[RepositoryError]:
    for place, name in _written(view):
        if name in view.fleet.images:
            yield RepositoryError(
                f"the image {name} is written by hand",
                where=place,
                why="hubops builds it, and its tag changes with its content",
                hint=f"Write {{hubops-image: {name}}} in its place.",
            )


def placeholder_tag(view: HubView) -> Iterator[RepositoryError]:
    """By the merged values: one file, or the chart, names the image, and another its tag."""
    for path, image in _merged(view):
        for key, tag in _tags(image):
            # What a chart has by default is written nowhere here.
            if _PLACEHOLDER.search(tag) and (where := written_place(view.hub, (*path, key))):
                yield RepositoryError(
                    f"the tag {tag} is a placeholder",
                    where=where,
                    why="no registry has such an image",
                    hint="Write the tag, or hubops-image for one that hubops builds.",
                )


def _tags(image: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The tag of a mapping that is an image, or of the one behind `image:`; each with the key that has it."""
    if isinstance(image.get("name"), str) and isinstance(image.get("tag"), str):
        yield "tag", image["tag"]
    if isinstance(image.get("image"), str):
        yield "image", ImageReference.parse(image["image"]).tag


def _merged(view: HubView) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every mapping of the hub's values, with its path in them; those of JupyterHub's chart over its defaults."""
    yield from _mappings(view.values, path_below(view.hub, ()))
    if view.hub.prefix and isinstance(view.given, Given):
        others = {key: value for key, value in view.given.values.items() if key != view.hub.prefix}
        yield from _mappings(others, ())


def unused_image(view: FleetView) -> Iterator[RepositoryError]:
    """Only told where all hubs could be read."""
    if view.files.wrong:
        return
    used = {name for names in view.used_images.values() for name in names}
    used |= {name for image in view.fleet.images.values() for name in image.own}
    for name, image in view.fleet.images.items():
        if name not in used and name not in _OF_NO_HUB:
            where = image.directory.relative_to(view.fleet.root).as_posix()
            why = "no hub has it for its image, and no values name it"
            hint = f"Remove it, or name it: image: {name} in hub.yaml, hubops-image: {name} in values."
            yield RepositoryError(f"no hub uses the image {name}", where=where, why=why, hint=hint)


def _written(view: HubView) -> Iterator[tuple[str, str]]:
    """Place and name of each image in values that is written out and lies where hubops pushes its own."""
    ours = _pattern(view.fleet)
    for document in view.hub.documents if ours else ():
        for path, text in _repositories(document.value, ()):
            if ours and (found := ours.fullmatch(text)):
                yield document.place(*path), found[1]


def _pattern(fleet: Fleet) -> re.Pattern[str] | None:
    if not fleet.registry:
        return None
    before, after = f"{fleet.registry}/{fleet.image_name}".split("{name}", 1)
    return re.compile(rf"{re.escape(before)}([a-z0-9._-]+?){re.escape(after)}(?:[:@].*)?")


def _repositories(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """What may be an image: the name of a mapping that is one, and the text behind `image:`."""
    for where, mapping in _mappings(value, path):
        for key in ("name", "image"):
            if isinstance(mapping.get(key), str):
                yield (*where, key), mapping[key]


def _mappings(value: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _mappings(item, (*path, key))


RULES = (
    Rule("unbuilt-image", "Values name an image that nothing builds.", unbuilt_image),
    Rule("image-by-hand", "Values write out an image that hubops builds.", image_by_hand),
    Rule("placeholder-tag", "An image's tag is a placeholder that was never replaced.", placeholder_tag),
)
OF_FLEET = (Rule("unused-image", "A directory builds an image that no hub uses.", unused_image),)
