"""Serves one volume over HTTP: out as a tar.gz, in again piece by piece.

Arguments: the volume's directory, the port, and the SHA-256 of the token that every request must bear; who reads
the pod's description cannot speak to it. It ends by itself when nobody has asked anything for ten minutes.
"""

import hashlib
import hmac
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .pack import Packed, copy_databases, pack
from .tree import NO_CONTENT, STAGING, digest, tree_lines
from .unpack import Unpacking, swap

TOKEN_HEADER = "X-Hubops-Token"  # noqa: S105 - a header's name
_IDLE_LIMIT_S = 600
_HEARTBEAT_S = 5
_REFUSED = 422


Routes = Mapping[str, Callable[[dict[str, str], bytes], None]]


class Server(ThreadingHTTPServer):
    """Serves one volume, mounted at `root`, to who has the token of that SHA-256."""

    daemon_threads = True

    def __init__(self, root: Path, port: int, token_sha256: str, handler: "type[Handler]") -> None:
        super().__init__(("", port), handler)
        self.root = root
        self.token_sha256 = token_sha256
        self.packed = Packed()
        self.unpacking: Unpacking | None = None
        self.used_at = monotonic()

    def service_actions(self) -> None:
        if monotonic() - self.used_at > _IDLE_LIMIT_S:
            os._exit(0)

    def entries(self) -> dict[str, Any]:
        return {"entries": len({path.name for path in self.root.iterdir()} - NO_CONTENT)}

    def finish(self) -> dict[str, Any]:
        if self.unpacking is None:
            raise OSError("there is nothing to finish")
        return {"content": self.unpacking.finish()}


class Handler(BaseHTTPRequestHandler):
    """What can be asked of a volume, by `reads` and `writes`."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._handle(self.reads())

    def do_POST(self) -> None:
        self._handle(self.writes())

    def reads(self) -> Routes:
        """What a GET may ask for."""
        reads = {"/tar": self._tar, "/summary": self._summary, "/entries": self._entries}
        return {**reads, "/content": self._content}

    def writes(self) -> Routes:
        """What a POST may ask for."""
        return {"/piece": self._piece, "/finish": self._finish, "/swap": self._swap}

    def _handle(self, routes: Routes) -> None:
        url = urlsplit(self.path)
        token = self.headers.get(TOKEN_HEADER, "").encode()
        if not hmac.compare_digest(hashlib.sha256(token).hexdigest(), self.server.token_sha256):
            self.close_connection = True  # its body is not even read
            self._answer(403, {"message": "this takes a token"})
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path not in routes:
            self._answer(404, {"message": "not found"})
        else:
            self.server.used_at = monotonic()
            try:
                routes[url.path](dict(parse_qsl(url.query)), body)
            except OSError as error:
                self._answer(_REFUSED, {"message": str(error)})

    def _tar(self, query: dict[str, str], _: bytes) -> None:
        self.server.packed = packed = Packed()
        with tempfile.TemporaryDirectory() as directory:
            copies = copy_databases(self.server.root, Path(directory)) if "database" in query else {}
            self._begin("application/gzip")
            out = _Chunks(self)
            try:
                pack(self.server.root, out, copies, packed)  # type: ignore[arg-type]  # it only writes
            except ConnectionError:
                self.close_connection = True  # whoever asked went away: that is no fault of the volume
                return
            except OSError as error:
                packed.error = str(error)
                self.close_connection = True  # without its last chunk: a part must not look like the whole
                return
            packed.sha256 = out.total.hexdigest()
            out.end()

    def _summary(self, _: dict[str, str], __: bytes) -> None:
        self._answer(200, asdict(self.server.packed))

    def _entries(self, _: dict[str, str], __: bytes) -> None:
        self._answer(200, self.server.entries())

    def _piece(self, query: dict[str, str], body: bytes) -> None:
        offset = int(query["offset"])
        if offset == 0:
            if self.server.unpacking:
                self.server.unpacking.abandon()
            self.server.unpacking = Unpacking(self.server.root / STAGING)
        if self.server.unpacking is None:
            raise OSError("the first piece is missing")
        self.server.unpacking.feed(offset, body)
        self._answer(200, {"received": self.server.unpacking.received})

    def _content(self, _: dict[str, str], __: bytes) -> None:
        self.answer_slowly(lambda: {"content": digest(tree_lines(self.server.root))})

    def _finish(self, _: dict[str, str], __: bytes) -> None:
        self.answer_slowly(self.server.finish)

    def answer_slowly(self, work: Callable[[], dict[str, Any]]) -> None:
        """Newlines, which JSON may begin with, keep whoever is in between from giving up."""
        answer: dict[str, Any] = {}

        def run() -> None:
            try:
                answer.update(work())
            except OSError as error:
                answer["message"] = str(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._begin("application/json")
        out = _Chunks(self)
        while thread.is_alive():
            thread.join(_HEARTBEAT_S)
            out.write(b"\n")
        out.write(json.dumps(answer).encode())
        out.end()

    def _swap(self, query: dict[str, str], _: bytes) -> None:
        swap(self.server.root, query["aside"])
        self._answer(200, self.server.entries())

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _answer(self, status: int, document: Mapping[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Paths are nobody's business."""


class _Chunks:
    """The body of an answer whose length nobody knows yet, and its digest."""

    def __init__(self, handler: Handler) -> None:
        self.total = hashlib.sha256()
        self._handler = handler

    def write(self, data: bytes) -> int:
        if data:
            self.total.update(data)
            self._handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self._handler.server.used_at = monotonic()
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def end(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")


def serve(handler: type[Handler]) -> None:
    """Serve what the arguments say, until it ends by itself."""
    # As the first process of a container it would ignore it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Server(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], handler).serve_forever()


if __name__ == "__main__":
    serve(Handler)
