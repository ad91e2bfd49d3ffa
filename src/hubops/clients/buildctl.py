"""BuildKit through its own client, buildctl."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubops.clients import process
from hubops.clients.build_context import SOURCE_DATE_EPOCH
from hubops.clients.builder import (
    Builder,
    BuildRequest,
    Workplace,
    cache_from,
    cache_to,
    is_layout,
    secret_options,
)
from hubops.clients.image_documents import Documents, read_documents
from hubops.errors import ProgramError


@dataclass(frozen=True)
class Buildctl(Builder):
    """A BuildKit daemon at `address`, reached by the program `buildctl`."""

    buildctl: Path
    address: str
    root: Path | None = None
    list_stages = "--opt=requestid=frontend.targets"

    def collect(self) -> list[str]:
        """As `Builder.collect`."""
        return [str(self.buildctl), f"--addr={self.address}", "prune", "--filter=id==none"]

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
        command += secret_options(request)
        for number, (name, path) in enumerate(place.contexts.items()):
            command += _named_context(f"context{number}", name, path)
        command += [f"--opt=context:{name}=docker-image://{image}" for name, image in request.images.items()]
        command += [f"--opt=target={request.target}"] if request.target else []
        command += [f"--opt=platform={','.join(request.platforms)}"] if request.platforms else []
        command += [f"--import-cache={cache_from(reference)}" for reference in request.caches]
        command += [f"--export-cache={cache_to(request.cache)}"] if request.cache else []
        return command

    async def describe(self, request: BuildRequest, digest: str, on_line: Callable[[str], None]) -> Documents:
        """As `Builder.describe`; BuildKit keeps the documents of what it built last, and gives them at once."""

        async def fetch(one: str) -> bytes:
            command = [str(self.buildctl), f"--addr={self.address}", "debug", "get", one]
            return (await process.run(command)).encode()

        try:
            return await read_documents(digest, fetch, fetch)
        except ProgramError:
            return await super().describe(request, digest, on_line)


def _named_context(key: str, name: str, path: Path) -> list[str]:
    if is_layout(path):
        digest = json.loads((path / "index.json").read_text())["manifests"][0]["digest"]
        return [f"--oci-layout={key}={path}", f"--opt=context:{name}=oci-layout://{key}@{digest}"]
    return [f"--local={key}={path}", f"--opt=context:{name}=local:{key}"]
