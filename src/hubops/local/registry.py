"""The local registry: a container on the cluster's network that keeps its data in a volume."""

import asyncio

import httpx2

from hubops.deadline import Deadline
from hubops.errors import MachineError, ProgramError
from hubops.events import Emit, step
from hubops.local import host
from hubops.local.docker import Docker
from hubops.local.instance import Instance
from hubops.local.network import Network

_START_LIMIT_S = 30


async def require_registry(
    instance: Instance, docker: Docker, network: Network, image: str, emit: Emit
) -> None:
    """Run the registry; an existing container is started again, one of another image replaced.

    Raises:
        MachineError: it does not answer, or its port is taken.
        ProgramError: Docker refuses.
    """
    name = instance.registry_container
    running = await docker.state(name) == "running"
    if running and await _image_of(docker, name) == image and await answers(instance):
        return
    with step(emit, f"registry at {instance.registry}"):
        if await docker.state(name) and await _image_of(docker, name) != image:
            await docker("rm", "-f", name)
        if not await _started(docker, name):
            await _create(instance, docker, network, image)
        await _wait(instance)


async def _started(docker: Docker, name: str) -> bool:
    """Start the container that is there. One that cannot, as when its network is gone, is removed."""
    if not await docker.state(name):
        return False
    try:
        await docker("start", name)
    except ProgramError:
        await docker("rm", "-f", name)  # the data is in the volume
        return False
    return True


async def answers(instance: Instance) -> bool:
    try:
        async with httpx2.AsyncClient(timeout=5) as client:
            return (await client.get(f"http://{instance.registry}/v2/")).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


async def _image_of(docker: Docker, name: str) -> str:
    return await docker("inspect", "-f", "{{.Config.Image}}", name) if await docker.state(name) else ""


async def _create(instance: Instance, docker: Docker, network: Network, image: str) -> None:
    name = instance.registry_container
    host.require_free_port(instance.registry_port, "--registry-port")
    await docker(
        *("run", "-d", "--name", name, "--restart", "unless-stopped"),
        *("--network", network.name, "--ip", network.registry_address),
        *("-p", f"127.0.0.1:{instance.registry_port}:5000", "-v", f"{name}:/var/lib/registry", image),
    )


async def _wait(instance: Instance) -> None:
    deadline = Deadline(_START_LIMIT_S)
    while not await answers(instance):
        if deadline.passed:
            raise MachineError(
                f"the registry at {instance.registry} does not answer",
                hint=f"See: docker logs {instance.registry_container}",
            )
        await asyncio.sleep(0.2)
