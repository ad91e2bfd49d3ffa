"""Putting together what this machine offers for a hub's cluster: the value that run.py works with."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from hubops.cli.edge import require_edge
from hubops.cli.project import project as project  # noqa: PLC0414 - commands have it from here
from hubops.cli.secret_source import build_secrets_of, people_of, secrets_of
from hubops.clients.registry import Registry
from hubops.desired.model import Cluster, Fleet, Hub, Values
from hubops.desired.repository import load_values
from hubops.errors import MachineError, RefusedError
from hubops.events import Emit
from hubops.execute.build import Bench, Workshop
from hubops.local import base_image, host, paths
from hubops.local import secrets as local_secrets
from hubops.local.buildkit import require_builder
from hubops.local.instance import Instance, local_instance
from hubops.local.room import find_room
from hubops.local.toolchain import require_tool
from hubops.run import Machine, Session, Ways
from hubops.secret import Redactor


async def load_machine(
    fleet: Fleet, cluster: Cluster, emit: Emit, redactor: Redactor | None = None
) -> Machine:
    """What is needed to build for, deploy to and verify on a cluster.

    Raises:
        MachineError: the local cluster is not there, or a tool cannot be had.
    """
    instance = local_instance() if cluster.local else None
    if instance and not instance.kubeconfig.exists():
        hint = "Make it: hubops start. If it was made with sudo, use sudo here too."
        raise MachineError("the local cluster is not there", where=str(instance.kubeconfig), hint=hint)
    return Machine(
        cluster=cluster,
        helm=await require_tool("helm", emit),
        kubectl=await require_tool("kubectl", emit),
        kubeconfig=instance.kubeconfig if instance else None,
        context=instance.context if instance else cluster.context,
        workshop=load_workshop(emit, redactor),
        registry=instance.registry if instance else fleet.registry,
        url=instance.url if instance else cluster.url,
        secrets=_local_secrets(instance) if instance else secrets_of(fleet.root, emit),
        top=(load_values(fleet.root, "local"),) if instance else (),
        people=people_of(fleet.root, emit),
        makes_secrets=_makes_secrets(instance) if instance else lambda _: False,
        keeping=fleet.keeping,
    )


def local_top(fleet: Fleet, hub: Hub) -> tuple[Values, ...]:
    """The layers above the hub's own: values/local.yaml, on the local cluster."""
    return (load_values(fleet.root, "local"),) if hub.cluster.local else ()


def load_ways(fleet: Fleet, emit: Emit, redactor: Redactor) -> Ways:
    """How commands get to the fleet's clusters; the local one needs its edge before its hubs."""

    async def machine(cluster: Cluster) -> Machine:
        return await load_machine(fleet, cluster, emit, redactor)

    async def prepare(session: Session) -> None:
        if session.machine.cluster.local:
            await require_edge(fleet, session)

    return Ways(machine, prepare, emit, redactor)


def registry_of(fleet: Fleet) -> str:
    """Where images go when no hub is named: the local cluster's registry, if there is one, for a local fleet."""
    local = all(hub.cluster.local for hub in fleet.hubs.values())
    instance = local_instance()
    return instance.registry if local and instance.kubeconfig.exists() else fleet.registry


def load_workshop(emit: Emit, redactor: Redactor | None = None) -> Workshop:
    """The registry's client, and a bench that is set up when the first image is built."""
    made: list[Bench] = []
    alone = asyncio.Lock()

    async def bench() -> Bench:
        async with alone:
            if not made:
                made.append(await _bench(emit))
        return made[0]

    return Workshop(Registry(), bench, paths.state_dir() / "builds", (redactor or Redactor()).mask)


async def _bench(emit: Emit) -> Bench:
    async def caddy() -> Path:
        return (await require_tool("caddy", emit)).parent

    builder = await require_builder(emit)
    base = await base_image.find_base(emit)
    bundle = host.find_ca_bundle()
    return Bench(
        builder,
        lambda: find_room(builder.root),
        secrets={"ca": bundle} if bundle else {},
        stand_ins={base_image.NAME: base} if base else {},
        tools={"caddy": caddy},
        secret_texts=build_secrets_of(emit),
    )


def _local_secrets(instance: Instance) -> Callable[[Hub], Values]:
    directory = instance.directory / "secrets"
    return lambda hub: local_secrets.load_or_create(directory, hub.name)


def _makes_secrets(instance: Instance) -> Callable[[Hub], bool]:
    directory = instance.directory / "secrets"
    return lambda hub: not local_secrets.are_made(directory, hub.name)


def cluster_of(hubs: Iterable[Hub]) -> Cluster:
    """The one cluster of several hubs.

    Raises:
        RefusedError: they are on several.
    """
    clusters = {hub.cluster for hub in hubs}
    if len(clusters) != 1:
        raise RefusedError("these hubs are on several clusters", hint="Name those of one cluster.")
    return clusters.pop()
