"""Starts people's server inside an image under test, beside a hub that answers just enough; judges nothing.

hubops does not import this file: cell_runner.py does, in the image's own Python, 3.8 or newer, with
nothing but the standard library.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, Dict, List  # noqa: UP035 - for Python 3.8

NAME = "hubops"
PATH = f"/user/{NAME}/"
VERSION = "X-JupyterHub-Version"
SERVER_ERROR = 500
POLL_S = 0.1
END_LIMIT_S = 5
TAIL = 4000  # characters of what it printed

Json = Dict[str, Any]  # noqa: UP006 - for Python 3.8


class Hub(BaseHTTPRequestHandler):
    """The hub's API as far as a server asks for it while it starts."""

    version = ""

    def do_GET(self) -> None:
        body = json.dumps({"version": self.version, "name": NAME, "kind": "user", "groups": [], "scopes": []})
        self.send_response(200)
        self.send_header(VERSION, self.version)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET  # noqa: N815 - what it tells of its activity

    def log_message(self, *_: object) -> None:
        pass


def try_server(
    command: List[str],  # noqa: UP006 - for Python 3.8
    entrypoint: List[str],  # noqa: UP006 - for Python 3.8
    hub_version: str,
    limit_s: float,
) -> Json:
    """As `start`, by the image's ENTRYPOINT; where that fails, `alone` tells whether it starts without."""
    told = start([*entrypoint, *command], hub_version, limit_s)
    if entrypoint and told["fault"]:
        return {**told, "alone": not start(command, hub_version, limit_s)["fault"]}
    return told


def start(command: List[str], hub_version: str, limit_s: float) -> Json:  # noqa: UP006 - for Python 3.8
    """Start it, wait until it answers, and end it: the version it tells, or the fault, and what it printed last."""
    if not shutil.which(command[0]):
        return {"version": "", "fault": "it is not on the PATH", "output": ""}
    Hub.version = hub_version
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub, tempfile.TemporaryFile() as output:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        try:
            return {**run(command, hub.server_port, limit_s, output), "output": tail(output)}
        finally:
            hub.shutdown()


def run(command: List[str], hub_port: int, limit_s: float, output: BinaryIO) -> Json:  # noqa: UP006 - for Python 3.8
    port = free_port()
    env = {**os.environ, **environment(hub_port, port)}
    try:
        server = subprocess.Popen(
            command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        return {"version": "", "fault": str(error)}
    try:
        return wait(server, f"http://127.0.0.1:{port}{PATH}api", limit_s)
    finally:
        end(server)


def environment(hub_port: int, port: int) -> Dict[str, str]:  # noqa: UP006 - for Python 3.8
    """What a spawner tells a server."""
    api = f"http://127.0.0.1:{hub_port}/hub/api"
    return {
        "JUPYTERHUB_API_TOKEN": "hubops-smoke",
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/{NAME}/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{NAME}",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": "[]",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PATH}oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": "[]",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_PREFIX": PATH,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}{PATH}",
        "JUPYTERHUB_USER": NAME,
    }


def wait(server: Any, url: str, limit_s: float) -> Json:
    """Ask as a hub does, until there is an answer that is not an error of the server's own."""
    until, last = time.monotonic() + limit_s, "nothing listens"
    while time.monotonic() < until:
        code = server.poll()
        if code is not None:
            return {"version": "", "fault": f"it ended with exit code {code}"}
        try:
            with urllib.request.urlopen(url, timeout=limit_s) as answer:  # noqa: S310 - it is ours
                return {"version": answer.headers.get(VERSION) or "", "fault": ""}
        except urllib.error.HTTPError as answer:
            if answer.code < SERVER_ERROR:
                return {"version": answer.headers.get(VERSION) or "", "fault": ""}
            last = str(answer)
        except OSError:
            pass
        time.sleep(POLL_S)
    return {"version": "", "fault": f"it did not answer within {limit_s:g} s: {last}"}


def end(server: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(END_LIMIT_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def tail(output: BinaryIO) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")[-TAIL:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
