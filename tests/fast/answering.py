"""An HTTP server on the loopback interface that answers as a test tells it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """Answers each request by `reply(method, path, headers)`; None cuts the connection. `seen` has them all."""

    reply: Callable[[str, str, Message], Reply | None]
    seen: list[tuple[str, str]] = field(default_factory=list)
    host: str = ""


@contextmanager
def serve_answers() -> Iterator[Server]:
    """One that has nothing, until it is told otherwise."""
    state = Server(lambda *_: (404, {}, b""))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.seen.append((self.command, self.path))
            reply = state.reply(self.command, self.path, self.headers)
            if reply is None:
                self.connection.close()
                return
            status, headers, body = reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    state.host = f"localhost:{httpd.server_port}"
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()
