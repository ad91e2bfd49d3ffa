"""Images that Docker itself runs - the node, the registry - built here and named after their content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubops import digest
from hubops.clients.builder import Builder, BuildRequest
from hubops.events import Emit, Line, step
from hubops.local import base_image, oci, paths
from hubops.local.docker import Docker


@dataclass(frozen=True)
class Recipe:
    """What decides an image: a directory of toolchain/, build arguments, directories it copies from."""

    name: str
    directory: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)


async def require_image(
    recipe: Recipe, docker: Docker, builder: Builder, base: Path | None, emit: Emit
) -> str:
    """The name of the image in Docker; built and loaded when it is not there."""
    name = f"hubops/{recipe.name}:{_key(recipe, base)}"
    if await docker("images", "-q", name):
        return name
    with step(emit, f"{recipe.name} image"):
        archive = paths.cache_dir() / f"{recipe.name}.tar"
        archive.parent.mkdir(parents=True, exist_ok=True)
        try:
            await builder.save(_request(recipe, name, base), archive, lambda line: emit(Line(line)))
            await docker("load", "-q", "-i", archive)
        finally:
            archive.unlink(missing_ok=True)
    return name


def _key(recipe: Recipe, base: Path | None) -> str:
    parts = [
        oci.layout_digest(base) if base else base_image.NAME,
        digest.of_tree(paths.project_dir() / "toolchain" / recipe.directory),
    ]
    parts += [f"{name}={value}" for name, value in sorted(recipe.arguments.items())]
    # The programs' directories are named after what decides them (toolchain._cached).
    parts += [f"{name}={path.name}" for name, path in sorted(recipe.contexts.items())]
    return digest.of_parts(parts)[:12]


def _request(recipe: Recipe, name: str, base: Path | None) -> BuildRequest:
    contexts = {**recipe.contexts, **({base_image.NAME: base} if base else {})}
    directory = paths.project_dir() / "toolchain" / recipe.directory
    return BuildRequest(directory, name, push=False, contexts=contexts, arguments=recipe.arguments)
