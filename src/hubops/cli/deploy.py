"""hubops deploy: build, push, deploy and verify some hubs, or all of them when that is said."""

import os
from dataclasses import dataclass

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_ways, project
from hubops.cli.progress import progress
from hubops.cli.publish import publish
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import UsageError
from hubops.events import Emit
from hubops.report.exit_code import exit_code
from hubops.report.model import Outcome
from hubops.secret import Redactor


@dataclass(frozen=True)
class _Wishes:
    retry: bool
    override: str


@click.command()
@click.argument("hubs", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All hubs of the repository.")
@click.option("--retry", is_flag=True, help="Try content again that failed before.")
@click.option(
    "--override-proof", default="", metavar="REASON", help="Go on without a proof; the reason is recorded."
)
def command(hubs: tuple[str, ...], every: bool, retry: bool, override_proof: str) -> None:  # noqa: FBT001 - click's way
    """Build and push what the registry lacks; deploy and verify HUBS, each after the one that proves it."""
    fleet, redactor = load_fleet(project()), Redactor()
    if bool(hubs) == every:
        raise UsageError("name the hubs, or say --all", where="hubops deploy", hint="Never both.")
    chosen = {fleet.require_hub(name).name for name in hubs} or set(fleet.hubs)
    ordered = [hub for hub in fleet.in_order() if hub.name in chosen]
    with progress(redactor) as emit:
        outcomes = running.run(_deploy(fleet, ordered, _Wishes(retry, override_proof), emit, redactor))
    publish(outcomes, "Deploy", os.environ)
    raise SystemExit(exit_code(outcomes))


async def _deploy(
    fleet: Fleet, hubs: list[Hub], wishes: _Wishes, emit: Emit, redactor: Redactor
) -> list[Outcome]:
    if not all(hub.cluster.local for hub in hubs):
        await run.require_reproducible(fleet.root)
    commit = await run.find_commit(fleet.root)
    retry = frozenset(hub.name for hub in hubs) if wishes.retry or wishes.override else frozenset()
    terms = run.Terms(commit, retry=retry, override=wishes.override)
    return await run.merge(fleet, hubs, load_ways(fleet, emit, redactor), terms)
