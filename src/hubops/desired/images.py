"""What decides an image, and the tag that follows from it: content, never history."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hubops import digest
from hubops.desired.model import Fleet, ImageReference
from hubops.errors import RepositoryError
from hubops.names import did_you_mean

# Never a number to any YAML reader, and a sign of what it is: c for content.
_TAG = "c{}"
_TAG_DIGITS = 20
_OUTSIDE = {".git"}


def reference(
    fleet: Fleet, registry: str, name: str, arguments: Mapping[str, str] | None = None
) -> ImageReference:
    """Where an image of the fleet goes, by its content and build arguments.

    Raises:
        RepositoryError: no directory builds it.
    """
    if name not in fleet.images:
        raise RepositoryError(
            f"nothing builds the image {name}",
            where=f"user-images/{name}/Dockerfile is missing",
            hint=did_you_mean(name, fleet.images),
        )
    repository = f"{registry}/{fleet.image_name.format(name=name)}"
    return ImageReference(repository, content_tag(fleet.images[name], arguments or {}))


def content_tag(context: Path, arguments: Mapping[str, str]) -> str:
    """A digest of every file that the build can see, with its execute bit or link target, and the arguments.

    The same in every clone: owner, time, umask and git's history do not count.
    """
    parts = [part for path in context_files(context) for part in _file_parts(context, path)]
    parts += [f"{key}={value}" for key, value in sorted(arguments.items())]
    return _TAG.format(digest.of_parts(parts)[:_TAG_DIGITS])


def context_files(context: Path) -> list[Path]:
    """The files below `context` that .dockerignore lets through; the Dockerfile always counts."""
    ignore = context / ".dockerignore"
    rules = [_rule(line) for line in _patterns(ignore.read_text())] if ignore.is_file() else []
    files = (p for p in sorted(context.rglob("*")) if p.is_symlink() or p.is_file())
    return [p for p in files if p.name == "Dockerfile" or not _is_ignored(p.relative_to(context), rules)]


def _file_parts(context: Path, path: Path) -> Iterator[str]:
    name = path.relative_to(context).as_posix()
    if path.is_symlink():
        yield from (name, "link", path.readlink().as_posix())
    else:
        yield from (name, "x" if path.stat().st_mode & 0o100 else "-", digest.of_file(path))


def _patterns(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.splitlines())
    yield from (line for line in lines if line and not line.startswith("#"))


def _rule(pattern: str) -> tuple[bool, re.Pattern[str]]:
    """Whether it ignores, and what: Docker's patterns, where ** spans directories and * and ? do not."""
    ignores = not pattern.startswith("!")
    words = pattern.removeprefix("!").strip().strip("/")
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]*\]|.", words)
    special = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    regex = "".join(special.get(t) or (t if t.startswith("[") else re.escape(t)) for t in tokens)
    return ignores, re.compile(regex)


def _is_ignored(path: Path, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    """The last rule that matches the path or a directory above it decides."""
    names = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    ignored = bool(_OUTSIDE & set(path.parts))
    for ignores, regex in rules:
        if any(regex.fullmatch(name) for name in names):
            ignored = ignores
    return ignored
