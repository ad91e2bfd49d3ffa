"""What a registry is asked, request by request, and what its answers mean."""

import asyncio
import json
import re
from typing import Any

import httpx2

from hubops.answer import Absent, Answer, Present
from hubops.clients.registry_http import Conversation
from hubops.clients.retry import UndecidedError
from hubops.digest import NAMED, named
from hubops.errors import RegistryError

_AT_ONCE = 8
_NEXT = re.compile(r'<[^>]*\?([^>]+)>\s*;\s*rel="?next"?')
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
ACCEPT = {"Accept": _MANIFESTS}


async def find_digest(talk: Conversation, tag: str) -> Answer[str]:
    """By HEAD; by GET where the digest has to be counted from the content."""
    response = await talk.send("HEAD", f"manifests/{tag}", ACCEPT)
    if response.status_code == httpx2.codes.NOT_FOUND:
        return Absent()
    digest = response.headers.get("Docker-Content-Digest", "")
    if NAMED.fullmatch(digest):
        return Present(digest)
    response = await talk.send("GET", f"manifests/{tag}", ACCEPT)
    if response.status_code == httpx2.codes.NOT_FOUND:
        return Absent()
    _manifest(response)
    return Present(named(response.content))


async def read_manifest(talk: Conversation, digest: str) -> Answer[dict[str, Any]]:
    response = await talk.send("GET", f"manifests/{digest}", ACCEPT)
    return Absent() if response.status_code == httpx2.codes.NOT_FOUND else Present(_manifest(response))


async def read_tags(talk: Conversation) -> Answer[dict[str, str]]:
    names: list[str] = []
    query = "n=1000"
    while query:
        response = await talk.send("GET", f"tags/list?{query}")
        if response.status_code == httpx2.codes.NOT_FOUND:
            return Absent()
        names += _json(response).get("tags") or []
        following = _NEXT.search(response.headers.get("Link", ""))
        query = following[1] if following else ""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def digest_of(tag: str) -> Answer[str]:
        async with limit:
            return await find_digest(talk, tag)

    found = await asyncio.gather(*map(digest_of, names))
    # A list may name a tag that was deleted meanwhile.
    return Present(
        {tag: each.value for tag, each in zip(names, found, strict=True) if isinstance(each, Present)}
    )


async def delete(talk: Conversation, digest: str) -> Answer[None]:
    response = await talk.send("DELETE", f"manifests/{digest}")
    if response.status_code == httpx2.codes.METHOD_NOT_ALLOWED:
        raise RegistryError(
            f"{talk.host} deletes nothing",
            where=f"{talk.name}@{digest}",
            why="it answers HTTP 405 (method not allowed)",
            hint="Let it: Distribution needs storage.delete.enabled, others their own retention rules.",
        )
    return Absent()


def _manifest(response: httpx2.Response) -> dict[str, Any]:
    """A manifest, and not the page of whoever stands between us and the registry."""
    found = _json(response)
    if "schemaVersion" not in found:
        raise UndecidedError(f"{response.url.host} answers with no manifest", refused=True)
    return found


def _json(response: httpx2.Response) -> dict[str, Any]:
    try:
        found = json.loads(response.content)
    except ValueError:
        found = None
    if response.is_success and isinstance(found, dict):
        return found
    raise UndecidedError(f"{response.url.host} gives an answer that is not understood", refused=True)
