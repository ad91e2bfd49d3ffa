"""Bringing a local cluster up, down, and telling how it is."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hubops.clients.builder import Builder
from hubops.errors import RefusedError
from hubops.events import Emit, step
from hubops.local import base_image, cluster, docker, host, registry
from hubops.local.buildkit import require_builder
from hubops.local.instance import Instance, save_instance
from hubops.local.machine_image import require_image
from hubops.local.network import require_network
from hubops.local.recipe import Recipe, node_recipe
from hubops.local.toolchain import require_tool
from hubops.local.tools import NODE_IMAGE


@dataclass(frozen=True)
class Local:
    """A running local cluster and what builds its images."""

    instance: Instance
    docker: docker.Docker
    builder: Builder
    base: Path | None


async def up(instance: Instance, emit: Emit, node_image: str = "") -> Local:
    """Bring the instance up from whatever state it is in. Each part is skipped when it is right.

    Raises:
        MachineError: this machine lacks something; nothing is half-done that the next run does not heal.
        ProgramError: a build or an outside program failed.
    """
    if not (instance.directory / "instance.json").exists():
        # Before anything is made, or written down for ever.
        host.require_free_port(instance.edge_port, "--port")
        host.require_free_port(instance.registry_port, "--registry-port")
    with step(emit, "Docker"):
        engine = await docker.require_docker(emit)
    kubectl, kind = await require_tool("kubectl", emit), await require_tool("kind", emit)
    await _require_ours(instance, engine)
    base, builder = await _builders(emit)
    image = await _node_image(node_image, engine, builder, base, emit)
    store = await require_image(Recipe("registry", "registry"), engine, builder, base, emit)
    save_instance(instance)
    network = await require_network(instance, engine)
    await registry.require_registry(instance, engine, network, store, emit)
    await cluster.require_cluster(instance, cluster.Parts(engine, kind, kubectl, network, image), emit)
    return Local(instance, engine, builder, base)


async def down(instance: Instance, emit: Emit, *, delete_data: bool = False) -> None:
    """Stop the instance; everything comes back with `up`. With `delete_data` nothing is left of it.

    Raises:
        MachineError: Docker does not answer, so nobody knows what is there.
    """
    engine = await docker.find_docker()
    if engine is None:
        if delete_data:
            raise await docker.why_none()
        return
    await _require_ours(instance, engine)
    names = [n for n in (instance.node, instance.registry_container) if await engine.state(n)]
    with step(emit, f"{'removing' if delete_data else 'stopping'} {instance.name}"):
        if not delete_data:
            for name in names:
                await engine("stop", "-t", "20", name)
            return
        await cluster.delete_cluster(instance, engine)
        if instance.registry_container in names:
            await engine("rm", "-f", instance.registry_container)
        await engine("volume", "rm", "-f", instance.registry_container)
        if await engine("network", "ls", "-q", "--filter", f"name=^{instance.network}$"):
            await engine("network", "rm", instance.network)
        shutil.rmtree(instance.directory, ignore_errors=True)


async def status(instance: Instance) -> dict[str, str]:
    """The state of each part, in a few words each."""
    engine = await docker.find_docker()
    if engine is None:
        return {"docker": (await docker.why_none()).what}
    return {
        "docker": engine.address or "running",
        "cluster": await engine.state(instance.node) or "absent",
        "policies": await cluster.describe_policies(instance, engine),
        "registry": await engine.state(instance.registry_container) or "absent",
    }


async def _require_ours(instance: Instance, engine: docker.Docker) -> None:
    """Refuse to touch containers of our names that another made: a kind cluster somebody works with."""
    if (instance.directory / "instance.json").exists():
        return
    for name in (instance.node, instance.registry_container):
        if await engine.state(name):
            raise RefusedError(
                f"the container {name} was not made by hubops, or by another account",
                hint="Choose another --name, or remove it yourself.",
            )


async def _builders(emit: Emit) -> tuple[Path | None, Builder]:
    with step(emit, "base image"):
        base = await base_image.find_base(emit)
    with step(emit, "BuildKit"):
        return base, await require_builder(emit)


async def _node_image(
    wanted: str, engine: docker.Docker, builder: Builder, base: Path | None, emit: Emit
) -> str:
    """The image asked for, or the official one where its registry answers, or ours."""
    official = "" if base else NODE_IMAGE
    if reference := wanted or official:
        if not await engine("images", "-q", reference):
            with step(emit, f"node image {reference}"):
                await engine("pull", "-q", reference)
        return reference
    node, pause = await require_tool("node", emit), await require_tool("pause", emit)
    return await require_image(node_recipe(node, pause), engine, builder, base, emit)
