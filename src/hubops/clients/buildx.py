"""BuildKit through `docker buildx`: with Docker's engine or whatever builder the operator uses, without root."""

import json
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from hubops.clients import process
from hubops.clients.build_context import SOURCE_DATE_EPOCH
from hubops.clients.builder import Builder, Workplace, cache_from, cache_to, is_layout, secret_options
from hubops.errors import MachineError


@dataclass(frozen=True)
class Buildx(Builder):
    """The builder that `docker buildx` uses by itself; gives the same images as `Buildctl`."""

    docker: str = "docker"
    writes_cache: bool = False
    root: Path | None = None
    list_stages = "--call=targets"

    async def is_there(self) -> bool:
        """Whether Docker has the plug-in."""
        try:
            return (await process.attempt([self.docker, "buildx", "version"])).code == 0
        except MachineError:
            return False

    async def looked_at(self) -> "Buildx":
        """With what its builder can do, and where it writes: Docker's own engine writes no cache to a registry."""
        shown = await process.attempt([self.docker, "buildx", "inspect"])
        drivers = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("Driver:")]
        root = await self._engine_root() if {*drivers} <= {"docker", "docker-container"} else None
        return replace(self, writes_cache=bool(drivers) and drivers != ["docker"], root=root)

    async def _engine_root(self) -> Path | None:
        """Of an engine that has this machine's name; one in a virtual machine, or behind a network, has another."""
        told = await process.attempt([self.docker, "info", "--format={{.Name}} {{.DockerRootDir}}"])
        name, _, root = told.stdout.strip().partition(" ")
        return Path(root) if told.code == 0 and root and name == socket.gethostname() else None

    def collect(self) -> list[str]:
        """As `Builder.collect`."""
        return [self.docker, "buildx", "prune", "--force", "--filter=id=none"]

    def command(self, place: Workplace) -> list[str]:
        """As `Builder.command`."""
        request = place.request
        command = [
            *(self.docker, "buildx", "build", "--progress=plain"),
            *("--network=host", "--allow=network.host"),
            # A description of the build would make another digest of the same image.
            *("--provenance=false", "--sbom=false"),
            f"--build-arg=SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}",
        ]
        command += [f"--build-arg={name}={value}" for name, value in request.arguments.items()]
        command += secret_options(request)
        command += [f"--build-context={name}={_source(path)}" for name, path in place.contexts.items()]
        command += [
            f"--build-context={name}=docker-image://{image}" for name, image in request.images.items()
        ]
        command += [f"--target={request.target}"] if request.target else []
        command += [f"--platform={','.join(request.platforms)}"] if request.platforms else []
        command += [f"--cache-from={cache_from(reference)}" for reference in request.caches]
        command += [f"--cache-to={cache_to(request.cache)}"] if request.cache and self.writes_cache else []
        return [*command, f"--file={place.dockerfile / 'Dockerfile'}", str(place.context)]


def _source(path: Path) -> str:
    if not is_layout(path):
        return str(path)
    return f"oci-layout://{path}@{json.loads((path / 'index.json').read_text())['manifests'][0]['digest']}"
