"""As much of a hub's REST API as its people need, over real HTTP; what it answers was seen of JupyterHub 5.5.4."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
STOPS_AFTER = 2  # looks at a server that stops until it has


class MemoryHub:
    """`people` by name, each with servers by name: "ready", "spawn", "stop 2" (two looks to go).

    `acts` are the writes; `faults` are answered to the next ones instead, by status.
    """

    def __init__(self, people: dict[str, dict[str, str]], page: int = 2) -> None:
        self.people = people
        self.page = page
        self.acts: list[str] = []
        self.faults: list[int] = []
        self.url = ""

    def answer(self, method: str, target: str) -> tuple[int, Any]:
        url = urlsplit(target)
        name, *rest = [unquote(part) for part in url.path.removeprefix("/hub/api/users").split("/")[1:]] or [
            ""
        ]
        if method == "GET":
            return self._look(name, parse_qs(url.query))
        self.acts.append(f"{method} {' '.join([name, *rest])}")
        if self.faults:
            return self.faults.pop(0), {"message": f"no luck with {name}"}
        if name not in self.people:
            return 404, {"message": ""}
        servers = self.people[name]
        if rest:
            servers[rest[1] if rest[1:] else ""] = f"stop {STOPS_AFTER}"
            return 202, {}
        if servers:
            return 500, {"message": "Internal Server Error"}
        del self.people[name]
        return 204, {}

    def _look(self, name: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if name:
            return (200, self._model(name)) if name in self.people else (404, {"message": ""})
        offset, names = int(query["offset"][0]), list(self.people)
        more = {"offset": offset + self.page, "limit": self.page} if offset + self.page < len(names) else None
        items = [self._model(each) for each in names[offset : offset + self.page]]
        return 200, {"items": items, "_pagination": {"next": more}}

    def _model(self, name: str) -> Json:
        servers = self.people[name]
        model = {
            server: {"ready": state == "ready", "pending": state.split()[0] if state != "ready" else None}
            for server, state in servers.items()
        }
        for server, state in [each for each in servers.items() if each[1].startswith("stop")]:
            left = int(state.split()[1]) - 1
            servers[server] = f"stop {left}"
            if not left:
                del servers[server]
        return {"kind": "user", "name": name, "admin": False, "servers": model}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split()
        status, found = self.answer(method, target)
        body = b"" if status == 204 else json.dumps(found).encode()
        writer.write(f"HTTP/1.1 {status} x\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve on a port of the loopback interface, at `url`."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield
        server.close()
