"""The Docker network of an instance, with addresses that stay the same over restarts."""

import ipaddress
import json
import sys
from dataclasses import dataclass
from pathlib import Path

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
    routed = _routed()
    subnets = [s for s in _POOL.subnets(new_prefix=_PREFIX) if not any(s.overlaps(other) for other in routed)]
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


def _routed() -> list[ipaddress.IPv4Network]:
    """Networks the machine has routes to, a forgotten bridge's among them (proc(5), /proc/net/route)."""
    table = Path("/proc/net/route")
    rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
    networks = [ipaddress.IPv4Network((_address(row[1]), str(_address(row[7])))) for row in rows]
    return [network for network in networks if network.prefixlen > 0]


def _address(text: str) -> ipaddress.IPv4Address:
    """An address as the kernel writes it there: hexadecimal, in the order of this machine's bytes."""
    return ipaddress.IPv4Address(int(text, 16).to_bytes(4, sys.byteorder))


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
