"""Docker as it is found on the machine, or our own beside it; and the few things asked of it."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from hubops.clients import process
from hubops.errors import MachineError, OutOfReachError
from hubops.events import Emit, Line
from hubops.local import daemon, host, paths, runc_caps
from hubops.local.packages import require_package

_OWN_SOCKET = paths.RUN_DIR / "docker.sock"
_HOW_TO_GET = "Install and start Docker (https://docs.docker.com/engine/install/), or run as root on Debian."


@dataclass(frozen=True)
class Docker:
    """The docker command against one engine; `address` is empty for the operator's own default."""

    program: str = "docker"
    address: str = ""

    @property
    def env(self) -> dict[str, str]:
        """The environment for docker, and for programs such as kind that call it."""
        return {**process.environment(), **({"DOCKER_HOST": self.address} if self.address else {})}

    async def __call__(self, *arguments: str | Path) -> str:
        """Run a docker command; returns its standard output, stripped.

        Raises:
            ProgramError: docker refused.
        """
        return (await process.run([self.program, *arguments], env=self.env)).strip()

    async def answers(self) -> bool:
        done = await process.attempt(
            [self.program, "version", "--format", "{{.Server.Version}}"], env=self.env
        )
        return done.code == 0

    async def state(self, container: str) -> str:
        """Docker's word for a container's state ("running", "exited", …), or "" when there is none.

        Raises:
            OutOfReachError: Docker cannot tell.
        """
        listed = await process.attempt(
            [self.program, "ps", "-a", "--format", "{{json .}}", "--filter", f"name=^/{container}$"],
            env=self.env,
        )
        if listed.code != 0:
            raise OutOfReachError(
                "Docker does not answer", why=listed.tail, hint="Start it with: hubops local up"
            )
        return json.loads(listed.stdout)["State"] if listed.stdout.strip() else ""


async def find_docker() -> Docker | None:
    """The engine that runs the local clusters, if one answers: ours when it was started, else the operator's."""
    for candidate in candidates():
        if await candidate.answers():
            return candidate
    return None


def candidates() -> list[Docker]:
    own = [Docker(_program(), f"unix://{_OWN_SOCKET}")] if _OWN_SOCKET.exists() else []
    default = [] if host.missing_capabilities() or not shutil.which("docker") else [Docker()]
    return own + default


def _program() -> str:
    """Debian's client where Debian's engine was installed: a newer one may not speak with it."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


async def require_docker(emit: Emit) -> Docker:
    """An engine that can run kind: the one that runs, or on Debian as root one that is installed and started.

    An engine that runs is never reconfigured. Where the machine lacks a capability, and where no
    service manager starts Docker, ours runs with its own socket and data.

    Raises:
        MachineError: there is none and it cannot be installed here.
    """
    if found := await find_docker():
        return found
    if not (host.is_root() and host.is_debian()):
        raise MachineError("Docker is not running", hint=_HOW_TO_GET)
    await require_package("dockerd", "docker.io iptables", emit)
    if host.has_systemd() and not host.missing_capabilities():
        await process.run(["systemctl", "start", "docker"], on_line=lambda line: emit(Line(line)))
        return Docker()
    return await _start_own()


async def _start_own() -> Docker:
    docker = Docker(_program(), f"unix://{_OWN_SOCKET}")
    argv: list[str | Path] = [
        "dockerd",
        f"--host={docker.address}",
        f"--data-root={paths.DATA_DIR / 'docker'}",
        f"--exec-root={paths.RUN_DIR / 'docker'}",
        f"--pidfile={paths.RUN_DIR / 'docker.pid'}",
        # Every network we use is our own; docker0 may belong to another engine.
        "--bridge=none",
    ]
    if host.missing_capabilities():
        argv += [f"--add-runtime=caps={_install_runtime()}", "--default-runtime=caps"]
    await daemon.ensure_running("dockerd", argv, docker.answers, paths.RUN_DIR)
    return docker


def _install_runtime() -> Path:
    """Write the runtime as a program: Docker keeps its path, and a clone may move."""
    program = paths.DATA_DIR / "bin" / "runc-caps"
    program.parent.mkdir(parents=True, exist_ok=True)
    part = program.with_suffix(".part")
    part.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n" + Path(runc_caps.__file__).read_text())
    part.chmod(0o755)
    part.replace(program)
    return program
