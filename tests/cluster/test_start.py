"""./start, killed inside each of its steps, goes on; and does nothing when nothing is left to do."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.conftest import PROJECT, Cluster, free_port
from hubops.errors import ProgramError
from hubops.local.instance import Instance, load_instance, save_instance
from hubops.local.toolchain import require_tool
from hubops.local.up import Local, down

pytestmark = pytest.mark.long
NAME = "hubops-start"


@pytest.fixture(scope="module")
async def fresh(local: Local) -> AsyncIterator[Instance]:
    """A new instance beside that of the other tests."""
    assert local
    made = load_instance(NAME, edge_port=free_port(), registry_port=free_port())
    save_instance(made)
    yield made
    await down(made, lambda _: None, delete_data=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in a path with a space."""
    clone = tmp_path_factory.mktemp("start") / "a b" / "hubops"
    left_out = shutil.ignore_patterns(".git", "__pycache__", "build", "*.egg-info", ".*_cache", ".hypothesis")
    return Path(shutil.copytree(PROJECT, clone, ignore=left_out, symlinks=True))


@pytest.fixture(scope="module")
async def access(fresh: Instance, helm: Path) -> Cluster:
    return Cluster(await require_tool("kubectl", lambda _: None), helm, fresh.kubeconfig, fresh.context)


async def claims(access: Cluster) -> dict[str, str]:
    """The uid of each claim of both hubs; none while there is no cluster, or half of one."""
    fields = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.metadata.uid}{'\\n'}{end}"
    if not access.kubeconfig.exists():
        return {}
    try:
        found = await access.run("get", "pvc", "-A", "-o", fields)
    except ProgramError:
        return {}
    return dict(line.split() for line in found.splitlines() if "probe" not in line)


async def start(clone: Path, kill_at: str = "") -> tuple[int, str]:
    """Run ./start in a process group of its own; SIGKILL the group when it prints `kill_at`."""
    child = await asyncio.create_subprocess_exec(
        clone / "start",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        cwd=clone,
        env={**os.environ, "HUBOPS_LOCAL": NAME},
    )
    assert child.stdout
    lines = []
    async for raw in child.stdout:
        lines.append(raw.decode())
        print(raw.decode().rstrip())  # noqa: T201 - shown when the test fails
        if kill_at and kill_at in raw.decode():
            os.killpg(child.pid, signal.SIGKILL)
            break
    await child.stdout.read()
    return await child.wait(), "".join(lines)


async def test_start_killed_in_each_step_goes_on(fresh: Instance, access: Cluster, clone: Path) -> None:
    steps = [
        "base image",
        "registry at",
        f"cluster {fresh.name}",
        "image earth",
        "image hub",
        "deploy edge",
        "deploy staginghub",
        "verify staginghub",
        "start a server",
        "deploy earthhub",
        "log in as a person",
    ]
    known: dict[str, str] = {}
    for step in steps:
        code, _ = await start(clone, kill_at=step)
        assert code == -signal.SIGKILL, step
        found = await claims(access)
        assert known.items() <= found.items(), step
        known = found
    assert {name.partition("/")[0] for name in known} == {"staginghub", "earthhub"}
    code, text = await start(clone)
    assert code == 0
    assert f"{fresh.url}/earthhub/" in text
    assert await claims(access) == known


async def test_a_second_start_finds_everything_done(fresh: Instance, access: Cluster, clone: Path) -> None:
    assert fresh
    before = await claims(access)
    began = time.monotonic()
    code, text = await start(clone)
    print(f"{time.monotonic() - began:.1f} s")  # noqa: T201 - a figure for whoever reads the log
    assert code == 0
    assert text.count(": nothing changed") == 3
    assert "Everything is made" in text
    assert await claims(access) == before
