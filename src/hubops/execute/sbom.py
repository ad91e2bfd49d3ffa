"""The list of what is in an image, beside it in its registry."""

from hubops.clients.artifacts import Artifacts
from hubops.clients.registry import Registry
from hubops.desired.model import ImageReference
from hubops.errors import OutOfReachError
from hubops.events import Emit, Remark

# What it is called there, and what it is.
SBOM, MEDIA_TYPE = "sbom", "application/vnd.cyclonedx+json"


async def attach_sbom(image: ImageReference, sbom: bytes, registry: Registry, emit: Emit) -> None:
    """Attach the list to the image, by its digest. Without it people can work all the same: that is told only."""
    try:
        await Artifacts(registry).attach(image.repository, image.digest, SBOM, MEDIA_TYPE, sbom)
    except OutOfReachError as error:
        emit(Remark(f"{image} is pushed without the list of what is in it: {error.why}"))
