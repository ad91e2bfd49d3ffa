"""BuildKit, whichever program speaks with it: an image from a context, pushed to its registry if asked."""

import asyncio
import errno
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
from hubops.clients.image_documents import Documents, read_packed
from hubops.clients.registry import base_url
from hubops.errors import BuildError, MachineError, ProgramError
from hubops.secret import Redactor, Secret

# What of a context BuildKit looks for beside the Dockerfile.
_BESIDE = ("Dockerfile.dockerignore",)
# Of every image, so that it has one digest wherever it goes.
_FORM = {
    "oci-mediatypes": "true",
    # zstd is several times faster than gzip on both ends; every containerd since 1.5 reads it.
    "compression": "zstd",
    "compression-level": "3",
    "force-compression": "true",
    "rewrite-timestamp": "true",
}


@dataclass(frozen=True)
class BuildRequest:
    """What to build, and as what.

    `secrets` are files that RUN may mount, by their ids, `secret_texts` texts; these are masked in what is printed.
    `contexts` are named ones: a directory, or an OCI layout for an image's name; those in `as_is` are sent with the
    modes and empty directories that a clone does not have. `images` are references by digest for other images' names.
    Without a `target` the last stage is the image, without `platforms` it is for that of the builder. Steps that one
    of `caches` has are not done again; those of this build go to `cache`, where the builder can do that, and a cache
    that cannot be had or written fails no build.
    """

    context: Path
    reference: str
    push: bool
    secrets: Mapping[str, Path] = field(default_factory=dict)
    secret_texts: Mapping[str, Secret] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    as_is: frozenset[str] = frozenset()
    images: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platforms: Sequence[str] = ()
    caches: Sequence[str] = ()
    cache: str = ""


@dataclass(frozen=True)
class Workplace:
    """One build's own `directory`: the contexts as BuildKit gets them, and the operator's Docker configuration.

    `dockerfile` is the directory of the Dockerfile, the context unless it is changed; `contexts` are named ones.
    """

    request: BuildRequest
    directory: Path
    context: Path
    contexts: Mapping[str, Path]
    dockerfile: Path
    docker_config: Path


class Builder(ABC):
    """A program that hands builds to a BuildKit, which writes below `root`; None where that is not this machine."""

    root: Path | None
    # Instead of building, list the stages of the Dockerfile, one a line, under a line of headings.
    list_stages: str

    @abstractmethod
    def collect(self) -> list[str]:
        """The program, told to remove what nobody needs and to keep all that could save a step."""

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
            return await self._build(place, _pushed(request), on_line)

    async def lay_out(self, request: BuildRequest, layout: Path, on_line: Callable[[str], None]) -> str:
        """Build and write the image as an OCI layout, with the digest that a push would give; nothing is pushed.

        Raises:
            as `build`.
        """
        async with _workplace(request) as place:
            options = {"type": "oci", "tar": "false", "dest": str(layout)}
            return await self._build(place, options, on_line)

    async def describe(self, request: BuildRequest, digest: str, on_line: Callable[[str], None]) -> Documents:
        """Manifest and configuration of an image that `build` gave the digest of; nothing is pushed.

        Raises:
            ValueError: BuildKit does not give them.
            as `build`.
        """
        del digest  # it is built again, for a client that cannot ask for what BuildKit keeps
        async with _workplace(request) as place:
            archive = place.directory / "image.tar"
            await self._run(place, [f"--output=type=oci,dest={archive},{_joined(_FORM)}"], BuildLog(on_line))
            return await read_packed(archive)

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
        """Carry out `instructions` as if they ended the request's image; returns the file `result`.

        It is done for the builder's own platform. What the image itself needs comes from BuildKit's cache where
        it was built before; nothing becomes an image, and nothing is pushed. `result` is an absolute path in the image.

        Raises:
            ProgramError: the instructions fail; `why` ends with the last lines of the step.
            as `build` where the Dockerfile itself fails.
        """
        async with _workplace(request) as made:
            # The context keeps its own Dockerfile, for an image may copy it.
            here = replace(request, platforms=(), target="", cache="")
            place = replace(made, request=here, dockerfile=made.directory / "dockerfile")
            place.dockerfile.mkdir()
            for name in (ignored for ignored in _BESIDE if (place.context / ignored).is_file()):
                shutil.copyfile(place.context / name, place.dockerfile / name)
            own = (place.context / "Dockerfile").read_text()
            begin = f"FROM {request.target}\n" if request.target else ""
            text = f"{own}\n{begin}{instructions}\n"
            last = await self._count_stages(place, text) - 1
            (place.dockerfile / "Dockerfile").write_text(
                f"{text}FROM scratch\nCOPY --from={last} {result} /result\n"
            )
            out, log = place.directory / "out", BuildLog(on_line)
            try:
                await self._run(place, [f"--output=type=local,dest={out}"], log)
            except BuildError as error:
                # A step that a killed run began, and that BuildKit goes on with, fails without a line.
                named = any(line and line in error.why for line in instructions.splitlines())
                if log.line <= len(own.splitlines()) and not named:
                    raise
                what = f"what was to be run in the image {request.context.name} failed"
                raise ProgramError(what, why=error.why) from error
            return (out / "result").read_bytes()

    async def _build(
        self, place: Workplace, output: Mapping[str, str], on_line: Callable[[str], None]
    ) -> str:
        metadata = place.directory / "metadata.json"
        options = [f"--output={_joined({**output, **_FORM})}", f"--metadata-file={metadata}"]
        await self._run(place, options, BuildLog(on_line))
        return str(json.loads(metadata.read_text())["containerimage.digest"])

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
        texts = place.request.secret_texts
        keys = {_variables(place.request)[name]: text.reveal() for name, text in texts.items()}
        mask = Redactor(texts.values()).mask

        def add(line: str) -> None:
            log.add(mask(line))

        done = await process.attempt(command, env=env, keys=keys, on_line=add)
        if done.code != 0 and log.is_cut:
            # BuildKit does not go on with an image from us that it has half of; then it has none of it.
            await process.attempt(self.collect(), env=env)
            log.begin_again()
            done = await process.attempt(command, env=env, keys=keys, on_line=add)
        if done.code != 0:
            name = place.request.context.name
            raise log.failure(name, f"{place.request.context.parent.name}/{name}/Dockerfile")
        return done.stdout


@asynccontextmanager
async def _workplace(request: BuildRequest) -> AsyncIterator[Workplace]:
    with tempfile.TemporaryDirectory(prefix="hubops-build-") as name:
        directory = Path(name)
        context = directory / "context"
        await asyncio.to_thread(_copy, request.context, context)
        contexts = {}
        for number, (called, source) in enumerate(request.contexts.items()):
            contexts[called] = source
            if not (is_layout(source) or called in request.as_is):
                contexts[called] = directory / f"context{number}"
                await asyncio.to_thread(_copy, source, contexts[called])
        yield Workplace(
            request, directory, context, contexts, context, _link_docker_config(directory / "docker")
        )


def _copy(source: Path, target: Path) -> None:
    try:
        copy_context(source, target)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise MachineError(
            f"the image {source.name} was not built: the disk is full",
            where=tempfile.gettempdir(),
            why=f"the files of {source} are copied there for BuildKit: {error}",
            hint="Make room there, or name another directory by TMPDIR.",
        ) from error


def is_layout(directory: Path) -> bool:
    """Whether it is an image in the form of an OCI layout."""
    return (directory / "oci-layout").is_file()


def secret_options(request: BuildRequest) -> list[str]:
    """Options for what RUN may mount. Texts come by a variable of this program alone: a killed run leaves none."""
    files = [f"--secret=id={name},src={path}" for name, path in request.secrets.items()]
    return files + [f"--secret=id={name},env={variable}" for name, variable in _variables(request).items()]


def _variables(request: BuildRequest) -> dict[str, str]:
    """By numbers: a shell passes no variable on that has a name with a hyphen."""
    return {name: f"HUBOPS_BUILD_SECRET_{number}" for number, name in enumerate(request.secret_texts)}


def cache_from(reference: str) -> str:
    """Options for a cache in a registry that is read."""
    return _joined({"type": "registry", "ref": reference})


def cache_to(reference: str) -> str:
    """Options for a cache in a registry that is written.

    It has the steps of the image's own stage: all stages cost half as much again to write, and gave nothing.
    """
    options = {"mode": "min", "image-manifest": "true", "oci-mediatypes": "true", "compression": "zstd"}
    return _joined({"type": "registry", "ref": reference, **options, "ignore-error": "true"})


def _pushed(request: BuildRequest) -> dict[str, str]:
    insecure = base_url(request.reference.partition("/")[0]).startswith("http://")
    return {
        "type": "image",
        "name": request.reference,
        "push": str(request.push).lower(),
        "registry.insecure": str(insecure).lower(),
    }


def _joined(options: Mapping[str, str]) -> str:
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
