"""Putting together what this machine offers for a hub's cluster: the value that run.py works with."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from hubops.cli.secret_source import secrets_of
from hubops.clients.builder import Builder
from hubops.clients.registry import Registry
from hubops.desired.model import Cluster, Fleet, Hub, Values
from hubops.desired.repository import load_values
from hubops.errors import MachineError, RefusedError
from hubops.events import Emit
from hubops.execute.build import Bench, Workshop
from hubops.local import base_image, host, paths
from hubops.local import secrets as local_secrets
from hubops.local.buildkit import require_buildkit
from hubops.local.instance import DEFAULT_NAME, Instance, load_instance
from hubops.local.toolchain import require_tool
from hubops.run import Machine

# Which local cluster the commands mean; the tests have one of their own.
INSTANCE_VARIABLE = "HUBOPS_LOCAL"


def local_instance() -> Instance:
    """The local cluster that commands without a name mean."""
    return load_instance(os.environ.get(INSTANCE_VARIABLE, DEFAULT_NAME))


async def load_machine(fleet: Fleet, cluster: Cluster, emit: Emit) -> Machine:
    """What is needed to build for, deploy to and verify on a cluster.

    Raises:
        MachineError: the local cluster is not there, or a tool cannot be had.
    """
    instance = local_instance() if cluster.local else None
    if instance and not instance.kubeconfig.exists():
        hint = "Make it: ./start. If it was made with sudo, use sudo here too."
        raise MachineError("the local cluster is not there", where=str(instance.kubeconfig), hint=hint)
    return Machine(
        helm=await require_tool("helm", emit),
        kubectl=await require_tool("kubectl", emit),
        kubeconfig=instance.kubeconfig if instance else None,
        context=instance.context if instance else cluster.context,
        workshop=_workshop(emit),
        registry=instance.registry if instance else fleet.registry,
        url=instance.url if instance else cluster.url,
        secrets=_local_secrets(instance) if instance else secrets_of(fleet.root, emit),
        top=(load_values(fleet.root, "local"),) if instance else (),
    )


def _workshop(emit: Emit) -> Workshop:
    made: list[Bench] = []

    async def bench() -> Bench:
        if not made:
            made.append(await _bench(emit))
        return made[0]

    return Workshop(Registry(), bench)


async def _bench(emit: Emit) -> Bench:
    buildkit = await require_buildkit(emit)
    base = await base_image.find_base(emit)
    bundle = host.find_ca_bundle()
    return Bench(
        Builder(buildkit.buildctl, buildkit.address),
        secrets={"ca": bundle} if bundle else {},
        contexts={
            "caddy": (await require_tool("caddy", emit)).parent,
            **({base_image.NAME: base} if base else {}),
        },
    )


def _local_secrets(instance: Instance) -> Callable[[Hub], Values]:
    directory = instance.directory / "secrets"
    return lambda hub: local_secrets.load_or_create(directory, hub.name)


def cluster_of(hubs: Iterable[Hub]) -> Cluster:
    """The one cluster of several hubs.

    Raises:
        RefusedError: they are on several.
    """
    clusters = {hub.cluster for hub in hubs}
    if len(clusters) != 1:
        raise RefusedError("these hubs are on several clusters", hint="Name those of one cluster.")
    return clusters.pop()


def project() -> Path:
    """The operations repository: the directory we are called in when it has a hubops.yaml, else this checkout."""
    here = Path.cwd()
    return here if (here / "hubops.yaml").is_file() else paths.project_dir()
