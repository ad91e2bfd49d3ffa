"""hubops ci merge: what CI does with a merged change, in one command."""

import os
from pathlib import Path

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_ways, project
from hubops.cli.progress import progress
from hubops.cli.publish import publish
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.events import Emit
from hubops.report.exit_code import exit_code
from hubops.report.model import Outcome
from hubops.secret import Redactor


@click.command()
@click.argument("hubs", nargs=-1)
@click.option("--retry", multiple=True, metavar="HUB", help="Try content again on HUB that failed before.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write the outcome as JUnit XML.")
def command(hubs: tuple[str, ...], retry: tuple[str, ...], junit: Path | None) -> None:
    """Build and push what is missing; deploy and verify staging, then what it proves. All hubs, or HUBS."""
    fleet, redactor = load_fleet(project()), Redactor()
    for name in (*hubs, *retry):
        fleet.require_hub(name)
    with progress(redactor) as emit:
        outcomes = running.run(_merge(fleet, set(hubs), set(retry), emit, redactor))
    publish(outcomes, "Deploy", os.environ, junit)
    raise SystemExit(exit_code(outcomes))


async def _merge(
    fleet: Fleet, names: set[str], retry: set[str], emit: Emit, redactor: Redactor
) -> list[Outcome]:
    await run.require_reproducible(fleet.root)
    hubs = [hub for hub in fleet.in_order() if not names or hub.name in names]
    terms = run.Terms(await run.find_commit(fleet.root), keep_people=True, retry=frozenset(retry))
    return await run.merge(fleet, hubs, load_ways(fleet, emit, redactor), terms)
