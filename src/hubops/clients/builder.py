"""BuildKit through buildctl: an image from a context, pushed to its registry if asked."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubops.clients import process
from hubops.clients.build_context import SOURCE_DATE_EPOCH, copy_context
from hubops.clients.build_log import BuildLog
from hubops.clients.registry import base_url
from hubops.errors import BuildError, ProgramError


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

        The operator's Docker configuration is used from a directory of this run.

        Raises:
            BuildError: the Dockerfile fails, with its line and the last lines of the step.
            MachineError: the disk is full, or BuildKit went away.
            RegistryError: the push is refused.
            OutOfReachError: a registry cannot be reached.
        """
        async with _workplace(request) as place:
            metadata = place.directory / "metadata.json"
            outputs = [f"--output={_output(request)}", f"--metadata-file={metadata}"]
            await self._run(place, outputs, BuildLog(on_line))
            return str(json.loads(metadata.read_text())["containerimage.digest"])

    async def run_after(
        self, request: BuildRequest, instructions: str, result: str, on_line: Callable[[str], None]
    ) -> bytes:
        """Carry out `instructions` as if they ended the request's Dockerfile; returns the file `result`.

        What the image itself needs comes from BuildKit's cache where it was built before; nothing becomes
        an image, and nothing is pushed. `result` is an absolute path in the image.

        Raises:
            ProgramError: the instructions fail; `why` ends with the last lines of the step.
            as `build` where the Dockerfile itself fails.
        """
        async with _workplace(request) as made:
            # The context keeps its own Dockerfile, for an image may copy it.
            place = replace(made, dockerfile=made.directory / "dockerfile")
            place.dockerfile.mkdir()
            own = (place.context / "Dockerfile").read_text()
            text = f"{own}\n{instructions}\n"
            last = await self._count_stages(place, text) - 1
            (place.dockerfile / "Dockerfile").write_text(
                f"{text}FROM scratch\nCOPY --from={last} {result} /result\n"
            )
            out, log = place.directory / "out", BuildLog(on_line)
            try:
                await self._run(place, [f"--output=type=local,dest={out}"], log)
            except BuildError as error:
                if log.line <= len(own.splitlines()):
                    raise
                what = f"what was to be run in the image {request.context.name} failed"
                raise ProgramError(what, why=error.why) from error
            return (out / "result").read_bytes()

    async def _count_stages(self, place: "_Workplace", dockerfile: str) -> int:
        """As BuildKit itself reads the Dockerfile: asked so, it lists the stages under one line of headings."""
        (place.dockerfile / "Dockerfile").write_text(dockerfile)
        table = await self._run(place, ["--opt=requestid=frontend.targets"], BuildLog())
        return len(table.splitlines()) - 1

    async def _run(self, place: "_Workplace", options: Sequence[str], log: BuildLog) -> str:
        """Run buildctl; its standard output."""
        command = [*self._command(place), *options]
        env = {**os.environ, "DOCKER_CONFIG": str(place.docker_config)}
        done = await process.attempt(command, env=env, on_line=log.add)
        if done.code != 0:
            name = place.request.context.name
            raise log.failure(name, f"{place.request.context.parent.name}/{name}/Dockerfile")
        return done.stdout

    def _command(self, place: "_Workplace") -> list[str]:
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


@dataclass(frozen=True)
class _Workplace:
    """One build's own `directory`: the context as BuildKit gets it, and the operator's Docker configuration.

    `dockerfile` is the directory of the Dockerfile, the context unless it is changed.
    """

    request: BuildRequest
    directory: Path
    context: Path
    dockerfile: Path
    docker_config: Path


@asynccontextmanager
async def _workplace(request: BuildRequest) -> AsyncIterator[_Workplace]:
    with tempfile.TemporaryDirectory(prefix="hubops-build-") as name:
        directory = Path(name)
        context = directory / "context"
        await asyncio.to_thread(copy_context, request.context, context)
        yield _Workplace(request, directory, context, context, _link_docker_config(directory / "docker"))


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


def _link_docker_config(target: Path) -> Path:
    """A link, not a copy: a run that is killed leaves no login behind."""
    source = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    target.mkdir()
    if source.is_file():
        (target / "config.json").symlink_to(source.absolute())
    return target
