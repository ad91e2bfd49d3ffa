"""deploy.py: the original command line, unchanged: setup, build, push, deploy of one hub."""

import asyncio

import click

from hubops import run
from hubops.cli.machine import load_machine, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names
from hubops.events import Emit
from hubops.secret import Redactor


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("hub")
@click.option(
    "--no-setup", is_flag=True, help="Skip the check of tools, registry, cluster, rights and secrets."
)
@click.option("--build", is_flag=True, help="Build the images that the registry lacks.")
@click.option("--push", is_flag=True, help="Push them (ignored without --build).")
@click.option("--deploy", is_flag=True, help="Deploy the hub, watch its rollout, and verify it.")
def command(hub: str, no_setup: bool, build: bool, push: bool, deploy: bool) -> None:  # noqa: FBT001 - click's way
    """Build, push and deploy one hub. Without any option only the setup is checked."""
    fleet = load_fleet(project())
    redactor = Redactor()
    with progress(redactor) as emit:
        asyncio.run(_run(fleet, fleet.require_hub(hub), emit, redactor, (not no_setup, build, push, deploy)))


async def _run(
    fleet: Fleet, hub: Hub, emit: Emit, redactor: Redactor, steps: tuple[bool, bool, bool, bool]
) -> None:
    check, build, push, deploy = steps
    machine = await load_machine(fleet, hub.cluster, emit)
    async with run.open_session(machine, emit, redactor) as session:
        if check:
            await run.check_setup(hub, session)
        if build:
            await run.build_images(fleet, image_names(hub, *machine.top), machine, emit, push=push)
        if deploy:
            await run.deploy(fleet, hub, session)
