"""One volume, as the pod serves it that mounts it (execute/volume), through the API server's proxy for pods."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from hubops.clients.kube import Json, Kube
from hubops.errors import ClusterError
from hubops.secret import Secret

_TOKEN_HEADER = "X-Hubops-Token"  # noqa: S105 - a header's name


@dataclass(frozen=True)
class Volume:
    """The pod's `path` in the API, and the token it takes; `name` is the claim's, for messages.

    Every method raises OutOfReachError when the connection is cut, and ClusterError for what the pod cannot do.
    """

    kube: Kube
    path: str
    token: Secret
    name: str

    async def pack(self, *, database: bool) -> AsyncGenerator[bytes, None]:
        """The content as a tar.gz; of a hub's database, as it was at one moment."""
        query = {"database": "1"} if database else {}
        try:
            async with aclosing(
                self.kube.stream(f"{self.path}/tar", query=query, headers=self._headers)
            ) as pieces:
                async for piece in pieces:
                    yield piece
        except ClusterError as error:
            raise self._failed("cannot be read", error.why) from error

    async def summary(self) -> Json:
        """Of the last `pack`: its `sha256`, files `changed` meanwhile, `skipped`, and the `error` that ended it."""
        return await self._get("summary")

    async def entries(self) -> int:
        """How much there is at the top; 0 for an empty volume."""
        return int((await self._get("entries"))["entries"])

    async def content(self) -> str:
        """The digest of all that is in the volume."""
        answer = await self._get("content")
        if "content" not in answer:
            raise self._failed("cannot be read", answer.get("message", ""))
        return str(answer["content"])

    async def feed(self, offset: int, piece: bytes) -> None:
        """The next piece of a tar.gz to unpack; the first one throws away what came before it."""
        await self._post("piece", {"offset": str(offset)}, piece)

    async def finish(self) -> str:
        """After the last piece: the digest of what was unpacked."""
        answer = await self._post("finish", {})
        if "content" not in answer:
            raise self._failed("cannot be written", answer.get("message", ""))
        return str(answer["content"])

    async def swap(self, aside: str) -> None:
        """Put what was unpacked in its place; what was there goes into the directory `aside`."""
        await self._post("swap", {"aside": aside})

    async def _get(self, what: str) -> Json:
        pieces = [p async for p in self.kube.stream(f"{self.path}/{what}", query={}, headers=self._headers)]
        answer: Json = json.loads(b"".join(pieces))
        return answer

    async def _post(self, what: str, query: dict[str, str], content: bytes = b"") -> Json:
        try:
            return await self.kube.send(f"{self.path}/{what}", content, query=query, headers=self._headers)
        except ClusterError as error:
            raise self._failed("cannot be written", error.why) from error

    @property
    def _headers(self) -> dict[str, str]:
        return {_TOKEN_HEADER: self.token.reveal()}

    def _failed(self, what: str, why: str) -> ClusterError:
        hint = "See whether there is room in it, and whom its files belong to, and run again."
        return ClusterError(f"a volume {what}", where=f"claim {self.name}", why=why, hint=hint)
