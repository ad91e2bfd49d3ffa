"""What decides an image, and the tag that follows from it: content, never history."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hubops import digest
from hubops.desired.dockerignore import is_ignored, parse_rules
from hubops.desired.model import Fleet, Image, ImageReference
from hubops.errors import RepositoryError
from hubops.names import did_you_mean

# Never a number to any YAML reader, and a sign of what it is: c for content.
_TAG = "c{}"
_TAG_DIGITS = 20
_OURS = re.compile(_TAG.format(f"[0-9a-f]{{{_TAG_DIGITS}}}"))
# BuildKit takes the first that is there, and reads no other; of a named context only the last.
_IGNORE_FILES = ("Dockerfile.dockerignore", ".dockerignore")


def reference(fleet: Fleet, registry: str, name: str) -> ImageReference:
    """Where an image of the fleet goes, by its content.

    Raises:
        RepositoryError: no directory builds it.
    """
    return references(fleet, registry, [name])[name]


def references(fleet: Fleet, registry: str, names: Iterable[str]) -> dict[str, ImageReference]:
    """As `reference`, for several, with those that they are made from."""
    return {
        name: ImageReference(f"{registry}/{fleet.image_name.format(name=name)}", content_tag(inputs))
        for name, inputs in find_inputs(fleet, names).items()
    }


def find_inputs(fleet: Fleet, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What decides each image and those that it is made from: inputs by what they are, as digest or text.

    The same in every clone: owner, time, umask and git's history do not count.

    Raises:
        RepositoryError: no directory builds one of them.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        require_image(fleet, name)
        _find(fleet, name, found)
    return found


def content_tag(inputs: Mapping[str, str]) -> str:
    """A digest over inputs, as a tag."""
    parts = [part for key in sorted(inputs) for part in (key, inputs[key])]
    return _TAG.format(digest.of_parts(parts)[:_TAG_DIGITS])


def require_image(fleet: Fleet, name: str) -> None:
    """Refuse an image that no directory builds.

    Raises:
        RepositoryError: names the nearest.
    """
    if name not in fleet.images:
        raise RepositoryError(
            f"nothing builds the image {name}",
            where=f"user-images/{name}/Dockerfile is missing",
            hint=did_you_mean(name, fleet.images),
        )


def is_content_tag(tag: str) -> bool:
    """Whether a tag looks like one that `content_tag` makes."""
    return _OURS.fullmatch(tag) is not None


def context_files(context: Path, *, named: bool = False) -> list[Path]:
    """The files below `context`, be it a `named` one, that .dockerignore lets through; the Dockerfile always counts.

    Raises:
        RepositoryError: .dockerignore has a line that is no pattern.
    """
    names = _IGNORE_FILES[named:]
    ignore = next((context / name for name in names if (context / name).is_file()), None)
    rules = parse_rules(ignore.read_text(), f"{context.name}/{ignore.name}") if ignore else []
    files = (path for path in sorted(context.rglob("*")) if path.is_symlink() or path.is_file())
    dockerfile = context / "Dockerfile"
    return [p for p in files if p == dockerfile or not is_ignored(p.relative_to(context).as_posix(), rules)]


def _find(fleet: Fleet, name: str, found: dict[str, dict[str, str]]) -> None:
    if name in found:
        return
    image = fleet.images[name]
    for own in image.own:
        _find(fleet, own, found)
    found[name] = {
        **dict(_settings(image)),
        **{f"image {own}": content_tag(found[own]) for own in image.own},
        **dict(_files("file ", image.directory, named=False)),
        **{
            key: value
            for context, directory in image.shared.items()
            for key, value in _files(f"file {context}:", directory, named=True)
        },
    }


def _settings(image: Image) -> Iterator[tuple[str, str]]:
    yield from ((f"argument {name}", value) for name, value in image.arguments.items())
    yield from ((f"base {name}", locked or "not locked") for name, locked in image.bases.items())
    if image.target:
        yield "target", image.target
    if image.platforms:
        yield "platforms", " ".join(sorted(image.platforms))


def _files(prefix: str, directory: Path, *, named: bool) -> Iterator[tuple[str, str]]:
    for path in context_files(directory, named=named):
        name = f"{prefix}{path.relative_to(directory).as_posix()}"
        if path.is_symlink():
            yield name, f"link to {path.readlink().as_posix()}"
        else:
            mode = " executable" if path.stat().st_mode & 0o100 else ""
            yield name, f"sha256:{digest.of_file(path)}{mode}"
