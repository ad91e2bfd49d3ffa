"""As much of an API server as records need: objects by path, label selectors, merge patches; over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from hubops.clients.kube import Kube

Json = dict[str, Any]
Answer = tuple[int, Json]


class MemoryApi:
    """`objects` by path, `writes` as method and path; `fault` may answer instead, by method and path."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.writes: list[str] = []
        self.fault: Callable[[str, str], int] = lambda method, path: 0

    def answer(self, method: str, target: str, body: Json) -> Answer:
        url = urlsplit(target)
        path, status = url.path, self.fault(method, url.path)
        if status:
            return status, {"message": "by a test"}
        if method != "GET":
            self.writes.append(f"{method} {path}")
        match method:
            case "POST":
                path = f"{path}/{body['metadata']['name']}"
                if path in self.objects:
                    return 409, {"message": "already exists"}
                self.objects[path] = body
                return 201, body
            case "GET" if path.rpartition("/")[2].endswith("s"):
                labels = parse_qs(url.query).get("labelSelector", [""])[0]
                return 200, {"items": self._select(path, labels), "metadata": {"resourceVersion": "1"}}
        if path not in self.objects:
            return 404, {"message": "not found"}
        if method == "PATCH":
            self.objects[path] = _merged(self.objects[path], body)
        found = self.objects.pop(path) if method == "DELETE" else self.objects[path]
        return 200, found

    def _select(self, path: str, selector: str) -> list[Json]:
        def fits(item: Json) -> bool:
            labels = item["metadata"].get("labels", {})
            return all(_fits(term, labels) for term in selector.split(",") if term)

        return [item for name, item in self.objects.items() if name.rpartition("/")[0] == path and fits(item)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:])}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        status, found = self.answer(method, target, body)
        writer.write(
            f"HTTP/1.1 {status} x\r\nConnection: close\r\n\r\n".encode() + json.dumps(found).encode()
        )
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Kube]:
        """Serve on a port of the loopback interface; a client of it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, verify=False, trust_env=False) as client:
            yield Kube(client)
        server.close()


def _fits(term: str, labels: Json) -> bool:
    name, sign, value = term.partition("!=" if "!=" in term else "=")
    if sign == "!=":
        return labels.get(name) != value
    return name in labels and (not sign or labels[name] == value)


def _merged(old: Json, new: Json) -> Json:
    """RFC 7386."""
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return merged
