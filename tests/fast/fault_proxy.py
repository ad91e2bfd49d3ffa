"""What stands before a service of HTTP and answers in its place as it is told, or lets a request through, or cuts it off."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """An answer of our own."""

    status: int
    body: bytes = b""


@dataclass(frozen=True)
class Cut:
    """The service's own answer, but only so many bytes of its body; without a service, nothing at all."""

    after: int = 0


Fault = Callable[[str, str], Reply | Cut | None]


@dataclass
class Proxy:
    """`fault` is asked with method and path of each request; None lets it through. `seen` has them all."""

    url: str
    fault: Fault = lambda method, path: None
    seen: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serve_faults(upstream: str = "") -> Iterator[Proxy]:
    """A proxy before `upstream`, a URL without a path; on the loopback interface."""
    proxy = Proxy("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            # A client that waits for a word before it sends.
            if self.headers.get("Expect"):
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append((self.command, self.path))
            fault = proxy.fault(self.command, self.path)
            if isinstance(fault, Reply):
                self.reply(fault.status, {}, fault.body)
            elif upstream:
                self.forward(body, fault)
            self.close_connection = True

        def forward(self, body: bytes, cut: Cut | None) -> None:
            headers = {name: text for name, text in self.headers.items() if name != "Expect"}
            with closing(http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=30)) as connection:
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                content = response.read()
            self.reply(response.status, dict(response.getheaders()), content, cut)

        def reply(self, status: int, headers: dict[str, str], body: bytes, cut: Cut | None = None) -> None:
            self.send_response_only(status)
            length = (
                headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
            )
            for name, text in {**headers, "Content-Length": length, "Connection": "close"}.items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: cut.after] if cut else body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    proxy.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield proxy
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
