"""What decides an image, and the tag that follows from it: content, never history."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from hubops import digest
from hubops.desired.dockerignore import is_ignored, parse_rules
from hubops.desired.model import Fleet, ImageReference
from hubops.errors import RepositoryError
from hubops.names import did_you_mean

# Never a number to any YAML reader, and a sign of what it is: c for content.
_TAG = "c{}"
_TAG_DIGITS = 20


def reference(
    fleet: Fleet, registry: str, name: str, arguments: Mapping[str, str] | None = None
) -> ImageReference:
    """Where an image of the fleet goes, by its content and build arguments.

    Raises:
        RepositoryError: no directory builds it.
    """
    require_image(fleet, name)
    repository = f"{registry}/{fleet.image_name.format(name=name)}"
    return ImageReference(repository, content_tag(fleet.images[name], arguments or {}))


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


def content_tag(context: Path, arguments: Mapping[str, str]) -> str:
    """A digest of every file that the build can see, with its execute bit or link target, and the arguments.

    The same in every clone: owner, time, umask and git's history do not count.
    """
    parts = [part for path in context_files(context) for part in _file_parts(context, path)]
    parts += [f"{key}={value}" for key, value in sorted(arguments.items())]
    return _TAG.format(digest.of_parts(parts)[:_TAG_DIGITS])


def context_files(context: Path) -> list[Path]:
    """The files below `context` that .dockerignore lets through; the Dockerfile always counts.

    Raises:
        RepositoryError: .dockerignore has a line that is no pattern.
    """
    ignore = context / ".dockerignore"
    rules = parse_rules(ignore.read_text(), f"{context.name}/.dockerignore") if ignore.is_file() else []
    files = (path for path in sorted(context.rglob("*")) if path.is_symlink() or path.is_file())
    dockerfile = context / "Dockerfile"
    return [p for p in files if p == dockerfile or not is_ignored(p.relative_to(context).as_posix(), rules)]


def _file_parts(context: Path, path: Path) -> Iterator[str]:
    name = path.relative_to(context).as_posix()
    if path.is_symlink():
        yield from (name, "link", path.readlink().as_posix())
    else:
        yield from (name, "x" if path.stat().st_mode & 0o100 else "-", digest.of_file(path))
