"""A volume served as its pod serves it, on a port of the loopback interface, and a client of it."""

import asyncio
import hashlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from hubops.clients.kube import Kube
from hubops.clients.volume import Volume
from hubops.secret import Secret
from hubops.state.archive_model import Claim, Kind, Owner

PACKAGES = Path(__file__).parents[2] / "src" / "hubops"
TOKEN = "a-token-of-the-test"


@asynccontextmanager
async def serve(directory: Path, token: str = TOKEN, package: str = "volume") -> AsyncIterator[Volume]:
    """The very program that the pod runs, in a process of its own, without hubops on its path."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"execute.{package}.server", str(directory), str(port), sha256),
        env={"PYTHONPATH": str(PACKAGES), "PATH": ""},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=url, verify=False, trust_env=False) as client:
            volume = Volume(Kube(client), "", Secret(token), "claim-ada")
            await _wait_listening(port)
            yield volume
    finally:
        child.kill()
        await child.wait()


async def _wait_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def claim(kind: Kind = Kind.HOME, name: str = "claim-ada", uid: str = "u1", node: str = "") -> Claim:
    return Claim(
        name=name,
        uid=uid,
        kind=kind,
        person="ada" if kind is Kind.HOME else "",
        storage_class="standard",
        size="1Gi",
        access_modes=("ReadWriteOnce",),
        labels={"component": "singleuser-storage"},
        annotations={"hub.jupyter.org/username": "ada"},
        owner=Owner(1000, 100, 100),
        node=node,
    )
