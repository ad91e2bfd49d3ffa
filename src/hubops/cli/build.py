"""hubops build: the images of the repository."""

import click

from hubops import run
from hubops.cli import build_bases, build_explain, running
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
@click.option(
    "--explain", is_flag=True, help="Build nothing; print what decides their tags, and what changed."
)
@click.option(
    "--update-bases", is_flag=True, help="Build nothing; write the bases' digests of today to bases.lock."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of --explain.")
def command(images: tuple[str, ...], push: bool, explain: bool, update_bases: bool, form: str) -> None:  # noqa: FBT001 - click's way
    """Build IMAGES (default: all) that the registry lacks, and print what they are called."""
    if (update_bases and (images or push or explain)) or (explain and push):
        raise click.UsageError("--explain and --update-bases build nothing, and go one at a time")
    fleet = load_fleet(project())
    names = images or tuple(sorted(fleet.images))
    for name in names:
        require_image(fleet, name)
    if update_bases:
        build_bases.update_bases(fleet)
    elif explain:
        build_explain.explain(fleet, names, form)
    else:
        _print_built(fleet, names, push=push)


def _print_built(fleet: Fleet, names: tuple[str, ...], *, push: bool) -> None:
    with progress(Redactor()) as emit:
        made = running.run(_build(fleet, names, emit, push=push))
    for name, each in made.items():
        if not each.error:
            click.echo(f"{name} {each.image}")
    run.require_made(made)


async def _build(fleet: Fleet, names: tuple[str, ...], emit: Emit, *, push: bool) -> dict[str, run.MadeImage]:
    return await run.make_images(fleet, names, registry_of(fleet), load_workshop(emit), emit, push=push)
