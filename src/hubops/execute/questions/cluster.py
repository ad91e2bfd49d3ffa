"""A Kubernetes API on the loopback interface: it knows which claims there are, and no pod is made by it.

So a KubeSpawner says which pod it would make, with all that it looks up before.
"""

import json
import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_CLAIMS = "persistentvolumeclaims"


class Cluster(ThreadingHTTPServer):
    """`pods` are those that were asked for: the namespace, and what was said of the pod."""

    daemon_threads = True

    def __init__(self, claims: Collection[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.claims = frozenset(claims)
        self.pods: list[tuple[str, dict[str, Any]]] = []

    def begin(self, kubeconfig: Path) -> None:
        """Serve from now on; `kubeconfig` is written, and leads here."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        server = f"http://127.0.0.1:{self.server_port}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
            "users": [{"name": "nobody", "user": {}}],
            "current-context": "here",
        }
        kubeconfig.write_text(json.dumps(document))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in two pieces would be held back for 40 ms
    server: Cluster

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        collection, _, name = url.path.rpartition("/")
        if name in {"pods", "events"}:
            self._list(watched="watch" in parse_qs(url.query))
        elif collection.endswith(f"/{_CLAIMS}") and name in self.server.claims:
            self._answer(200, {"kind": "PersistentVolumeClaim", "metadata": {"name": name}})
        else:
            self._refuse(404, "NotFound")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        above, _, collection = urlsplit(self.path).path.rpartition("/")
        if collection == "pods":
            self.server.pods.append((above.rpartition("/")[2], body))
            self._refuse(403, "Forbidden")
        else:
            # Claims and what else comes before the pod: as if it had been made.
            self._answer(201, body)

    def do_DELETE(self) -> None:
        self._refuse(404, "NotFound")

    def _list(self, *, watched: bool) -> None:
        if watched:  # nothing ever happens here
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            threading.Event().wait()
        self._answer(200, {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []})

    def _refuse(self, code: int, reason: str) -> None:
        self._answer(code, {"kind": "Status", "status": "Failure", "code": code, "reason": reason})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps({"apiVersion": "v1", **document}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Claims have people's names."""
