"""hubops start: from a bare machine to hubs one can log in to, each step skipped when it is done."""

import asyncio
import os

import click

from hubops import run
from hubops.cli.machine import cluster_of, load_machine, local_instance, project
from hubops.cli.progress import progress
from hubops.desired.model import Fleet, Hub, ImageReference, Values
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names
from hubops.events import Emit
from hubops.local import paths
from hubops.local.cluster import EDGE_NODE_PORT
from hubops.local.instance import Instance
from hubops.local.secrets import load_or_create
from hubops.local.up import up
from hubops.secret import Redactor

_EDGE = "edge"


@click.command()
def command() -> None:
    """Bring up the local cluster and deploy and verify every hub on it."""
    fleet, instance, redactor = load_fleet(project()), local_instance(), Redactor()
    hubs = [hub for hub in fleet.in_order() if hub.cluster.local]
    with progress(redactor) as emit:
        asyncio.run(_start(fleet, hubs, instance, emit, redactor))
    click.echo(_farewell(hubs, instance))


async def _start(fleet: Fleet, hubs: list[Hub], instance: Instance, emit: Emit, redactor: Redactor) -> None:
    await up(instance, emit)
    machine = await load_machine(fleet, cluster_of(hubs), emit)
    names = {_EDGE, *(name for hub in hubs for name in image_names(hub, *machine.top))}
    images = await run.build_images(fleet, sorted(names), machine, emit, push=True)
    async with run.open_session(machine, emit, redactor) as session:
        await deploy_edge(hubs, images[_EDGE], session)
        for hub in hubs:
            await run.deploy(fleet, hub, session)
    (instance.directory / "started").touch()


async def deploy_edge(hubs: list[Hub], image: ImageReference, session: run.Session) -> None:
    """Deploy the one address under which the hubs are found."""
    values = edge_values(hubs, {"name": image.repository, "tag": image.pinned_tag})
    await run.deploy_chart(paths.project_dir(), _EDGE, values, session)


def edge_values(hubs: list[Hub], image: Values) -> Values:
    """The edge's chart values, from the fleet."""
    listed = [{"name": hub.name, "path": hub.path, "namespace": hub.namespace} for hub in hubs]
    return {"image": image, "hubs": listed, "service": {"type": "NodePort", "nodePort": EDGE_NODE_PORT}}


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
