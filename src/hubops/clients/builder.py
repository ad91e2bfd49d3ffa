"""BuildKit through buildctl: an image from a context, pushed to its registry if asked."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubops.clients import process
from hubops.clients.registry import base_url
from hubops.errors import BuildError

# Content decides an image, so its files bear one time: the same for every build, in seconds since 1970.
SOURCE_DATE_EPOCH = 1_700_000_000
_FAILED_LINE = re.compile(r"^Dockerfile:(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class BuildRequest:
    """What to build, and as what. `contexts` are named ones: a directory, or an OCI layout for an image name."""

    context: Path
    reference: str
    push: bool
    secrets: Mapping[str, Path] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Builder:
    """A BuildKit daemon at `address`, reached by the program `buildctl`."""

    buildctl: Path
    address: str

    async def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> str:
        """Build, push if asked, and return the digest.

        The operator's Docker configuration is used through a copy.

        Raises:
            BuildError: the Dockerfile fails, with its line and the last lines of output; or the push is refused.
        """
        with tempfile.TemporaryDirectory(prefix="hubops-build-") as directory:
            metadata = Path(directory) / "metadata.json"
            env = {**os.environ, "DOCKER_CONFIG": str(_copy_docker_config(Path(directory) / "docker"))}
            done = await process.attempt(
                [*self._command(request), f"--metadata-file={metadata}"], env=env, on_line=on_line
            )
            if done.code != 0:
                raise _failure(request, done.tail)
            return str(json.loads(metadata.read_text())["containerimage.digest"])

    def _command(self, request: BuildRequest) -> list[str]:
        command = [
            *(
                str(self.buildctl),
                f"--addr={self.address}",
                "build",
                "--progress=plain",
                "--frontend=dockerfile.v0",
            ),
            *(f"--local=context={request.context}", f"--local=dockerfile={request.context}"),
            *("--opt=force-network-mode=host", "--allow=network.host"),
            f"--opt=build-arg:SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}",
            f"--output={_output(request)}",
        ]
        command += [f"--opt=build-arg:{key}={value}" for key, value in request.arguments.items()]
        command += [f"--secret=id={key},src={path}" for key, path in request.secrets.items()]
        for number, (name, path) in enumerate(request.contexts.items()):
            command += _named_context(f"context{number}", name, path)
        return command


def _named_context(key: str, name: str, path: Path) -> list[str]:
    index = path / "index.json"
    if index.is_file():
        digest = json.loads(index.read_text())["manifests"][0]["digest"]
        return [f"--oci-layout={key}={path}", f"--opt=context:{name}=oci-layout://{key}@{digest}"]
    return [f"--local={key}={path}", f"--opt=context:{name}=local:{key}"]


def _output(request: BuildRequest) -> str:
    insecure = base_url(request.reference.partition("/")[0]).startswith("http://")
    options = {
        "type": "image",
        "name": request.reference,
        "push": str(request.push).lower(),
        "registry.insecure": str(insecure).lower(),
        "oci-mediatypes": "true",
        # zstd is several times faster than gzip on both ends; every containerd since 1.5 reads it.
        "compression": "zstd",
        "compression-level": "3",
        "force-compression": "true",
        "rewrite-timestamp": "true",
    }
    return ",".join(f"{key}={value}" for key, value in options.items())


def _copy_docker_config(target: Path) -> Path:
    source = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    target.mkdir()
    if source.is_file():
        shutil.copyfile(source, target / "config.json")
        (target / "config.json").chmod(0o600)
    return target


def _failure(request: BuildRequest, tail: str) -> BuildError:
    line = _FAILED_LINE.search(tail)
    file = f"{request.context.parent.name}/{request.context.name}/Dockerfile"
    return BuildError(
        f"the image {request.context.name} was not built",
        where=f"{file}:{line.group(1)}" if line else file,
        why=tail,
        hint="Correct the Dockerfile, or try again if a server was out of reach.",
    )
