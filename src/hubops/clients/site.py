"""Requests to one HTTP origin, such as a hub, whose failures are errors of ours."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx2

from hubops.errors import HubError, OutOfReachError
from hubops.secret import Redactor, Secret

T = TypeVar("T")
_REQUEST_TIMEOUT_S = 30.0  # the hub sends a blank line every 8 s on its longest answer, the progress
# A proxy that restarted has its routes back in a second, of an older chart in 4.
_NO_ROUTE_PAUSES_S = (0.5, 1.0, 2.0)
SHOWN = 300  # characters of a foreign answer that help a person
_TOKEN_HINT = "Deploy the hub again, so that its service has today's token and role."  # noqa: S105 - a hint
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)
# How JupyterHub answers when the role does not cover the name; then nobody can tell whether it exists.
NO_ACCESS = "No access to resources"


class Site:
    """One HTTP origin with one token: requests whose failures are errors of ours.

    Every method raises `OutOfReachError` when nothing, or nothing decided, came back (no connection,
    time-out, 429, 502 and above, a redirect, a 404 of whatever stands before the hub), and `HubError` when
    the hub itself said no. The token is in no message.
    """

    def __init__(self, client: httpx2.AsyncClient, token: Secret | None = None) -> None:
        self.http = client
        self._redactor = Redactor([token] if token else [])

    async def send(
        self, method: str, path: str, *, body: Any = None, accept: tuple[int, ...] = (), kind: str = "*/*"
    ) -> httpx2.Response:
        """A response of the 2xx kind, or with a status of `accept`; `kind` is the media type asked for.

        What met no route did not get to the hub, and is sent again for some seconds: on a new connection, for an edge that
        was replaced goes on answering on the old one.
        """
        response = await self._send(method, path, body, {"Accept": kind})
        for pause_s in _NO_ROUTE_PAUSES_S:
            if not _has_no_route(response):
                break
            await asyncio.sleep(pause_s)
            response = await self._send(method, path, body, {"Accept": kind, "Connection": "close"})
        accepted = response.status_code in accept and not _has_no_route(response)
        if not response.is_success and not accepted:
            raise self.refusal(response)
        return response

    async def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> httpx2.Response:
        with self.mapped(f"{method} {path}"):
            return await self.http.request(method, path, json=body, headers=headers)

    def mapped(self, request: str) -> "_Mapped":
        """A `with` block in which transport errors of httpx2 become `OutOfReachError`."""
        return _Mapped(f"{request} at {self.http.base_url}", self._redactor)

    def read(self, answer: httpx2.Response, parse: Callable[[Any], T]) -> T:
        """What `parse` finds in the JSON of an answer.

        Raises:
            OutOfReachError: it is something else. A default backend or a landing page says 200 to everything.
        """
        try:
            return parse(answer.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            where = f"{answer.request.method} {answer.request.url.copy_with(query=None)}"
            why = f"it answered {self._redactor.mask(answer.text[:SHOWN])!r}"
            hint = "Look whether the address is right, and what stands before the hub, then run again."
            raise OutOfReachError("No hub answers at its address", where=where, why=why, hint=hint) from error

    def refusal(self, response: httpx2.Response) -> HubError | OutOfReachError:
        """The error that an unwelcome response means."""
        where = f"{response.request.method} {response.request.url.copy_with(query=None)}"
        status, said = response.status_code, self._redactor.mask(_message_of(response))
        why = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        waits = response.is_redirect or status == httpx2.codes.TOO_MANY_REQUESTS or _has_no_route(response)
        if waits or _is_anothers(response) or status > 500:  # noqa: PLR2004 - a plain 500 is the hub's own failure
            hint = "Look whether hub and proxy are running, and what stands before them, then run again."
            return OutOfReachError("The hub gives no answer of its own", where=where, why=why, hint=hint)
        if status in {401, 403} or NO_ACCESS in said:
            return HubError("The hub refuses our service's request", where=where, why=why, hint=_TOKEN_HINT)
        return HubError(
            "The hub refuses a request", where=where, why=why, hint="See the hub's log: hubops logs HUB"
        )


def make_client(url: str, headers: Mapping[str, str]) -> httpx2.AsyncClient:
    """A client of the origin and path `url`."""
    host = httpx2.URL(url).host
    # A proxy of the environment cannot reach what listens on this machine.
    loopback = host in {"localhost", "::1"} or host.startswith("127.")
    base = url.rstrip("/") + "/"
    return httpx2.AsyncClient(
        base_url=base,
        headers=dict(headers),
        timeout=_REQUEST_TIMEOUT_S,
        trust_env=not loopback,
        verify=base.startswith("https:"),  # else the certificates are read for nothing
    )


class _Mapped:
    def __init__(self, where: str, redactor: Redactor) -> None:
        self._where = where
        self._redactor = redactor

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (httpx2.HTTPError, httpx2.StreamError, json.JSONDecodeError)):
            why = self._redactor.mask(f"{type(error).__name__} {error}".strip())
            hint = "Look whether the address is right and the proxy is running, then run again."
            raise OutOfReachError("The hub does not answer", where=self._where, why=why, hint=hint) from error


def _has_no_route(response: httpx2.Response) -> bool:
    """Whether it is a page that says "not found", where hub and servers say so in JSON.

    The proxy sends it for every path between its own start and the hub's next look at its routes.
    """
    return response.status_code == httpx2.codes.NOT_FOUND and _is_page(response)


def _is_anothers(response: httpx2.Response) -> bool:
    """Whether it is a page of something before the hub: an Ingress's login, a firewall, a proxy without routes."""
    return _is_page(response) and "X-JupyterHub-Version" not in response.headers


def _is_page(response: httpx2.Response) -> bool:
    """Whether it is no JSON object, as which hub and servers answer a program."""
    try:
        return not isinstance(response.json(), dict)
    except httpx2.ResponseNotRead:  # the refused handshake of a web socket
        return False
    except ValueError:
        return True


def _message_of(response: httpx2.Response) -> str:
    """The `message` of a JSON answer, what kind of page it is, else the beginning of the text."""
    try:
        text = response.text.strip()
        return str(json.loads(text)["message"])[:SHOWN]
    except httpx2.ResponseNotRead:  # the refused handshake of a web socket
        return ""
    except (ValueError, KeyError, TypeError):
        return text[:SHOWN] if text and not text.startswith("<") else _page_of(response, text)


def _page_of(response: httpx2.Response, text: str) -> str:
    """What tells who answered instead of the hub: a page's title, or the name of the server that said nothing."""
    title, server = _TITLE.search(text), response.headers.get("server", "")
    named = f"a page, {title[1].strip()!r}" if title else ("a page" if text else "an empty answer")
    return (f"{named}, of {server}" if server else named)[:SHOWN]
