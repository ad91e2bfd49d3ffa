"""hubops start: from a bare machine to hubs one can log in to, each step skipped when it is done."""

import os

import click

from hubops import run
from hubops.cli import running
from hubops.cli.edge import EDGE
from hubops.cli.machine import cluster_of, load_machine, load_ways, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names
from hubops.events import Emit
from hubops.local.instance import Instance, local_instance
from hubops.local.made import note_started
from hubops.local.secrets import load_or_create
from hubops.local.up import up
from hubops.secret import Redactor


@click.command()
def command() -> None:
    """Bring up the local cluster and deploy and verify every hub on it."""
    fleet, instance, redactor = load_fleet(project()), local_instance(), Redactor()
    hubs = [hub for hub in fleet.in_order() if hub.cluster.local]
    with progress(redactor) as emit:
        running.run(_start(fleet, hubs, instance, emit, redactor))
    click.echo(_farewell(hubs, instance))


async def _start(fleet: Fleet, hubs: list[Hub], instance: Instance, emit: Emit, redactor: Redactor) -> None:
    await up(instance, emit)
    machine = await load_machine(fleet, cluster_of(hubs), emit)
    images = {EDGE, *(name for hub in hubs for name in image_names(hub, *machine.top))}
    await run.build_images(fleet, sorted(images), machine.registry, machine.workshop, emit, push=True)
    # Whoever starts the local cluster means these files, whatever failed or was deployed before.
    names = {hub.name for hub in hubs}
    terms = run.Terms(await run.find_commit(fleet.root), retry=frozenset(names), backwards=True)
    ways = load_ways(fleet, emit, redactor)
    async with run.open_session(machine, emit, redactor) as session:
        await ways.prepare(session)
        for hub in hubs:
            await run.deploy_in_turn(fleet, hub, session, terms, ways)
    note_started(instance, fleet.root)


def _farewell(hubs: list[Hub], instance: Instance) -> str:
    lines = ["", "Your hubs are ready:", ""]
    for hub in hubs:
        config = load_or_create(instance.directory / "secrets", hub.name)["hub"]["config"]
        passwords = config["SharedPasswordAuthenticator"]
        lines += [
            f"  {instance.url}{hub.path}",
            f"    as {' or '.join(hub.people.allowed)}: {passwords['user_password']}",
            f"    as {' or '.join(hub.people.admins)} (administrator): {passwords['admin_password']}",
        ]
    return "\n".join(
        [
            *lines,
            "",
            "Next: log in, open the course notebook and run it. Then change something, e.g. the memory limit in",
            "hub-charts/staginghub/values.yaml, and deploy it:",
            f"  {'sudo ' if 'SUDO_USER' in os.environ else ''}python3 deploy.py staginghub --build --push --deploy",
        ]
    )
