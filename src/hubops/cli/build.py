"""hubops build: the images of the repository."""

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_workshop, project, registry_of
from hubops.cli.progress import progress
from hubops.desired.images import require_image
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.events import Emit
from hubops.secret import Redactor


@click.command()
@click.argument("images", nargs=-1)
@click.option("--push", is_flag=True, help="Push them to the registry.")
def command(images: tuple[str, ...], push: bool) -> None:  # noqa: FBT001 - click's way
    """Build IMAGES (default: all) that the registry lacks, and print what they are called."""
    fleet = load_fleet(project())
    for name in images:
        require_image(fleet, name)
    with progress(Redactor()) as emit:
        built = running.run(_build(fleet, images or tuple(sorted(fleet.images)), emit, push=push))
    for line in built:
        click.echo(line)


async def _build(fleet: Fleet, names: tuple[str, ...], emit: Emit, *, push: bool) -> list[str]:
    registry, workshop = registry_of(fleet), load_workshop(emit)
    built = await run.build_images(fleet, names, registry, workshop, emit, push=push)
    return [f"{name} {image}" for name, image in built.items()]
