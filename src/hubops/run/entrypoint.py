"""What an image starts every command with, found out before there is an image to ask."""

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.artifacts import Artifacts
from hubops.clients.builder import BuildRequest, is_layout
from hubops.clients.image_documents import Documents, read_layout
from hubops.clients.registry import BRIEFLY_S, Registry
from hubops.desired.dockerfile import parse_dockerfile
from hubops.desired.dockerfile_sources import image_address
from hubops.desired.entrypoint import find_entrypoint


async def read_entrypoint(request: BuildRequest, registry: Registry) -> Answer[tuple[str, ...]]:
    """The words of its ENTRYPOINT, of the Dockerfile or of the image that it is made from."""
    text = (request.context / "Dockerfile").read_text("utf-8", "replace")
    found = find_entrypoint(parse_dockerfile(text), request.arguments, request.target)
    if found.words is not None:
        return Present(found.words)
    documents = await _read_base(request, found.base, registry)
    if isinstance(documents, Absent):
        return Unknown(f"its registry has no image {found.base}")
    if isinstance(documents, Unknown):
        return documents
    _, config = documents.value
    return Present(tuple(map(str, config.get("config", {}).get("Entrypoint") or ())))


async def _read_base(request: BuildRequest, base: str, registry: Registry) -> Answer[Documents]:
    layout = request.contexts.get(base)
    if layout:
        try:
            return (
                Present(await read_layout(layout)) if is_layout(layout) else Unknown(f"{base} is a directory")
            )
        except ValueError as error:
            return Unknown(str(error))
    name, _, digest = request.images.get(base, base).partition("@")
    repository, tag = image_address(name)
    found = await registry.find_digest(repository, digest or tag, limit_s=BRIEFLY_S)
    if not isinstance(found, Present):
        return found
    return await Artifacts(registry).find_documents(repository, found.value)
