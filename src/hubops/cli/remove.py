"""hubops remove: take a hub and its data out of the cluster."""

import sys

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.cli.remove_files import remove_files
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError
from hubops.events import Emit
from hubops.report.archive import format_doomed
from hubops.run.removal import look_at_remains, remove_hub
from hubops.secret import Redactor
from hubops.state.archive_model import Doomed


@click.command()
@click.argument("hub")
@click.option("--files", is_flag=True, help="Take away only its files; nothing in the cluster is touched.")
@click.option("--without-archive", is_flag=True, help="Its data need not be in an archive: it is lost.")
@click.option("--yes-remove", default="", metavar="NAME", help="The hub's name, where nobody can be asked.")
def command(hub: str, files: bool, without_archive: bool, yes_remove: str) -> None:  # noqa: FBT001 - click's way
    """Remove HUB from its cluster: release, database, every home, namespace. Records and receipts stay.

    Its data must be in an archive that is not older than its last deploy. There is no way back but that archive.
    """
    if files and (without_archive or yes_remove):
        raise click.UsageError(
            "--files touches no data, and takes neither --without-archive nor --yes-remove"
        )
    fleet = load_fleet(project())
    wanted = fleet.require_hub(hub)
    if files:
        remove_files(fleet, wanted)
    else:
        _remove_live(fleet, wanted, without_archive=without_archive, name=yes_remove)


def _remove_live(fleet: Fleet, hub: Hub, *, without_archive: bool, name: str) -> None:
    """Show what there is in the cluster, ask for the name, and remove it."""
    redactor = Redactor()
    with progress(redactor) as emit:
        doomed = running.run(_look(fleet, hub, emit, redactor, without_archive=without_archive))
    click.echo(format_doomed(hub, doomed))
    _require_name(hub, name)
    with progress(redactor) as emit:
        running.run(_remove(fleet, hub, doomed, emit, redactor, without_archive=without_archive))
    click.echo(
        f"{hub.name} is removed. Its files are still here, and the next deploy would bring it back, empty: "
        f"hubops remove {hub.name} --files"
    )


def _require_name(hub: Hub, name: str) -> None:
    if not name and sys.stdin.isatty():
        name = click.prompt(f"Type the name of the hub to remove it ({hub.name})", err=True)
    if name != hub.name:
        raise RefusedError(
            f"{hub.name} is not removed",
            where="--yes-remove",
            why=f"{name!r} is not its name" if name else "nobody typed its name",
            hint=f"Where nobody can be asked: --yes-remove {hub.name}",
        )


async def _look(fleet: Fleet, hub: Hub, emit: Emit, redactor: Redactor, *, without_archive: bool) -> Doomed:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await look_at_remains(fleet, hub, session, without_archive=without_archive)


async def _remove(
    fleet: Fleet, hub: Hub, doomed: Doomed, emit: Emit, redactor: Redactor, *, without_archive: bool
) -> None:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        await remove_hub(fleet, hub, session, doomed, without_archive=without_archive)
