"""hubops archive: a hub's database and homes into a directory."""

from pathlib import Path

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import UsageError
from hubops.events import Emit
from hubops.report.archive import format_archive
from hubops.run.archive import Made, archive_hub
from hubops.secret import Redactor


@click.command()
@click.argument("hub")
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="A directory; the archive gets one of its own in it.",
)
def command(hub: str, to: Path) -> None:
    """Write the database and every home of HUB into a directory, checked, a sample of it restored. HUB may run.

    What is restored, and what may be removed, is what such an archive has. It holds people's files: keep it as private.
    """
    fleet, redactor = load_fleet(project()), Redactor()
    if to.resolve().is_relative_to(fleet.root.resolve()):
        raise UsageError(
            "an archive holds people's files, and this directory is in the repository",
            where=f"--to {to}",
            hint="Name one that nobody commits and pushes.",
        )
    with progress(redactor) as emit:
        made = running.run(_archive(fleet, fleet.require_hub(hub), to, emit, redactor))
    click.echo(format_archive(made.manifest, made.directory))


async def _archive(fleet: Fleet, hub: Hub, to: Path, emit: Emit, redactor: Redactor) -> Made:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await archive_hub(hub, session, to)
