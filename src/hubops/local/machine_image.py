"""Images that Docker itself runs - the node, the registry - built here and named after their content."""

from pathlib import Path

from hubops.clients.builder import Builder, BuildRequest
from hubops.events import Emit, Line, step
from hubops.local import base_image, paths
from hubops.local.docker import Docker
from hubops.local.recipe import Recipe


async def require_image(
    recipe: Recipe, docker: Docker, builder: Builder, base: Path | None, emit: Emit
) -> str:
    """The name of the image in Docker; built and loaded when it is not there."""
    name = recipe.image(base)
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


def _request(recipe: Recipe, name: str, base: Path | None) -> BuildRequest:
    contexts = {**recipe.contexts, **({base_image.NAME: base} if base else {})}
    directory = paths.project_dir() / "toolchain" / recipe.directory
    return BuildRequest(directory, name, push=False, contexts=contexts, arguments=recipe.arguments)
