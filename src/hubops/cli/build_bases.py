"""hubops build --update-bases: the digests of the images from elsewhere, as their registries have them now."""

import asyncio

import click

from hubops.answer import Absent, Answer, Present
from hubops.cli import running
from hubops.cli.progress import progress
from hubops.cli.writing import write
from hubops.clients.registry import Registry
from hubops.desired.dockerfile_sources import image_address
from hubops.desired.image_files import BASES
from hubops.desired.model import Fleet
from hubops.errors import HubopsError, OutOfReachError, RepositoryError
from hubops.events import step
from hubops.scaffold.bases import bases_text
from hubops.scaffold.changes import Changes


def update_bases(fleet: Fleet) -> None:
    """Write bases.lock, show what is another in it, and say what the next deploy does.

    Raises:
        RepositoryError: a registry does not have an image; nothing was written.
        OutOfReachError: nobody can tell of one; nothing was written.
    """
    names = sorted({name for image in fleet.images.values() for name in image.bases if "@" not in name})
    with progress() as emit, step(emit, f"digests of {len(names)} images from elsewhere"):
        found = running.run(_ask(names))
    for name, answer in found.items():
        if not isinstance(answer, Present):
            raise _missing(fleet, name, answer)
    digests = {name: answer.value for name, answer in found.items() if isinstance(answer, Present)}
    changes = Changes(fleet.root, {BASES: bases_text(digests).encode()})
    if not changes.changed():
        click.echo(f"{BASES} has them all as they are.")
        return
    write(fleet, changes)


async def _ask(names: list[str]) -> dict[str, Answer[str]]:
    registry = Registry()
    answers = await asyncio.gather(*(registry.find_digest(*image_address(name)) for name in names))
    return dict(zip(names, answers, strict=True))


def _missing(fleet: Fleet, name: str, answer: Answer[str]) -> HubopsError:
    image = next(image for image in fleet.images.values() if name in image.bases)
    where = f"{image.directory.relative_to(fleet.root).as_posix()}/Dockerfile"
    if isinstance(answer, Absent):
        hint = "Nothing was written. Correct its name, or the tag."
        return RepositoryError(f"its registry has no image {name}", where=where, hint=hint)
    hint = "Nothing was written. Run it again when the registry answers."
    why = "" if isinstance(answer, Present) else answer.reason
    return OutOfReachError(f"nobody can tell the digest of {name}", where=where, why=why, hint=hint)
