"""The Kubernetes API through the operator's own kubectl: JSON over a Unix socket (docs/adr/0003)."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients import process
from hubops.deadline import Deadline
from hubops.errors import ClusterError, OutOfReachError, ProgramError

Json = dict[str, Any]
_TIMEOUT = httpx2.Timeout(30, connect=5)
_WATCH_TIMEOUT = httpx2.Timeout(None, connect=5)
_PROXY_START_LIMIT_S = 20
_MERGE_PATCH = "application/merge-patch+json"
_SERVER_ERROR = 500
# The API server or something before it is overloaded or cannot tell; only 404 means absent.
_UNDECIDED = {408, 425, 429}


@dataclass(frozen=True)
class Connection:
    """An open way to one cluster, for us and for the gate."""

    socket: Path
    client: httpx2.AsyncClient


@asynccontextmanager
async def connect(
    kubectl: Path, kubeconfig: Path | None, context: str, directory: Path
) -> AsyncIterator[Connection]:
    """Open the cluster behind one context; the operator's files are read by kubectl and never written.

    Writes a copy of the context and a socket into `directory`, which must be private to this run.

    Raises:
        OutOfReachError: the context does not exist or kubectl cannot use it.
    """
    config, socket = directory / "context.json", directory / "api.sock"
    config.touch(mode=0o600)
    config.write_text(await _context(kubectl, kubeconfig, context))
    argv: list[str | Path] = [
        kubectl,
        f"--kubeconfig={config}",
        "proxy",
        f"--unix-socket={socket}",
        "--disable-filter=true",
    ]
    lines: list[str] = []
    proxy = asyncio.create_task(process.attempt(argv, on_line=lines.append, grace_s=0))
    try:
        await _wait_listening(proxy, lines, context)
        async with _client(socket) as client:
            yield Connection(socket, client)
    finally:
        proxy.cancel()
        await asyncio.gather(proxy, return_exceptions=True)


def _client(socket: Path) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(uds=str(socket))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=_TIMEOUT)


async def _context(kubectl: Path, kubeconfig: Path | None, context: str) -> str:
    source = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
    words = ["config", "view", "--minify", "--flatten", "--raw", "-o", "json"]
    try:
        text = await process.run([kubectl, *source, f"--context={context}", *words])
    except ProgramError as error:
        raise OutOfReachError(
            f"the Kubernetes context {context} cannot be used",
            where=str(kubeconfig or "your kubeconfig"),
            why=error.why,
            hint="See: kubectl config get-contexts",
        ) from error
    return text


async def _wait_listening(proxy: "asyncio.Task[process.Finished]", lines: list[str], context: str) -> None:
    deadline = Deadline(_PROXY_START_LIMIT_S)
    while not any("Starting to serve" in line for line in lines):
        if proxy.done() or deadline.passed:
            raise OutOfReachError(f"kubectl does not open the context {context}", why="\n".join(lines))
        await asyncio.sleep(0.01)


class Kube:
    """Requests to the API server. Objects are the JSON they are; paths are those of the API reference.

    Every method raises OutOfReachError when the API server did not decide (time-out, 429, 5xx), and
    ClusterError when it refused; `find` answers instead.
    """

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def find(self, path: str) -> Answer[Json]:
        """An object, or that it is absent, or that nobody can tell."""
        try:
            return Present(await self.request("GET", path))
        except OutOfReachError as error:
            return Unknown(error.why or error.what)
        except ClusterError as error:
            if is_status(error, httpx2.codes.NOT_FOUND):
                return Absent()
            return Unknown(error.why)

    async def list(self, path: str, *, labels: str = "", fields: str = "") -> tuple[list[Json], str]:
        """The objects of a collection, and its resource version to watch from."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        found = await self.request("GET", path, query={k: v for k, v in query.items() if v})
        return found["items"], found["metadata"]["resourceVersion"]

    async def create(self, path: str, body: Json) -> Json:
        return await self.request("POST", path, body=body)

    async def replace(self, path: str, body: Json) -> Json:
        """Write a whole object; refused as a conflict when its resourceVersion is not the current one."""
        return await self.request("PUT", path, body=body)

    async def patch(self, path: str, body: Json) -> Json:
        """Merge the fields of `body` into the object (RFC 7386)."""
        return await self.request("PATCH", path, body=body, content_type=_MERGE_PATCH)

    async def delete(self, path: str) -> None:
        """Delete an object; content when it is not there."""
        try:
            await self.request("DELETE", path)
        except ClusterError as error:
            if not is_status(error, httpx2.codes.NOT_FOUND):
                raise

    async def may(self, verb: str, resource: str, namespace: str, group: str = "") -> bool:
        """Whether the API server would permit the verb to us."""
        attributes = {"verb": verb, "resource": resource, "namespace": namespace, "group": group}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = await self.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    async def logs(
        self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False
    ) -> str:
        """The last lines of a container's log."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        response = await self._send("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query)
        return response.text

    async def watch(self, path: str, *, labels: str = "") -> AsyncIterator[tuple[str, Json]]:
        """Every object of a collection as ADDED, then each change as it comes, for ever.

        A stream that ends is opened again; a version that is too old starts from the list anew.
        """
        while True:
            items, version = await self.list(path, labels=labels)
            for item in items:
                yield "ADDED", item
            async for kind, item in self._stream(path, labels, version):
                yield kind, item

    async def _stream(self, path: str, labels: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """The changes after `version`, until the server says that it no longer knows that version."""
        while True:
            query = {"watch": "true", "resourceVersion": version, "labelSelector": labels}
            try:
                async with self._client.stream("GET", path, params=query, timeout=_WATCH_TIMEOUT) as response:
                    if not response.is_success:
                        return
                    async for line in response.aiter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            return
                        version = event["object"]["metadata"]["resourceVersion"]
                        yield event["type"], event["object"]
            except httpx2.HTTPError as error:
                raise _unreachable(f"GET {path}", error) from error

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Any request whose answer is JSON."""
        content = json.dumps(body).encode() if body is not None else None
        response = await self._send(method, path, content=content, query=query, content_type=content_type)
        answer: Json = response.json()
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> httpx2.Response:
        headers = {"Content-Type": content_type} if content else {}
        try:
            response = await self._client.request(
                method, path, content=content, params=query, headers=headers
            )
            response.raise_for_status()
        except httpx2.HTTPStatusError as error:
            raise _refusal(method, path, error) from error
        except httpx2.HTTPError as error:
            raise _unreachable(f"{method} {path}", error) from error
        return response


def is_status(error: ClusterError, code: int) -> bool:
    """Whether the API server answered with this HTTP status, e.g. 409 for a conflict."""
    cause = error.__cause__
    return isinstance(cause, httpx2.HTTPStatusError) and cause.response.status_code == code


def _unreachable(where: str, error: httpx2.HTTPError) -> OutOfReachError:
    why = str(error) or type(error).__name__
    return OutOfReachError(
        "the cluster does not answer", where=where, why=why, hint="Try again when it does."
    )


def _refusal(method: str, path: str, error: httpx2.HTTPStatusError) -> ClusterError | OutOfReachError:
    code, said = error.response.status_code, _message(error.response)
    if code >= _SERVER_ERROR or code in _UNDECIDED:
        return OutOfReachError(
            "the cluster cannot answer now", where=f"{method} {path}", why=f"HTTP {code}: {said}"
        )
    hint = {
        401: "Log in to the cluster again.",
        403: "Ask the cluster's administrator for this right.",
    }.get(code, "")
    return ClusterError(
        "the cluster refuses a request", where=f"{method} {path}", why=f"HTTP {code}: {said}", hint=hint
    )


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:300]
