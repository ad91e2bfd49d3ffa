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
_HOW_TO_GET = (
    "Install and start Docker (https://docs.docker.com/engine/install/), or run this as root on Debian."
)
_HOW_TO_GET_IN = (
    "Add yourself to the group docker and log in again: sudo usermod -aG docker $USER."
    " If hubops was run with sudo before, use sudo here too."
)


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
        return not await self.fault()

    async def fault(self) -> str:
        """Why it does not answer, in docker's own words; "" when it does."""
        words = [self.program, "version", "--format", "{{.Server.Version}}"]
        done = await process.attempt(words, env=self.env)
        return "" if done.code == 0 else done.tail or f"docker version: exit code {done.code}"

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
    return own + ([] if host.missing_capabilities() else _default())


def _default() -> list[Docker]:
    return [Docker()] if shutil.which("docker") else []


async def why_none() -> MachineError:
    """Why no engine can be used, where `find_docker` found none: not there, not running, or not for us."""
    faults = [await each.fault() for each in dict.fromkeys([*candidates(), *_default()])]
    if denied := next((fault for fault in faults if "permission denied" in fault.lower()), ""):
        return MachineError("Docker does not let us in", why=denied, hint=_HOW_TO_GET_IN)
    if faults and not faults[-1]:
        denied = ", ".join(sorted(runc_caps.names(host.missing_capabilities())))
        return MachineError(
            "the Docker that runs here cannot run a cluster",
            why=f"this machine denies its containers {denied}",
            hint="As root on Debian an engine of hubops' own does without: use sudo.",
        )
    what = "Docker is not running" if faults else "Docker is not installed"
    return MachineError(what, why="\n".join(faults), hint=_HOW_TO_GET)


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
        raise await why_none()
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
