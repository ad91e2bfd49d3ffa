"""A BuildKit of a test's own: with a small disk, little memory, or to be killed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.conftest import show
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.local.toolchain import require_tool

_CGROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")  # version 1, version 2


@dataclass
class OwnBuildkit:
    """A daemon whose data is below `directory`; steps run in the control group `group`."""

    directory: Path
    group: str
    builder: Buildctl
    daemon: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it answers."""
        program = await require_tool("buildkitd", show)
        config = self.directory / "buildkitd.toml"
        config.write_text(
            f'insecure-entitlements = ["network.host"]\nroot = "{self.directory / "data"}"\n'
            f'[grpc]\n  address = ["{self.builder.address}"]\n'
            f'[worker.oci]\n  enabled = true\n  gc = false\n  defaultCgroupParent = "{self.group}"\n'
            "[worker.containerd]\n  enabled = false\n"
        )
        with (self.directory / "log").open("ab") as log:
            self.daemon = await asyncio.create_subprocess_exec(
                str(program), f"--config={config}", stdout=log, stderr=log
            )
        workers: list[str | Path] = [self.builder.buildctl, f"--addr={self.builder.address}"]
        workers += ["debug", "workers"]
        while (await process.attempt(workers)).code:
            assert self.daemon.returncode is None, (self.directory / "log").read_text()
            await asyncio.sleep(0.1)

    async def end(self, number: int = signal.SIGTERM) -> None:
        if self.daemon and self.daemon.returncode is None:
            self.daemon.send_signal(number)
            await self.daemon.wait()

    async def resize(self, disk_mib: int) -> None:
        await process.run(["mount", "-o", f"remount,size={disk_mib}m", str(self.directory / "data")])

    def limit_memory(self, mib: int) -> None:
        """Of all steps together; 0 for no limit."""
        group = next(root for root in _CGROUPS if (root / "cgroup.procs").exists()) / self.group
        group.mkdir(exist_ok=True)
        file = next(f for f in (group / "memory.limit_in_bytes", group / "memory.max") if f.exists())
        file.write_text(str(mib << 20) if mib else "-1" if "limit" in file.name else "max")

    def forget_group(self) -> None:
        for root in _CGROUPS:
            for group in sorted((root / self.group).glob("**/"), reverse=True):
                group.rmdir()


@asynccontextmanager
async def own_buildkit(directory: Path, disk_mib: int = 2048) -> AsyncIterator[OwnBuildkit]:
    """Its disk is memory, of the size given, and gone at the end."""
    (directory / "data").mkdir(parents=True)
    await process.run(["mount", "-t", "tmpfs", "-o", f"size={disk_mib}m", "tmpfs", str(directory / "data")])
    buildctl = await require_tool("buildctl", show)
    group = f"hubops-{directory.name}"
    own = OwnBuildkit(directory, group, Buildctl(buildctl, f"unix://{directory / 'socket'}"))
    try:
        await own.start()
        yield own
    finally:
        await own.end()
        await process.run(["umount", "-l", str(directory / "data")])
        own.forget_group()
