"""The Kubernetes API: JSON over what kubectl opened (docs/adr/0003)."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence

import httpx2

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.kubectl import Connection, Json, NotConnectedError, connect
from hubops.clients.retry import asked_wait_s
from hubops.deadline import Deadline
from hubops.errors import ClusterError, OutOfReachError

__all__ = ["Connection", "Json", "Kube", "connect", "is_status"]
# The API server ends a watch after this long; a stream that is silent for longer is dead. Bookmarks come
# about every minute.
_WATCH_S = 240
_WATCH_TIMEOUT = httpx2.Timeout(_WATCH_S + 30, connect=5)
_RECONNECT_S = 1.0
# An API server that says 429 with Retry-After has not begun with the request.
_TRIES_WHEN_BUSY = 3
_PAUSE_MAX_S = 5.0
# How long a watch waits for a cluster that stopped answering: an API server restarts in less.
_PATIENCE_S = 120
_MERGE_PATCH = "application/merge-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_SERVER_ERROR = 500
# The API server or something before it is overloaded or cannot tell; only 404 means absent.
# How kubectl, through which we speak, says that it got no connection.
_NO_CONNECTION = "dial tcp"
_UNDECIDED = {408, 425, 429}


class Kube:
    """Requests to the API server. Objects are the JSON they are; paths are those of the API reference.

    Every method raises OutOfReachError when the API server did not decide (time-out, 429, 5xx), and
    ClusterError when it refused; `find` answers instead. Without a way to the cluster both raise.
    """

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def find(self, path: str) -> Answer[Json]:
        """An object, or that it is absent, or that nobody can tell."""
        try:
            return Present(await self.request("GET", path))
        except NotConnectedError:
            raise
        except OutOfReachError as error:
            return Unknown(error.why or error.what)
        except ClusterError as error:
            if is_status(error, httpx2.codes.NOT_FOUND):
                return Absent()
            return Unknown(error.why)

    async def list(
        self, path: str, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> tuple[list[Json], str]:
        """The objects of a collection, or their metadata alone, and its resource version to watch from."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        headers = {"Accept": _METADATA_ONLY} if metadata_only else None
        response = await self._send("GET", path, query={k: v for k, v in query.items() if v}, headers=headers)
        found = _json(response)
        return found["items"] or [], found["metadata"]["resourceVersion"]

    async def create(self, path: str, body: Json) -> Json:
        return await self.request("POST", path, body=body)

    async def replace(self, path: str, body: Json) -> Json:
        """Write a whole object; refused as a conflict when its resourceVersion is not the current one."""
        return await self.request("PUT", path, body=body)

    async def patch(self, path: str, body: Json) -> Json:
        """Merge the fields of `body` into the object (RFC 7386)."""
        return await self.request("PATCH", path, body=body, content_type=_MERGE_PATCH)

    async def delete(self, path: str, *, uid: str = "") -> None:
        """Delete an object; content when it is not there. With `uid` only that one, else it is a conflict."""
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            await self.request("DELETE", path, body=body)
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

    async def rules(self, namespace: str) -> Sequence[Json]:
        """The rules that permit something to us in a namespace; not all where another than RBAC decides."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        answer = await self.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
        rules: Sequence[Json] = answer["status"]["resourceRules"]
        return rules

    async def logs(
        self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False
    ) -> str:
        """The last lines of a container's log."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        response = await self._send("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=query)
        return response.text

    async def stream(
        self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        """An answer that is no JSON, in the pieces in which it comes; one that is cut off is an OutOfReachError."""
        try:
            async with self._client.stream(
                "GET", path, params=query, headers=headers, timeout=_WATCH_TIMEOUT
            ) as response:
                if not response.is_success:
                    await response.aread()
                    response.raise_for_status()
                async for piece in response.aiter_raw():
                    yield piece
        except httpx2.HTTPStatusError as error:
            raise _refusal("GET", path, error) from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise _unreachable(f"GET {path}", error) from error

    async def send(
        self, path: str, content: bytes, *, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Json:
        """POST bytes to what is behind the API server, a pod; its answer is JSON and may take as long as a watch."""
        response = await self._send(
            "POST", path, content=content, query=query, headers=headers, timeout=_WATCH_TIMEOUT
        )
        return _json(response)

    async def watch(self, path: str, *, labels: str = "") -> AsyncIterator[tuple[str, Json]]:
        """Every object of a collection as ADDED, then each change as it comes, for ever.

        A stream that ends is opened again. When the server no longer knows where we were, the list is
        read anew, and what vanished meanwhile is DELETED. A cluster that stops answering is waited for,
        two minutes; one that does not answer from the start is not.
        """
        known: dict[str, Json] = {}
        version = ""
        lost: Deadline | None = Deadline(0)
        while True:
            try:
                if not version:
                    items, version = await self.list(path, labels=labels)
                    lost = None
                    for change in _changes(known, items):
                        yield change
                async for kind, item in self._stream(path, labels, version):
                    lost, version = None, item["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        _remember(known, kind, item)
                        yield kind, item
                lost = None
            except _VersionGoneError:
                version = ""
            except OutOfReachError:
                lost = lost or Deadline(_PATIENCE_S)
                if lost.passed:
                    raise
            await asyncio.sleep(_RECONNECT_S)

    async def _stream(self, path: str, labels: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """The changes after `version`, until the server ends the stream."""
        query = {"watch": "true", "resourceVersion": version, "labelSelector": labels}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_S)}
        try:
            async with self._client.stream("GET", path, params=query, timeout=_WATCH_TIMEOUT) as response:
                if response.status_code == httpx2.codes.GONE:
                    raise _VersionGoneError
                if not response.is_success:
                    await response.aread()
                    response.raise_for_status()
                async for line in _lines(response):
                    yield _change(line)
        except httpx2.HTTPStatusError as error:
            raise _refusal("GET", path, error) from error
        except (httpx2.HTTPError, httpx2.StreamError, json.JSONDecodeError) as error:
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
        return _json(response)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,  # noqa: ASYNC109 - of one answer, not of the whole
    ) -> httpx2.Response:
        headers = {**({"Content-Type": content_type} if content else {}), **(headers or {})}
        pauses = iter(range(_TRIES_WHEN_BUSY))
        try:
            while True:
                response = await self._client.request(
                    method,
                    path,
                    content=content,
                    params=query,
                    headers=headers,
                    timeout=timeout or self._client.timeout,
                )
                pause_s = _pause_s(response)
                if not pause_s or next(pauses, None) is None:
                    break
                await asyncio.sleep(pause_s)
            response.raise_for_status()
        except httpx2.HTTPStatusError as error:
            raise _refusal(method, path, error) from error
        except httpx2.HTTPError as error:
            raise _unreachable(f"{method} {path}", error) from error
        return response


def _json(response: httpx2.Response) -> Json:
    """The object of an answer, where it is one: what stands before an API server may answer with a page."""
    try:
        answer: Json = response.json()
    except ValueError as error:
        raise _unreachable(f"{response.request.method} {response.request.url.path}", error) from error
    return answer


def is_status(error: ClusterError, code: int) -> bool:
    """Whether the API server answered with this HTTP status, e.g. 409 for a conflict."""
    cause = error.__cause__
    return isinstance(cause, httpx2.HTTPStatusError) and cause.response.status_code == code


class _VersionGoneError(Exception):
    """The server no longer knows the version that a watch wants to go on from."""


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Lines end at a newline only: httpx's own also end at U+0085 and its like, which JSON may contain."""
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line


def _change(line: bytes) -> tuple[str, Json]:
    event = json.loads(line)
    kind, item = event["type"], event["object"]
    if kind != "ERROR":
        return kind, item
    if item.get("code") == httpx2.codes.GONE:
        raise _VersionGoneError
    raise OutOfReachError("the cluster ends a watch", why=item.get("message", ""))


def _remember(known: dict[str, Json], kind: str, item: Json) -> None:
    if kind == "DELETED":
        known.pop(item["metadata"]["uid"], None)
    else:
        known[item["metadata"]["uid"]] = item


def _changes(known: dict[str, Json], items: Iterable[Json]) -> list[tuple[str, Json]]:
    """A list told as changes of what was known, which is brought up to date."""
    present = {item["metadata"]["uid"]: item for item in items}
    vanished = [item for uid, item in known.items() if uid not in present]
    known.clear()
    known.update(present)
    return [("DELETED", item) for item in vanished] + [("ADDED", item) for item in present.values()]


def _pause_s(response: httpx2.Response) -> float:
    """How long an overloaded API server asks us to wait before the same request; 0 when it does not ask."""
    busy = response.status_code in {httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE}
    return min(asked_wait_s(response.headers), _PAUSE_MAX_S) if busy else 0


def _unreachable(where: str, error: Exception) -> OutOfReachError:
    why = str(error) or type(error).__name__
    return OutOfReachError(
        "the cluster does not answer", where=where, why=why, hint="Try again when it does."
    )


def _refusal(method: str, path: str, error: httpx2.HTTPStatusError) -> ClusterError | OutOfReachError:
    code, said = error.response.status_code, _message(error.response)
    if _NO_CONNECTION in said:
        return _unreachable(f"{method} {path}", ConnectionError(said))
    if code >= _SERVER_ERROR or code in _UNDECIDED:
        return OutOfReachError(
            "the cluster cannot answer now",
            where=f"{method} {path}",
            why=f"HTTP {code}: {said}",
            hint="Run it again in a while.",
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
