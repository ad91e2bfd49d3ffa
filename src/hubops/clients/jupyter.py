"""One user's Jupyter server behind the hub: kernels, and cells run in them (messaging protocol 5, JSON frames)."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
from httpx2.websockets import AsyncWebSocketSession, HTTPXWSException, WebSocketUpgradeError
from wsproto.utilities import LocalProtocolError

from hubops.clients.site import Site
from hubops.errors import HubError, OutOfReachError

_LARGEST_MESSAGE_BYTES = 16 << 20  # a figure travels as one message; the library's own limit is 64 KiB


@dataclass(frozen=True)
class CellError:
    """How a cell ended badly; the traceback still has the terminal's colours."""

    name: str
    value: str
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ran:
    """What a cell gave: its texts, all it displayed, the value of its last line, and how it failed, if it did.

    Data is by MIME type. The result counts among the displays too.
    """

    stdout: str
    stderr: str
    displays: tuple[Mapping[str, Any], ...]
    result: Mapping[str, Any]
    error: CellError | None


@dataclass
class Collector:
    """Gathers the messages that answer one `execute_request`. `done` when the kernel is idle and has replied."""

    msg_id: str
    _texts: dict[str, list[str]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    _displays: list[Mapping[str, Any]] = field(default_factory=list)
    _result: Mapping[str, Any] = field(default_factory=dict)
    _error: CellError | None = None
    _idle: bool = False
    _replied: bool = False

    @property
    def done(self) -> bool:
        return self._idle and self._replied

    @property
    def ran(self) -> Ran:
        stdout, stderr = ("".join(self._texts[name]) for name in ("stdout", "stderr"))
        return Ran(stdout, stderr, tuple(self._displays), self._result, self._error)

    def add(self, message: Mapping[str, Any]) -> None:
        """Take in one message; those of other requests change nothing, save the kernel's death."""
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] in {"dead", "restarting", "autorestarting"}:
            self._die()
        elif (message.get("parent_header") or {}).get("msg_id") == self.msg_id:
            self._take(kind, content)

    def _die(self) -> None:
        self._error = CellError("KernelDied", "the kernel died; a usual cause is the server's memory limit")
        self._idle = self._replied = True

    def _take(self, kind: str, content: Mapping[str, Any]) -> None:
        match kind:
            case "stream":
                self._texts[content["name"]].append(content["text"])
            case "display_data" | "execute_result":
                self._displays.append(content["data"])
                self._result = content["data"] if kind == "execute_result" else self._result
            case "error":
                self._error = CellError(content["ename"], content["evalue"], tuple(content["traceback"]))
            case "status":
                self._idle = self._idle or content["execution_state"] == "idle"
            case "execute_reply":
                self._reply(content)

    def _reply(self, content: Mapping[str, Any]) -> None:
        self._replied = True
        # A request refused before it ran (aborted, or no parsing) has no error message of its own.
        if content["status"] != "ok" and self._error is None:
            name = content.get("ename", content["status"])
            self._error = CellError(name, content.get("evalue", "the kernel did not run the cell"))


class Kernel:
    """A running kernel; cells run one after the other."""

    def __init__(self, socket: AsyncWebSocketSession, session: str, where: str) -> None:
        self._socket = socket
        self._session = session
        self._where = where

    async def run(self, source: str) -> Ran:
        """Run a cell to its end. A failing cell, or a kernel that dies of it, is a result, not an error.

        Raises:
            OutOfReachError: the connection broke.
        """
        request = _execute_request(source, self._session)
        collector = Collector(request["header"]["msg_id"])
        try:
            await self._socket.send_json(request)
            while not collector.done:
                collector.add(json.loads(await self._socket.receive_text()))
        # The second is what a connection says that was closed before the request: httpx2 lets it through.
        except (HTTPXWSException, LocalProtocolError) as error:
            raise _broken(self._where, error) from error
        return collector.ran


@asynccontextmanager
async def open_kernel(site: Site, user: str) -> AsyncIterator[Kernel]:
    """A kernel of the default kind in the user's running server; deleted after a good end of the block.

    After a failure it is left to the stopping of the server.

    Raises:
        HubError: the server refuses a kernel or its web socket.
        OutOfReachError: the connection failed.
    """
    kernels = f"user/{quote(user, safe='')}/api/kernels"
    kernel = site.read(await site.send("POST", kernels, body={}), lambda made: str(made["id"]))
    session = uuid4().hex
    url = site.http.base_url.join(f"{kernels}/{kernel}/channels?session_id={session}")
    socket_url = url.copy_with(scheme={"http": "ws", "https": "wss"}[url.scheme])
    with site.mapped(f"kernel {kernel}"):
        try:
            async with site.http.websocket(
                socket_url, max_message_size_bytes=_LARGEST_MESSAGE_BYTES
            ) as socket:
                yield Kernel(socket, session, str(url))
        # The server answers the handshake when the kernel has answered it.
        except httpx2.ReadTimeout as error:
            what, hint = "No kernel starts in the person's server", "see that ipykernel works in the image"
            raise HubError(what, where=str(url), why="it gave no sign of life", hint=hint) from error
        # The library runs a task group, which wraps whatever passes through it.
        except BaseExceptionGroup as group:
            raise _first(group) from None
        except WebSocketUpgradeError as error:
            raise site.refusal(error.response) from error
        except HTTPXWSException as error:
            raise _broken(str(url), error) from error
    await site.send("DELETE", f"{kernels}/{kernel}", accept=(404,))


def _execute_request(source: str, session: str) -> dict[str, Any]:
    header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
    content = {"code": source, "silent": False, "store_history": False, "allow_stdin": False}
    return {
        "channel": "shell",
        "header": {**header, "session": session, "username": ""},
        "parent_header": {},
        "metadata": {},
        "content": {**content, "user_expressions": {}, "stop_on_error": True},
    }


def _broken(where: str, error: Exception) -> OutOfReachError:
    why = f"{type(error).__name__} {getattr(error, 'reason', '')}".strip()
    hint = "Look whether proxies on the way let web sockets through and keep them open."
    return OutOfReachError("The connection to the kernel broke", where=where, why=why, hint=hint)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
