"""The images of hubs: found by digest, or built where the registry lacks them."""

import asyncio
from collections.abc import Iterable

from hubops.checks.smoke import smoke
from hubops.desired.images import reference
from hubops.desired.model import Fleet, ImageReference
from hubops.events import Emit
from hubops.execute.build import Workshop, build_image, require_pushed
from hubops.run.session import Machine


async def build_images(
    fleet: Fleet, names: Iterable[str], registry: str, workshop: Workshop, emit: Emit, *, push: bool
) -> dict[str, ImageReference]:
    """Build, and push if asked, each image that the registry lacks."""
    built = {}
    for name in names:
        image = reference(fleet, registry, name)
        built[name] = await build_image(fleet, name, image, workshop, emit, push=push)
    return built


async def try_image(fleet: Fleet, name: str, registry: str, workshop: Workshop, emit: Emit) -> str:
    """Build an image here, push nothing, and run its notebooks in it; what was done, in words.

    Raises:
        BuildError: it cannot be built, or does not do what its notebooks ask.
        OutOfReachError, MachineError: something that it needs cannot be had here.
    """
    image = reference(fleet, registry, name)
    await build_image(fleet, name, image, workshop, emit, push=False)
    bench = await workshop.bench()
    request = bench.request(fleet.images[name], str(image), push=False)
    people = any(name == hub.image for hub in fleet.hubs.values())
    found = await smoke(bench.builder, request, emit, singleuser=people)
    if not found.notebooks:
        return "built; it has no notebooks of its own"
    return f"built; {found.cells} cells of {found.notebooks} notebooks did well"


async def find_images(fleet: Fleet, names: Iterable[str], machine: Machine) -> dict[str, ImageReference]:
    """The images by digest; refused when one is not in the registry."""
    wanted = {name: reference(fleet, machine.registry, name) for name in names}
    asked = (require_pushed(image, machine.workshop.registry) for image in wanted.values())
    return dict(zip(wanted, await asyncio.gather(*asked), strict=True))
