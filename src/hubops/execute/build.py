"""Building the images a registry lacks."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubops.answer import Absent, Present
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.registry import Registry
from hubops.desired.model import Fleet, ImageReference
from hubops.errors import OutOfReachError, RefusedError
from hubops.events import Emit, Line, step


@dataclass(frozen=True)
class Bench:
    """What a build takes: a builder, and the secrets and named contexts that every build is given."""

    builder: Builder
    secrets: Mapping[str, Path]
    contexts: Mapping[str, Path]

    def request(self, context: Path, reference: str, *, push: bool) -> BuildRequest:
        """A build of the context with what every build is given."""
        return BuildRequest(context, reference, push, secrets=self.secrets, contexts=self.contexts)


@dataclass(frozen=True)
class Workshop:
    """The registry's client, and a bench that is set up only when something has to be built."""

    registry: Registry
    bench: Callable[[], Awaitable[Bench]]


async def build_image(
    fleet: Fleet, name: str, image: ImageReference, workshop: Workshop, emit: Emit, *, push: bool
) -> ImageReference:
    """Build an image unless its registry has it. Returns it with its digest, as the registry holds it.

    Raises:
        BuildError: it cannot be built or pushed.
        OutOfReachError: it would be pushed, and nobody can tell whether it is there.
    """
    with step(emit, f"image {image.repository.rpartition('/')[2]} {image.tag}") as note:
        found = await workshop.registry.find_digest(image.repository, image.tag)
        if isinstance(found, Present):
            note.text = "already in the registry"
            return ImageReference(image.repository, image.tag, found.value)
        if push and not isinstance(found, Absent):
            raise OutOfReachError(f"nobody can tell whether {image} is in its registry", why=found.reason)
        bench = await workshop.bench()
        request = bench.request(fleet.images[name], str(image), push=push)
        digest = await bench.builder.build(request, lambda line: emit(Line(line)))
        note.text = "built and pushed" if push else "built"
        return ImageReference(image.repository, image.tag, digest)


async def require_pushed(image: ImageReference, registry: Registry) -> ImageReference:
    """The image with its digest; a deploy never names one that cannot be pulled.

    Raises:
        RefusedError: the registry does not have it.
        OutOfReachError: nobody can tell.
    """
    found = await registry.find_digest(image.repository, image.tag)
    if isinstance(found, Present):
        return ImageReference(image.repository, image.tag, found.value)
    if isinstance(found, Absent):
        raise RefusedError(
            f"the image {image} is not in its registry",
            hint="Build and push it first: deploy.py HUB --build --push",
        )
    raise OutOfReachError(f"nobody can tell whether {image} is in its registry", why=found.reason)
