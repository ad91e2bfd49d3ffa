"""BuildKit through `docker buildx`: with Docker's engine or whatever builder the operator uses, without root."""

import json
from dataclasses import dataclass
from pathlib import Path

from hubops.clients import process
from hubops.clients.build_context import SOURCE_DATE_EPOCH
from hubops.clients.builder import Builder, Workplace
from hubops.errors import MachineError


@dataclass(frozen=True)
class Buildx(Builder):
    """The builder that `docker buildx` uses by itself; gives the same images as `Buildctl`."""

    docker: str = "docker"
    list_stages = "--call=targets"

    async def is_there(self) -> bool:
        """Whether Docker has the plug-in."""
        try:
            return (await process.attempt([self.docker, "buildx", "version"])).code == 0
        except MachineError:
            return False

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
        command += [f"--secret=id={name},src={path}" for name, path in request.secrets.items()]
        command += [f"--build-context={name}={_source(path)}" for name, path in request.contexts.items()]
        return [*command, f"--file={place.dockerfile / 'Dockerfile'}", str(place.context)]


def _source(path: Path) -> str:
    index = path / "index.json"
    if not index.is_file():
        return str(path)
    return f"oci-layout://{path}@{json.loads(index.read_text())['manifests'][0]['digest']}"
