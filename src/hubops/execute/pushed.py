"""What the registry has: asked before a build, read back after a push, required before helm starts."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.registry import BRIEFLY_S, Registry
from hubops.desired.model import ImageReference
from hubops.errors import OutOfReachError, RefusedError, RegistryError


async def look_up(image: ImageReference, registry: Registry, *, push: bool) -> Answer[str]:
    """The digest of an image, before it is built.

    Raises:
        OutOfReachError: it would be pushed, and nobody can tell whether it is there.
    """
    if not push:  # then not to know costs a build and no more: not worth a long wait
        return await registry.find_digest(image.repository, image.tag, limit_s=BRIEFLY_S)
    found = await registry.find_digest(image.repository, image.tag, push=True)
    if isinstance(found, Unknown):
        raise _unknown(image, found)
    return found


async def read_back(image: ImageReference, registry: Registry) -> ImageReference:
    """What the registry has under the tag after a push: this one, or that of somebody who pushed later.

    Raises:
        RegistryError: it has nothing.
        OutOfReachError: nobody can tell.
    """
    found = await registry.find_digest(image.repository, image.tag, push=True)
    if isinstance(found, Present):
        return replace(image, digest=found.value)
    again = "Run it again: what is there is not built again."
    if isinstance(found, Absent):
        what = f"{image} was pushed, and is not in its registry"
        raise RegistryError(what, why="it answers HTTP 404", hint=again)
    raise OutOfReachError(
        f"nobody can tell whether the push of {image} arrived", why=found.reason, hint=again
    )


async def require_pushed(image: ImageReference, registry: Registry) -> ImageReference:
    """The image with its digest; a deploy never names one that cannot be pulled.

    Raises:
        RefusedError: the registry does not have it.
        OutOfReachError: nobody can tell.
    """
    found = await registry.find_digest(image.repository, image.tag)
    if isinstance(found, Present):
        return replace(image, digest=found.value)
    if isinstance(found, Absent):
        raise RefusedError(
            f"the image {image} is not in its registry",
            hint="Build and push it first: deploy.py HUB --build --push",
        )
    raise _unknown(image, found)


async def find_lost(images: Iterable[str], registry: Registry) -> list[str]:
    """Those of the recorded images that their registry says it has not any more."""
    wanted = [ImageReference.parse(text) for text in sorted({*images})]
    asked = (
        registry.find_digest(image.repository, image.digest or image.tag, limit_s=BRIEFLY_S)
        for image in wanted
    )
    found = await asyncio.gather(*asked)
    return [str(image) for image, answer in zip(wanted, found, strict=True) if isinstance(answer, Absent)]


def _unknown(image: ImageReference, found: Unknown) -> OutOfReachError:
    return OutOfReachError(
        f"nobody can tell whether {image} is in its registry",
        why=found.reason,
        hint="Log in to it (docker login), if that is what it wants; else run again when it answers.",
    )
