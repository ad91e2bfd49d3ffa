"""hubops restore: a hub's database and homes out of an archive."""

import click

from hubops import run
from hubops.cli import running
from hubops.cli.archives import PLACE, find_archive
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.events import Emit
from hubops.execute.archive_place import Source
from hubops.report.archive import format_restored
from hubops.run.restore import restore_hub
from hubops.secret import Redactor
from hubops.state.archive_model import Manifest


@click.command()
@click.argument("hub")
@click.option(
    "--from", "where", required=True, metavar=PLACE, help="One archive, as hubops archive named it."
)
@click.option(
    "--replace",
    "replaced",
    multiple=True,
    metavar="CLAIM",
    help="A claim whose content is put aside, into a directory in it; may be given several times.",
)
def command(hub: str, where: str, replaced: tuple[str, ...]) -> None:
    """Put the database and the homes of an archive into HUB, which must be deployed. It stands still meanwhile."""
    fleet, redactor = load_fleet(project()), Redactor()
    with progress(redactor) as emit:
        source = find_archive(where, redactor)
        manifest = running.run(
            _restore(fleet, fleet.require_hub(hub), source, frozenset(replaced), emit=emit, redactor=redactor)
        )
    click.echo(format_restored(manifest))


async def _restore(
    fleet: Fleet, hub: Hub, source: Source, replaced: frozenset[str], *, emit: Emit, redactor: Redactor
) -> Manifest:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await restore_hub(hub, session, source, replaced)
