"""Building the images a registry lacks."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.registry import Registry, base_url
from hubops.desired.model import Image, ImageReference
from hubops.errors import HubopsError
from hubops.events import Emit, Line, Output, step
from hubops.execute.pushed import read_back
from hubops.execute.room import Room
from hubops.execute.sbom import attach_sbom
from hubops.secret import Secret

_CACHES = 5

SecretTexts = Callable[[Image], Awaitable[Mapping[str, Secret]]]
Test = Callable[[BuildRequest, Callable[[str], None]], Awaitable[bytes]]
"""Gives the list of what is in an image, or raises what keeps it from being trusted; lines go to the log."""


async def _no_texts(_: Image) -> Mapping[str, Secret]:
    return {}


@dataclass(frozen=True)
class Bench:
    """What builds take on this machine: a builder, secrets for each, and directories for names in Dockerfiles.

    `secret_texts` gives those that an image names, and is asked only when one that does is to be built.
    `stand_ins` are OCI layouts made here for images whose registry is away, and never part of what others get.
    `tools` are made when a Dockerfile names one. `room` tells what is free.
    """

    builder: Builder
    room: Callable[[], Room]
    secrets: Mapping[str, Path] = field(default_factory=dict)
    stand_ins: Mapping[str, Path] = field(default_factory=dict)
    tools: Mapping[str, Callable[[], Awaitable[Path]]] = field(default_factory=dict)
    secret_texts: SecretTexts = _no_texts

    async def request(
        self,
        image: Image,
        reference: ImageReference,
        own: Mapping[str, str | Path],
        *,
        push: bool,
        answers: bool = True,
    ) -> BuildRequest:
        """A build of the image. `own` has those it is made from: a reference by digest, or an OCI layout.

        `answers` tells whether the registry does: then it has caches, unless it is this machine's, whose BuildKit
        has all that they would.

        Raises:
            HubopsError: a secret of its build cannot be had.
        """
        local = base_url(reference.repository.partition("/")[0]).startswith("http://")
        caches = _caches(reference) if answers and not local else []
        here = local or not push
        stand_ins = {name: path for name, path in self.stand_ins.items() if here and name in image.bases}
        locked = {name: f"{name}@{digest}" for name, digest in image.bases.items() if digest}
        # BuildKit looks for the frontend before there are named contexts.
        frontend = {"BUILDKIT_SYNTAX": locked[image.frontend]} if image.frontend in locked else {}
        layouts = {name: source for name, source in own.items() if isinstance(source, Path)}
        pushed = {name: source for name, source in own.items() if isinstance(source, str)}
        tools = {name: await self.tools[name]() for name in image.tools}
        return BuildRequest(
            image.directory,
            str(reference),
            push,
            secrets=self.secrets,
            secret_texts=await self.secret_texts(image) if image.secrets else {},
            contexts={**image.shared, **tools, **layouts, **stand_ins},
            images={name: source for name, source in {**locked, **pushed}.items() if name not in stand_ins},
            arguments={**frontend, **image.arguments},
            target=image.target,
            platforms=image.platforms,
            caches=caches,
            cache=caches[int(reference.tag[-1], 16) % len(caches)] if push and caches else "",
        )


def _caches(image: ImageReference) -> list[str]:
    """Where the steps of earlier tags are: which of them an image's own go to follows from its tag.

    So the last one is always there, most often with others, and the registry fills up no further.
    """
    return [f"{image.repository}:cache{number}" for number in range(_CACHES)]


@dataclass(frozen=True)
class Workshop:
    """The registry's client, and a bench that is set up only when something has to be built.

    `logs` is the directory of what builds print; every line goes through `mask`.
    """

    registry: Registry
    bench: Callable[[], Awaitable[Bench]]
    logs: Path
    mask: Callable[[str], str] = str


def title(image: ImageReference) -> str:
    """How the step that makes an image is called."""
    return f"image {image.repository.rpartition('/')[2]} {image.tag}"


async def build_image(
    request: BuildRequest,
    image: ImageReference,
    workshop: Workshop,
    emit: Emit,
    *,
    layout: Path | None = None,
    unknown: str = "",
    test: Test | None = None,
) -> ImageReference:
    """Build an image and push it if asked, or else write it as the OCI `layout`.

    Returns it with its digest, as the registry holds it after a push. `unknown` says why nobody can tell whether
    the registry has it. What fails its `test` is not pushed, and what the test gives is pushed beside it. Writes
    what the test and the build print to a log, which an error names.

    Raises:
        BuildError: it cannot be built or pushed.
        what `test` raises.
        OutOfReachError: it was pushed, and nobody can tell whether it arrived.
        RegistryError: it was pushed, and is not there.
    """
    builder = (await workshop.bench()).builder
    with step(emit, title(image)) as note, log_of(request.context.name, image, workshop, emit) as on_line:
        sbom = await test(request, on_line) if test else b""
        digest = await (
            builder.lay_out(request, layout, on_line) if layout else builder.build(request, on_line)
        )
        if not request.push:
            note.text = "built"
            if unknown:
                note.text += f"; nobody can tell whether the registry has it: {unknown}"
            return replace(image, digest=digest)
        if sbom:
            await attach_sbom(replace(image, digest=digest), sbom, workshop.registry, emit)
        kept = await read_back(image, workshop.registry)
        note.text = "built and pushed" if kept.digest == digest else "built; another build of it is kept"
        return kept


@contextlib.contextmanager
def log_of(
    name: str, image: ImageReference, workshop: Workshop, emit: Emit
) -> Iterator[Callable[[str], None]]:
    """A sink for the lines of an image's build; an error that passes names the log."""
    file = workshop.logs / f"{name}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("w", buffering=1, encoding="utf-8", errors="replace") as log:

            def on_line(line: str) -> None:
                print(workshop.mask(line), file=log)
                emit(Line(line, title(image)))

            yield on_line
    except HubopsError as error:
        error.hint = f"{error.hint} All that it printed: {file}".lstrip()
        raise
    finally:
        emit(Output(title(image), str(file)))
