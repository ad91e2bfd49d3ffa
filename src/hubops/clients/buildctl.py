"""BuildKit through its own client, buildctl."""

import json
from dataclasses import dataclass
from pathlib import Path

from hubops.clients.build_context import SOURCE_DATE_EPOCH
from hubops.clients.builder import Builder, Workplace


@dataclass(frozen=True)
class Buildctl(Builder):
    """A BuildKit daemon at `address`, reached by the program `buildctl`."""

    buildctl: Path
    address: str
    list_stages = "--opt=requestid=frontend.targets"

    def command(self, place: Workplace) -> list[str]:
        """As `Builder.command`."""
        request = place.request
        command = [
            *(str(self.buildctl), f"--addr={self.address}", "build"),
            *("--progress=plain", "--frontend=dockerfile.v0"),
            *(f"--local=context={place.context}", f"--local=dockerfile={place.dockerfile}"),
            *("--opt=force-network-mode=host", "--allow=network.host"),
            f"--opt=build-arg:SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}",
        ]
        command += [f"--opt=build-arg:{name}={value}" for name, value in request.arguments.items()]
        command += [f"--secret=id={name},src={path}" for name, path in request.secrets.items()]
        for number, (name, path) in enumerate(request.contexts.items()):
            command += _named_context(f"context{number}", name, path)
        return command


def _named_context(key: str, name: str, path: Path) -> list[str]:
    index = path / "index.json"
    if index.is_file():
        digest = json.loads(index.read_text())["manifests"][0]["digest"]
        return [f"--oci-layout={key}={path}", f"--opt=context:{name}=oci-layout://{key}@{digest}"]
    return [f"--local={key}={path}", f"--opt=context:{name}=local:{key}"]
