"""hubops archive: a hub's database and homes into a directory or a bucket."""

import click

from hubops import run
from hubops.cli import running
from hubops.cli.archives import PLACE, find_place
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.events import Emit
from hubops.execute.archive_place import Place
from hubops.report.archive import format_archive
from hubops.run.archive import Made, archive_hub
from hubops.secret import Redactor


@click.command()
@click.argument("hub")
@click.option(
    "--to",
    required=True,
    metavar=PLACE,
    help="A directory, or a bucket of an object store; the archive gets a name of its own in it.",
)
def command(hub: str, to: str) -> None:
    """Write the database and every home of HUB into a new archive, checked, a sample of it restored. HUB may run.

    `hubops restore` brings back what is in it, and `hubops remove` wants one. It holds people's files: keep it as private.
    """
    fleet, redactor = load_fleet(project()), Redactor()
    with progress(redactor) as emit:
        place = find_place(to, fleet.root, redactor)
        made = running.run(_archive(fleet, fleet.require_hub(hub), place, emit, redactor))
    click.echo(format_archive(made.manifest, made.archive.where))


async def _archive(fleet: Fleet, hub: Hub, place: Place, emit: Emit, redactor: Redactor) -> Made:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await archive_hub(hub, session, place)
