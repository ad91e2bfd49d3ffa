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

    The cluster is touched: pods in HUB's namespace read its volumes, and claims of their own take the sample.

    `hubops restore` brings back what is in it, and `hubops remove` wants one. It holds people's files: keep it as private.
    """
    fleet, redactor = load_fleet(project()), Redactor()
    wanted = fleet.require_hub(hub)
    click.echo(_announcement(wanted), err=True)
    with progress(redactor) as emit:
        place = find_place(to, fleet.root, redactor)
        made = running.run(_archive(fleet, wanted, place, emit, redactor))
    click.echo(format_archive(made.manifest, made.archive.where))


def _announcement(hub: Hub) -> str:
    return (
        f"This touches cluster {hub.cluster.name}. {hub.name} goes on; pods in namespace {hub.namespace} read its "
        f"volumes,\nand claims made for that only take what is restored. They are removed at the end; if this run is "
        f"killed, by\nthe next archive of {hub.name}. A receipt stays in namespace hubops."
    )


async def _archive(fleet: Fleet, hub: Hub, place: Place, emit: Emit, redactor: Redactor) -> Made:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await archive_hub(hub, session, place)
