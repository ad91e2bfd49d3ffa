"""BuildKit, whichever program speaks with it: an image from a context, pushed to its registry if asked."""

import asyncio
import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubops.clients import process
from hubops.clients.build_context import copy_context
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
class Workplace:
    """One build's own `directory`: the context as BuildKit gets it, and the operator's Docker configuration.

    `dockerfile` is the directory of the Dockerfile, the context unless it is changed.
    """

    request: BuildRequest
    directory: Path
    context: Path
    dockerfile: Path
    docker_config: Path


class Builder(ABC):
    """A program that hands builds to a BuildKit."""

    # Instead of building, list the stages of the Dockerfile, one a line, under a line of headings.
    list_stages: str

    @abstractmethod
    def command(self, place: Workplace) -> list[str]:
        """The program with all that decides what is built; `--output` and `--metadata-file` are added."""

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

    async def save(self, request: BuildRequest, archive: Path, on_line: Callable[[str], None]) -> None:
        """Build and write what `docker load` reads; nothing is pushed.

        Raises:
            as `build`.
        """
        async with _workplace(request) as place:
            output = f"--output=type=docker,name={request.reference},dest={archive}"
            await self._run(place, [output], BuildLog(on_line))

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

    async def _count_stages(self, place: Workplace, dockerfile: str) -> int:
        """As BuildKit itself reads the Dockerfile."""
        (place.dockerfile / "Dockerfile").write_text(dockerfile)
        table = await self._run(place, [self.list_stages], BuildLog())
        return len(table.splitlines()) - 1

    async def _run(self, place: Workplace, options: Sequence[str], log: BuildLog) -> str:
        """Run the program; its standard output."""
        command = [*self.command(place), *options]
        config = {
            "DOCKER_CONFIG": str(place.docker_config),
            "BUILDX_CONFIG": str(place.docker_config / "buildx"),
        }
        env = {**os.environ, **config}
        done = await process.attempt(command, env=env, on_line=log.add)
        if done.code != 0:
            name = place.request.context.name
            raise log.failure(name, f"{place.request.context.parent.name}/{name}/Dockerfile")
        return done.stdout


@asynccontextmanager
async def _workplace(request: BuildRequest) -> AsyncIterator[Workplace]:
    with tempfile.TemporaryDirectory(prefix="hubops-build-") as name:
        directory = Path(name)
        context = directory / "context"
        await asyncio.to_thread(copy_context, request.context, context)
        yield Workplace(request, directory, context, context, _link_docker_config(directory / "docker"))


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
    """Links, not copies: a run that is killed leaves no login behind."""
    source = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    target.mkdir()
    for name in ("config.json", "contexts", "cli-plugins"):
        if (source / name).exists():
            (target / name).symlink_to((source / name).absolute())
    # Its programs write here: which builder was used when.
    buildx = Path(os.environ.get("BUILDX_CONFIG") or source / "buildx")
    for path in (buildx / "current", *buildx.glob("instances/*"), *buildx.glob("defaults/*")):
        if path.is_file():
            copy = target / "buildx" / path.relative_to(buildx)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return target
