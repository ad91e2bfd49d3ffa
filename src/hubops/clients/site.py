"""Requests to one HTTP origin, such as a hub, whose failures are errors of ours."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from hubops.errors import HubError, OutOfReachError
from hubops.secret import Redactor, Secret

_REQUEST_TIMEOUT_S = 30.0  # the hub sends a blank line every 8 s on its longest answer, the progress
SHOWN = 300  # characters of a foreign answer that help a person
_TOKEN_HINT = "deploy the hub again, so that its service has today's token and role"  # noqa: S105 - a hint
# How JupyterHub answers when the role does not cover the name; then nobody can tell whether it exists.
NO_ACCESS = "No access to resources"


class Site:
    """One HTTP origin with one token: requests whose failures are errors of ours.

    Every method raises `OutOfReachError` when nothing, or nothing decided, came back (no connection,
    time-out, 429, 502 and above, a redirect), and `HubError` when the hub itself said no. The token is in no message.
    """

    def __init__(self, client: httpx2.AsyncClient, token: Secret | None = None) -> None:
        self.http = client
        self._redactor = Redactor([token] if token else [])

    async def send(
        self, method: str, path: str, *, body: Any = None, accept: tuple[int, ...] = (), kind: str = "*/*"
    ) -> httpx2.Response:
        """A response of the 2xx kind, or with a status of `accept`; `kind` is the media type asked for."""
        with self.mapped(f"{method} {path}"):
            response = await self.http.request(method, path, json=body, headers={"Accept": kind})
        if not response.is_success and response.status_code not in accept:
            raise self.refusal(response)
        return response

    def mapped(self, request: str) -> "_Mapped":
        """A `with` block in which transport errors of httpx2 become `OutOfReachError`."""
        return _Mapped(f"{request} at {self.http.base_url}", self._redactor)

    def refusal(self, response: httpx2.Response) -> HubError | OutOfReachError:
        """The error that an unwelcome response means."""
        where = f"{response.request.method} {response.request.url.copy_with(query=None)}"
        status, said = response.status_code, self._redactor.mask(_message_of(response))
        why = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        if status in {401, 403} or NO_ACCESS in said:
            return HubError("The hub refuses our service's request", where=where, why=why, hint=_TOKEN_HINT)
        if response.is_redirect or status == httpx2.codes.TOO_MANY_REQUESTS or status > 500:  # noqa: PLR2004
            hint = "look whether hub and proxy are running, then run again"
            return OutOfReachError("The hub gives no answer of its own", where=where, why=why, hint=hint)
        return HubError("The hub refuses a request", where=where, why=why, hint="see the hub's log")


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
            hint = "look whether the address is right and the proxy is running, then run again"
            raise OutOfReachError("The hub does not answer", where=self._where, why=why, hint=hint) from error


def _message_of(response: httpx2.Response) -> str:
    """The `message` of a JSON answer, else the beginning of its text when that is not a page."""
    try:
        text = response.text.strip()
        return str(json.loads(text)["message"])[:SHOWN]
    except httpx2.ResponseNotRead:  # the refused handshake of a web socket
        return ""
    except (ValueError, KeyError, TypeError):
        return "" if text.startswith("<") else text[:SHOWN]
