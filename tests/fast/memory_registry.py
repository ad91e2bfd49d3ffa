"""As much of an image registry as pruning needs: tags, manifests, deletion; over real HTTP.

tests/cluster has the same with a real registry; this one fails as it is told, and at once.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

INDEX = "application/vnd.oci.image.index.v1+json"
Answer = tuple[int, dict[str, str], bytes]


class MemoryRegistry:
    """`tags` by repository; `fault(method, path)` may give a status instead of the answer."""

    def __init__(self) -> None:
        self.host = ""
        self.tags: dict[str, dict[str, str]] = {}
        self.manifests: dict[str, dict[str, bytes]] = {}
        self.deleted: list[str] = []
        self.fault: Callable[[str, str], int] = lambda method, path: 0

    def push(self, name: str, tag: str, text: str = "", parts: tuple[str, ...] = ()) -> str:
        """Its digest. Without a tag it is one that only an index has, or a record knows."""
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": part} for part in parts]}
        content = json.dumps({**body, "annotations": {"text": text or tag}}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.manifests.setdefault(name, {})[digest] = content
        if tag:
            self.tags.setdefault(name, {})[tag] = digest
        return digest

    def answer(self, method: str, path: str) -> Answer:
        if status := self.fault(method, path):
            return status, {}, b""
        name, _, rest = path.removeprefix("/v2/").partition("/manifests/")
        if not rest:
            name = name.removesuffix("/tags/list")
            found = self.tags.get(name)
            return (200, {}, json.dumps({"tags": list(found)}).encode()) if found else (404, {}, b"")
        digest = self.tags.get(name, {}).get(rest, rest)
        content = self.manifests.get(name, {}).get(digest)
        if content is None:
            return 404, {}, b""
        if method == "DELETE":
            self.deleted.append(digest)
            del self.manifests[name][digest]
            self.tags[name] = {tag: known for tag, known in self.tags[name].items() if known != digest}
            return 202, {}, b""
        return 200, {"Docker-Content-Digest": digest}, content

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[0].split()
        status, headers, body = self.answer(method, target.partition("?")[0])
        lines = [f"HTTP/1.1 {status} x", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body))
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = f"localhost:{server.sockets[0].getsockname()[1]}"
        yield
        server.close()
