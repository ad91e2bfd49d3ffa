"""hubops plan: what a deploy would do, and why."""

import json
from dataclasses import asdict

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine, load_ways, local_top, project
from hubops.cli.progress import progress
from hubops.desired.model import Cluster, Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.events import Emit
from hubops.plan.model import CHANGES, HubPlan
from hubops.report.plan import format_plan, outcome
from hubops.report.summary import format_summary
from hubops.run.branches import fleet_at
from hubops.secret import Redactor

_CHANGES_CODE = 10


@click.command()
@click.argument("hubs", nargs=-1)
@click.option(
    "--against", default="", metavar="REF", help="Compare with the files of a commit; ask no cluster."
)
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text")
@click.option("--exit-code", is_flag=True, help="Exit with 10 when something would change.")
def command(hubs: tuple[str, ...], against: str, form: str, exit_code: bool) -> None:  # noqa: FBT001 - click's way
    """Say what a deploy of HUBS (default: all) would do. Nothing is written."""
    fleet, redactor = load_fleet(project()), Redactor()
    chosen = [fleet.require_hub(name) for name in hubs] or fleet.in_order()
    with progress(redactor) as emit:
        plans = running.run(
            _against(against, fleet, chosen) if against else _live(fleet, chosen, emit, redactor)
        )
    match form:
        case "json":
            text = json.dumps([asdict(plan) for plan in plans], indent=2)
        case "markdown":
            text = format_summary([outcome(plan) for plan in plans], "Plan")
        case _:
            text = format_plan(plans)
    click.echo(redactor.mask(text))
    if exit_code and any(plan.action in CHANGES for plan in plans):
        raise SystemExit(_CHANGES_CODE)


def plan_from(before: Fleet, fleet: Fleet, hubs: list[Hub]) -> list[HubPlan]:
    """Plans from the files of another commit to these.

    Raises:
        RepositoryError: a file is wrong.
    """
    plans = [run.plan_against(fleet, before, hub, local_top(fleet, hub)) for hub in hubs]
    return plans + (run.plan_removed(fleet, before) if len(hubs) == len(fleet.hubs) else [])


async def _against(ref: str, fleet: Fleet, hubs: list[Hub]) -> list[HubPlan]:
    async with fleet_at(fleet.root, ref) as before:
        return plan_from(before, fleet, hubs)


async def _live(fleet: Fleet, hubs: list[Hub], emit: Emit, redactor: Redactor) -> list[HubPlan]:
    plans: dict[str, HubPlan] = {}
    for cluster in dict.fromkeys(hub.cluster for hub in hubs):
        plans |= await _on_cluster(fleet, cluster, hubs, emit, redactor)
    return [plans[hub.name] for hub in hubs]


async def _on_cluster(
    fleet: Fleet, cluster: Cluster, hubs: list[Hub], emit: Emit, redactor: Redactor
) -> dict[str, HubPlan]:
    machine = await load_machine(fleet, cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        ways = load_ways(fleet, emit, redactor)
        here = [hub for hub in hubs if hub.cluster == cluster]
        return {hub.name: await run.plan_hub(fleet, hub, session, ways) for hub in here}
