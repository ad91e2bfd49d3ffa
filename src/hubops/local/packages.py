"""Debian packages that the local cluster needs on the machine itself."""

import os
import shutil

from hubops.clients import process
from hubops.errors import MachineError
from hubops.events import Emit, Line
from hubops.local import host


async def require_package(program: str, package: str, emit: Emit) -> None:
    """Install `package` unless `program` is there.

    Raises:
        MachineError: it is missing and only Debian's root could install it.
        ProgramError: apt-get failed.
    """
    if shutil.which(program):
        return
    if not (host.is_root() and host.is_debian()):
        raise MachineError(
            f"{program} is missing", hint=f"Install the package {package}, or run as root on Debian."
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def show(line: str) -> None:
        emit(Line(line))

    # A run killed inside dpkg leaves it half-configured; this is a no-op otherwise.
    await process.run(["dpkg", "--configure", "-a"], env=env, on_line=show)
    await process.run(["apt-get", "update", "-q"], env=env, on_line=show)
    await process.run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *package.split()], env=env, on_line=show
    )
