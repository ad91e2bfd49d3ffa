"""deploy.py: the original command line: setup, build, push, deploy of one hub."""

from dataclasses import dataclass

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_machine, load_ways, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names
from hubops.events import Emit
from hubops.secret import Redactor


@dataclass(frozen=True)
class _Steps:
    setup: bool
    build: bool
    push: bool
    deploy: bool
    override: str


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("hub")
@click.option(
    "--no-setup", is_flag=True, help="Skip the check of tools, registry, cluster, rights and secrets."
)
@click.option("--build", is_flag=True, help="Build the images that the registry lacks.")
@click.option("--push", is_flag=True, help="Push them (ignored without --build).")
@click.option("--deploy", is_flag=True, help="Deploy the hub, watch its rollout, and verify it.")
@click.option(
    "--override-proof",
    default="",
    metavar="REASON",
    help="Deploy what no other hub proved, or what failed before; the reason is recorded.",
)
def command(hub: str, no_setup: bool, build: bool, push: bool, deploy: bool, override_proof: str) -> None:  # noqa: FBT001, PLR0917 - click's way
    """Build, push and deploy one hub. Without any option only the setup is checked."""
    fleet, redactor = load_fleet(project()), Redactor()
    steps = _Steps(not no_setup, build, push, deploy, override_proof)
    with progress(redactor) as emit:
        running.run(_run(fleet, fleet.require_hub(hub), steps, emit, redactor))


async def _run(fleet: Fleet, hub: Hub, steps: _Steps, emit: Emit, redactor: Redactor) -> None:
    if steps.deploy and not hub.cluster.local:
        await run.require_reproducible(fleet.root)
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        if steps.setup:
            await run.check_setup(fleet, hub, session)
        if steps.build:
            if steps.deploy:  # nothing is built for a cluster that cannot be had
                await session.connection.opened()
            names = image_names(hub, *machine.top)
            await run.build_images(fleet, names, machine.registry, machine.workshop, emit, push=steps.push)
        if steps.deploy:
            commit, ways = await run.find_commit(fleet.root), load_ways(fleet, emit, redactor)
            await ways.prepare(session)
            retry = frozenset({hub.name} if steps.override else ())
            terms = run.Terms(commit, retry=retry, override=steps.override)
            await run.deploy_in_turn(fleet, hub, session, terms, ways)
