"""The images of a repository: their directories, image.yaml, and what they are made of."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hubops.desired.dockerfile import parse_dockerfile
from hubops.desired.dockerfile_sources import Source, familiar, find_sources
from hubops.desired.files import Files
from hubops.desired.keys import keys_of, load_schema
from hubops.desired.model import Image
from hubops.desired.yaml import Document
from hubops.digest import NAMED
from hubops.errors import RepositoryError

BASES = "user-images/bases.lock"
SETTINGS = "image.yaml"
# What hubops makes itself and gives to the builds that name it.
TOOLS = ("caddy",)
_KEYS = keys_of("image")
_NAME = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class _Found:
    """An image's directory, by its path in the repository too; its image.yaml; what its Dockerfile names."""

    directory: Path
    path: str
    settings: Document
    sources: tuple[Source, ...]


def read_images(files: Files) -> dict[str, Image]:
    """Every image by its name."""
    found = _find(files)
    locked = read_bases(files)
    images = {name: _image(files, name, each, found, locked) for name, each in found.items()}
    return _without_cycles(files, images, found)


def read_bases(files: Files) -> dict[str, str]:
    """The digests of images from elsewhere, by their names."""
    document = files.read(BASES)
    good: dict[str, str] = {}
    for name, digest in document.value.items():
        if isinstance(digest, str) and NAMED.fullmatch(digest):
            good[familiar(name)] = digest
            continue
        error = RepositoryError(
            f"{digest!r} is not a digest",
            where=document.place(name),
            hint="Let it be written: hubops build --update-bases",
            rule="base-digest",
        )
        files.refuse(BASES, error)
    return good


def _find(files: Files) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for dockerfile in sorted(files.root.glob("*images/*/Dockerfile")):
        directory = dockerfile.parent
        path = directory.relative_to(files.root).as_posix()
        if directory.name in found:
            what = f"two images have the name {directory.name}"
            why = f"the other is in {found[directory.name].path}"
            files.refuse(path, RepositoryError(what, where=path, why=why, rule="image-name-twice"))
        settings = files.read(f"{path}/{SETTINGS}", _KEYS)
        arguments = _texts(files, settings, "arguments")
        sources = find_sources(parse_dockerfile(files.text(f"{path}/Dockerfile")), arguments)
        found[directory.name] = _Found(directory, path, settings, tuple(sources))
    return found


def _image(
    files: Files, name: str, found: _Found, others: Mapping[str, _Found], locked: Mapping[str, str]
) -> Image:
    named = [source for source in found.sources if not source.reads]
    frontend = next((familiar(source.name) for source in found.sources if source.reads), "")
    own = [source.name for source in named if source.name in others]
    contexts = {name: path for name, path in _contexts(files, found).items() if name not in others}
    rest = {familiar(source.name) for source in named} - {*own, *contexts, *TOOLS} | {frontend} - {""}
    used = {source.name for source in named} & {*contexts}
    return Image(
        name=name,
        directory=found.directory,
        arguments=_texts(files, found.settings, "arguments"),
        target=found.settings.value.get("target", ""),
        platforms=tuple(
            _list(files, found.settings, "platforms", "a platform", "Write for example linux/arm64.")
        ),
        own=tuple(dict.fromkeys(own)),
        shared={context: contexts[context] for context in sorted(used)},
        tools=tuple(tool for tool in TOOLS if any(source.name == tool for source in named)),
        bases={base: "" if "@" in base else locked.get(base, "") for base in sorted(rest)},
        frontend=frontend,
        secrets=tuple(
            _list(files, found.settings, "secrets", "a secret's name", "Write a key of secrets/images.yaml.")
        ),
    )


def _contexts(files: Files, found: _Found) -> dict[str, Path]:
    """Directories that the Dockerfile copies from: beside the image's, or where its image.yaml says."""
    beside = found.path.rpartition("/")[0]
    taken = (source for source in found.sources if not (source.begins or source.reads))
    names = {source.name for source in taken if _NAME.fullmatch(source.name)}
    contexts = {n: files.root / beside / n for n in names if files.is_directory(f"{beside}/{n}")}
    for name, path in _texts(files, found.settings, "contexts").items():
        parts = Path(path).parts
        if parts and not Path(path).is_absolute() and ".." not in parts and files.is_directory(path):
            contexts[name] = files.root / path
            continue
        what = f"there is no directory {path} in the repository"
        hint = "Name one by its path from where hubops.yaml is."
        where = found.settings.place("contexts", name)
        error = RepositoryError(what, where=where, hint=hint, rule="image-context")
        files.refuse(found.settings.file, error)
    return contexts


def _texts(files: Files, document: Document, key: str) -> dict[str, str]:
    good: dict[str, str] = {}
    for name, value in (document.value.get(key) or {}).items():
        if isinstance(value, str):
            good[name] = value
            continue
        what = f"{name} must be a text (quote it), not {value!r}"
        error = RepositoryError(what, where=document.place(key, name), rule="wrong-type")
        files.refuse(document.file, error)
    return good


def _list(files: Files, document: Document, key: str, what: str, hint: str) -> Iterator[str]:
    """Texts of the form that the schema has for them."""
    form = re.compile(load_schema("image")["properties"][key]["items"]["pattern"])
    for number, value in enumerate(document.value.get(key) or ()):
        if isinstance(value, str) and form.search(value):
            yield value
            continue
        where = document.place(key, number)
        error = RepositoryError(f"{value!r} is not {what}", where=where, hint=hint, rule="wrong-type")
        files.refuse(document.file, error)


def _without_cycles(files: Files, images: dict[str, Image], found: Mapping[str, _Found]) -> dict[str, Image]:
    """Refuse each image that is made of itself; where reading goes on, without the way back."""
    back: set[tuple[str, str]] = set()
    for name, image in images.items():
        for own in image.own:
            if way := _way(images, own, name):
                place = next(source.place for source in found[name].sources if source.name == own)
                error = RepositoryError(
                    f"the image {name} is made from itself",
                    where=f"{found[name].path}/Dockerfile:{place}",
                    why=" → ".join([name, *way]),
                    hint=f"Rename user-images/{name}, if another image of that name is meant.",
                    rule="image-cycle",
                )
                files.refuse(f"{found[name].path}/Dockerfile", error)
                back.add((name, own))
    return {
        name: replace(image, own=tuple(own for own in image.own if (name, own) not in back))
        for name, image in images.items()
    }


def _way(images: Mapping[str, Image], begin: str, end: str) -> list[str]:
    """The images from one to another that it is made of; none when it is not."""
    ways = {begin: [begin]}
    for name in (ahead := [begin]):
        for own in images[name].own:
            if own not in ways:
                ways[own] = [*ways[name], own]
                ahead.append(own)
    return ways.get(end, [])
