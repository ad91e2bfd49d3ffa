"""hubops logs: what a hub's own pods say."""

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.events import Emit
from hubops.secret import Redactor


@click.command()
@click.argument("hub")
@click.option("--lines", default=50, show_default=True, help="How many of each container.")
def command(hub: str, lines: int) -> None:
    """Print the last log lines of HUB's own pods; people's servers are their own business."""
    fleet, redactor = load_fleet(project()), Redactor()
    with progress(redactor) as emit:
        logs = running.run(_logs(fleet, fleet.require_hub(hub), lines, emit, redactor))
    for name, text in logs.items():
        for line in text.splitlines():
            click.echo(f"{name} | {line}")


async def _logs(fleet: Fleet, hub: Hub, lines: int, emit: Emit, redactor: Redactor) -> dict[str, str]:
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        return await run.hub_logs(hub, session, lines)
