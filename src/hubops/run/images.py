"""The images of hubs: found by digest, or built where the registry lacks them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from hubops.desired.images import references
from hubops.desired.model import Fleet, ImageReference
from hubops.errors import HubopsError, SkippedError
from hubops.events import Emit
from hubops.execute.build import Workshop
from hubops.execute.pushed import require_pushed
from hubops.run.graph import MadeImage, make_images
from hubops.run.session import Machine


async def build_images(
    fleet: Fleet, names: Iterable[str], registry: str, workshop: Workshop, emit: Emit, *, push: bool
) -> dict[str, ImageReference]:
    """As `make_images`, where all are needed.

    Raises:
        HubopsError: at least one could not be made; all that can be were, and the error names all others.
    """
    made = await make_images(fleet, names, registry, workshop, emit, push=push)
    require_made(made)
    return {name: each.image for name, each in made.items()}


def require_made(made: Mapping[str, MadeImage]) -> None:
    """Raise what went wrong, as one error.

    Raises:
        HubopsError: of the kind of the first, with the reasons of all.
    """
    failed = [each.error for each in made.values() if each.error and not isinstance(each.error, SkippedError)]
    skipped = [each.error for each in made.values() if isinstance(each.error, SkippedError)]
    if len(failed) + len(skipped) > 1:
        raise _joined(failed, skipped)
    for error in (*failed, *skipped):
        raise error


async def find_images(fleet: Fleet, names: Iterable[str], machine: Machine) -> dict[str, ImageReference]:
    """The images by digest; refused when one is not in the registry."""
    names = list(names)
    tags = references(fleet, machine.registry, names)
    asked = (require_pushed(tags[name], machine.workshop.registry) for name in names)
    return dict(zip(names, await asyncio.gather(*asked), strict=True))


def _joined(failed: Sequence[HubopsError], skipped: Sequence[HubopsError]) -> HubopsError:
    kind = type((failed or skipped)[0])
    numbers = [f"{len(failed)} images were not built"] if failed else []
    numbers += [f"{len(skipped)} that are made from others were not tried"] if skipped else []
    return kind(", ".join(numbers), why="\n\n".join(str(error) for error in (*failed, *skipped)))
