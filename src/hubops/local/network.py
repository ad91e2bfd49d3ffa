"""The Docker network of an instance, with addresses that stay the same over restarts."""

import ipaddress
import json
from dataclasses import dataclass

from hubops import digest
from hubops.errors import MachineError, ProgramError
from hubops.local.docker import Docker
from hubops.local.instance import Instance

_POOL = ipaddress.IPv4Network("172.28.0.0/14")  # private (RFC 1918) and outside Docker's usual first choices
_PREFIX = 28
_TRIES = 20


@dataclass(frozen=True)
class Network:
    """A small subnet: the gateway, the one address that the node gets, and the registry's."""

    name: str
    subnet: ipaddress.IPv4Network

    @property
    def node_address(self) -> str:
        return str(self.subnet[2])

    @property
    def registry_address(self) -> str:
        return str(self.subnet[10])


async def require_network(instance: Instance, docker: Docker) -> Network:
    """The instance's network, made on a subnet that is free.

    Docker hands out only one address by itself, so a node that starts again,
    before or after the registry, has the address that is in its certificates.

    Raises:
        MachineError: no free subnet was found.
    """
    if existing := await _find(instance, docker):
        return existing
    subnets = list(_POOL.subnets(new_prefix=_PREFIX))
    first = int(digest.of_bytes(instance.name.encode())[:8], 16)
    refusal = ""
    for attempt in range(_TRIES):
        network = Network(instance.network, subnets[(first + attempt) % len(subnets)])
        try:
            await _create(network, docker)
        except ProgramError as error:
            refusal = error.why
            continue
        return network
    raise MachineError(f"Docker has no free subnet for the network {instance.network}", why=refusal)


async def _find(instance: Instance, docker: Docker) -> Network | None:
    if not await docker("network", "ls", "-q", "--filter", f"name=^{instance.network}$"):
        return None
    config = json.loads(await docker("network", "inspect", "-f", "{{json .IPAM.Config}}", instance.network))
    return Network(instance.network, ipaddress.IPv4Network(config[0]["Subnet"]))


async def _create(network: Network, docker: Docker) -> None:
    await docker(
        *("network", "create", "--driver", "bridge", f"--subnet={network.subnet}"),
        *(f"--gateway={network.subnet[1]}", f"--ip-range={network.node_address}/32", network.name),
    )
