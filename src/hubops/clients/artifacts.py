"""Files that lie beside an image in its registry, attached to its digest (OCI image specification 1.1).

One that belongs to an image has the tag `sha256-<its digest>.<what it is>`, where every registry finds it, and
names the image as its subject, by which registries that know referrers list it.
"""

import json
from collections.abc import Mapping

import httpx2

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.image_documents import Documents, read_documents
from hubops.clients.registry import BRIEFLY_S, Registry
from hubops.clients.registry_http import Conversation
from hubops.clients.registry_questions import ACCEPT
from hubops.clients.retry import UndecidedError
from hubops.digest import NAMED, named
from hubops.errors import OutOfReachError

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# What an artifact has in the place of an image's configuration.
_EMPTY, _EMPTY_TYPE = b"{}", "application/vnd.oci.empty.v1+json"


class _AbsentError(Exception):
    """The registry has no such thing."""


class Artifacts:
    """Reads and writes what describes images; only some work is lost where it is not known, so it waits briefly."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def find_documents(self, repository: str, digest: str) -> Answer[Documents]:
        """Manifest and configuration of an image."""

        async def question(talk: Conversation) -> Answer[Documents]:
            try:
                return Present(
                    await read_documents(
                        digest, lambda one: _manifest(talk, one), lambda one: _blob(talk, one)
                    )
                )
            except _AbsentError:
                return Absent()
            except ValueError as error:
                raise UndecidedError(str(error), refused=True) from error

        return await self._registry.ask(repository, question, limit_s=BRIEFLY_S)

    async def find(self, repository: str, digest: str, what: str) -> Answer[bytes]:
        """The file `what` that is attached to an image."""

        async def question(talk: Conversation) -> Answer[bytes]:
            try:
                manifest = json.loads(await _manifest(talk, attached_tag(digest, what)))
                return Present(await _blob(talk, manifest["layers"][0]["digest"]))
            except _AbsentError:
                return Absent()
            except (ValueError, LookupError, TypeError) as error:
                raise UndecidedError(f"{what} is not understood: {error!r}", refused=True) from error

        return await self._registry.ask(repository, question, limit_s=BRIEFLY_S)

    async def attach(self, repository: str, digest: str, what: str, media_type: str, content: bytes) -> None:
        """Attach the file `what` to an image that is there; in place of an earlier one.

        Raises:
            OutOfReachError: the registry refuses, or nobody can tell whether it is there.
        """

        async def question(talk: Conversation) -> Answer[None]:
            try:
                await _attach(talk, digest, attached_tag(digest, what), media_type, content)
            except _AbsentError:
                return Absent()
            except (ValueError, LookupError, TypeError) as error:
                raise UndecidedError(f"the image is not understood: {error!r}", refused=True) from error
            return Present(None)

        done = await self._registry.ask(repository, question, "pull,push", BRIEFLY_S)
        if not isinstance(done, Present):
            why = done.reason if isinstance(done, Unknown) else "the image is not there"
            raise OutOfReachError(
                f"the {what} is not beside its image", where=f"{repository}@{digest}", why=why
            )


def attached_tag(digest: str, what: str) -> str:
    """The tag of a file that is attached to an image."""
    return f"{digest.replace(':', '-')}.{what}"


def attached_to(tag: str, what: str) -> str:
    """The digest of the image that such a file is attached to; "" where the tag is of something else."""
    digest = tag.removesuffix(f".{what}").replace("-", ":", 1)
    return digest if attached_tag(digest, what) == tag and NAMED.fullmatch(digest) else ""


async def _attach(talk: Conversation, digest: str, tag: str, media_type: str, content: bytes) -> None:
    image = await _manifest(talk, digest)
    for blob in (_EMPTY, content):
        await _upload(talk, blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "artifactType": media_type,
        "config": _descriptor(_EMPTY, _EMPTY_TYPE),
        "layers": [_descriptor(content, media_type)],
        "subject": _descriptor(image, str(json.loads(image)["mediaType"])),
    }
    await _do(talk, "PUT", f"manifests/{tag}", _MANIFEST, json.dumps(manifest).encode())


async def _upload(talk: Conversation, content: bytes) -> None:
    digest = named(content)
    if (await talk.send("HEAD", f"blobs/{digest}")).is_success:
        return
    begun = await _do(talk, "POST", "blobs/uploads/")
    place = begun.url.join(begun.headers.get("Location", "")).copy_merge_params({"digest": digest})
    await _do(talk, "PUT", str(place), "application/octet-stream", content)


async def _do(
    talk: Conversation, method: str, path: str, media_type: str = "", content: bytes = b""
) -> httpx2.Response:
    response = await talk.send(method, path, {"Content-Type": media_type} if media_type else None, content)
    if not response.is_success:
        raise UndecidedError(f"{talk.host} answers HTTP {response.status_code} for {talk.name}", refused=True)
    return response


async def _manifest(talk: Conversation, reference: str) -> bytes:
    response = await talk.send("GET", f"manifests/{reference}", ACCEPT)
    return _content(response, reference if ":" in reference else None)


async def _blob(talk: Conversation, digest: str) -> bytes:
    return _content(await talk.send("GET", f"blobs/{digest}"), str(digest))


def _content(response: httpx2.Response, digest: str | None) -> bytes:
    """What the registry has, and not the page of whoever stands between."""
    if response.status_code == httpx2.codes.NOT_FOUND:
        raise _AbsentError
    if digest is not None and named(response.content) != digest:
        raise UndecidedError(f"{response.url.host} gives something else for {digest}", refused=True)
    return response.content


def _descriptor(content: bytes, media_type: str) -> Mapping[str, object]:
    return {"mediaType": media_type, "digest": named(content), "size": len(content)}
