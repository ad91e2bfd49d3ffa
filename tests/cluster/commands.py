"""The commands as an operator types them, on the tests' cluster, and what a hub of a test leaves there."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from cluster.conftest import NAME, PROJECT, Cluster, show
from cluster.test_deploy import Ended
from hubops import run
from hubops.cli.edge import EDGE, deploy_edge, require_edge
from hubops.cli.machine import load_machine
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.local.instance import INSTANCE_VARIABLE, load_instance
from hubops.secret import Redactor


async def run_hubops(
    root: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    kill_at: str = "",
    after_s: float = 0,
    with_stderr: bool = True,
) -> Ended:
    """A command in the repository at `root`; SIGKILL `after_s` after it printed `kill_at`."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubops.cli.main", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if with_stderr else None,
        cwd=root,
        env={**os.environ, **(env or {}), "HUBOPS_LOCAL": NAME},
        start_new_session=True,
    )
    assert child.stdout
    lines = []
    async for raw in child.stdout:
        lines.append(raw.decode())
        print(raw.decode().rstrip())  # noqa: T201 - shown when the test fails
        if kill_at and kill_at in lines[-1]:
            await asyncio.sleep(after_s)
            os.killpg(child.pid, signal.SIGKILL)
            break
    await child.stdout.read()
    return Ended(await child.wait(), "".join(lines))


async def deploy_unproved(root: Path, hub: str, *, edge: bool = False) -> None:
    """Deploy without the proof, for what a notebook that runs says nothing about.

    With `edge` the common address leads to the hubs of `root` beside those of the example fleet.
    """
    fleet = load_fleet(root)
    async with _session(fleet, fleet.require_hub(hub)) as session:
        if edge:
            await _lead_to({**load_fleet(PROJECT).hubs, **fleet.hubs}, fleet, session)
        await run.deploy(fleet, fleet.require_hub(hub), session, run.Terms(prove=False))


async def lead_to(root: Path) -> None:
    """The common address leads to the hubs of `root` too, which are still to be deployed."""
    fleet = load_fleet(root)
    async with _session(fleet, next(iter(fleet.hubs.values()))) as session:
        await _lead_to({**load_fleet(PROJECT).hubs, **fleet.hubs}, fleet, session)


async def lead_back() -> None:
    """The common address without the hubs of tests."""
    fleet = load_fleet(PROJECT)
    async with _session(fleet, next(iter(fleet.hubs.values()))) as session:
        await require_edge(fleet, session)


@asynccontextmanager
async def _session(fleet: Fleet, hub: Hub) -> AsyncIterator[run.Session]:
    os.environ[INSTANCE_VARIABLE] = NAME
    machine = await load_machine(fleet, hub.cluster, show)
    async with run.open_session(machine, show, Redactor()) as session:
        yield session


async def _lead_to(hubs: Mapping[str, Hub], fleet: Fleet, session: run.Session) -> None:
    machine = session.machine
    images = await run.build_images(
        fleet, [EDGE], machine.registry, machine.workshop, session.emit, push=True
    )
    await deploy_edge([*hubs.values()], images[EDGE], session)


@asynccontextmanager
async def forgotten(cluster: Cluster, hub: str) -> AsyncIterator[None]:
    """Nobody knows the hub before, and nobody after; then the common address is without it too."""
    await forget_hub(cluster, hub)
    try:
        yield
    finally:
        await forget_hub(cluster, hub)
        await lead_back()


async def forget_hub(cluster: Cluster, hub: str) -> None:
    """Nothing of a hub, and nothing that was recorded of it."""
    await cluster.run("delete", "namespace", hub, "--ignore-not-found")
    await cluster.run("delete", "secret", "-n", "hubops", "-l", f"hubops.dev/hub={hub}")
    for label in ("archive", "removal"):
        await cluster.run("delete", "configmap", "-n", "hubops", "-l", f"hubops.dev/{label}-of={hub}")
    await cluster.run("delete", "lease", "-n", "hubops", f"deploy-{hub}", "--ignore-not-found")
    (load_instance(NAME).directory / "secrets" / f"{hub}.json").unlink(missing_ok=True)
