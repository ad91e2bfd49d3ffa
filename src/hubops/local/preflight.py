"""What ./start is about to do, before it does anything: steps, minutes, disk. Standard library only."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubops.clients import process
from hubops.errors import HubopsError, MachineError
from hubops.local import docker, host, paths
from hubops.local.instance import local_instance
from hubops.local.made import Made

_GB = 1 << 30
_DISK_SLACK = 2 * _GB


@dataclass(frozen=True)
class Item:
    """A step with what it costs on two cores where no image registry answers."""

    title: str
    minutes: float
    disk_gb: float
    done: bool


def items(environment: Path) -> list[Item]:
    """The steps of ./start; a step counts as done when what it would make today is in its place.

    `environment` is what is there when the Python environment is complete.

    Raises:
        HubopsError: the local cluster is called by no name that one can have.
    """
    made = Made(local_instance(), paths.project_dir())
    return [
        Item("Python environment from the lock", 0.3, 0.1, environment.exists()),
        Item("Docker", 0.5, 0.5, asyncio.run(docker.find_docker()) is not None),
        Item("tools and Kubernetes, built from Go modules", 11, 6.5, made.tools),
        Item("base image, from Debian's packages", 0.8, 0.2, made.base),
        Item("local cluster and registry", 1.5, 3.0, made.cluster),
        Item("images of the hub and its users", 4, 6.0, made.images),
        Item("staginghub and earthhub, deployed and verified", 1.5, 1.0, made.hubs),
    ]


def show_or_exit(environment: Path, arguments: Sequence[str] = ()) -> None:
    """Print the list, or end with the one message that says what is missing. Touches nothing."""
    if {"-h", "--help"} & set(arguments):
        return
    try:
        steps = items(environment)
        check_machine(steps)
    except HubopsError as error:
        sys.exit(f"error: {error}")
    for line in format_items(steps):
        print(line, file=sys.stderr)  # noqa: T201 - before there is an environment with anything else


def check_machine(steps: Sequence[Item]) -> None:
    """Refuse what cannot work before anything is done.

    Raises:
        MachineError: no Docker and no way to install it, nothing to build images with, or too little disk.
    """
    has_docker = any(step.title == "Docker" and step.done for step in steps)
    if not has_docker and not (host.is_root() and host.is_debian()):
        error = asyncio.run(docker.why_none())
        error.what += ", and only as root on Debian hubops starts one; nothing was done"
        raise error
    if not (host.is_root() or _has_buildx()):
        raise MachineError(
            "without root, images are built by docker buildx, which is not there; nothing was done",
            hint="Install the plug-in buildx of Docker (the package docker-buildx-plugin), or run: sudo ./start",
        )
    needed = sum(step.disk_gb for step in steps if not step.done) * _GB + _DISK_SLACK
    free = shutil.disk_usage(_existing(paths.cache_dir())).free
    if free < needed:
        raise MachineError(
            f"{needed / _GB:.0f} GB of disk are needed, {free / _GB:.0f} GB are free; nothing was done",
            where=str(paths.cache_dir()),
            hint="Free some, or point XDG_CACHE_HOME to a larger disk.",
        )


def format_items(steps: Sequence[Item]) -> list[str]:
    """The list as a person reads it, with the sum of what is left."""
    left = [step for step in steps if not step.done]
    if not left:
        return ["Everything is made; making sure that it runs."]
    rows = [
        f"  {'done' if s.done else f'{s.minutes:4.1f} min  {s.disk_gb:4.1f} GB':20} {s.title}" for s in steps
    ]
    total = f"  about {sum(s.minutes for s in left):.0f} minutes on two cores and {sum(s.disk_gb for s in left):.0f} GB"
    return ["What ./start does:", *rows, total + "; interrupted anywhere, it goes on when run again."]


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def _has_buildx() -> bool:
    if not shutil.which("docker"):
        return False
    words = ["docker", "buildx", "version"]
    return subprocess.run(words, env=process.environment(), capture_output=True, check=False).returncode == 0
