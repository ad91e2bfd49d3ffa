"""A JupyterHub's REST API (version 5) and its login form, as far as a probe needs them."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from hubops.errors import HubError, OutOfReachError
from hubops.secret import Redactor, Secret

_REQUEST_TIMEOUT_S = 30.0  # the hub sends a blank line every 8 s on its longest answer, the progress
_SHOWN = 300  # characters of a foreign answer that help a person
_TOKEN_HINT = "deploy the hub again, so that its service has today's token and role"  # noqa: S105 - a hint
# kubernetes_asyncio's ApiException as text.
_API_ANSWER = re.compile(r"HTTP response body: (\{.*\})", re.DOTALL)
# How JupyterHub answers when the role does not cover the name; then nobody can tell whether it exists.
_NO_ACCESS = "No access to resources"
_PAGE = 200  # people; the hub's own limit (api_page_max_limit) may be lower, and then counts
_PAGES = "application/jupyterhub-pagination+json"


@dataclass(frozen=True)
class ServerState:
    """A user's default server as the hub knows it. `pending` is "spawn", "stop" or ""."""

    ready: bool
    pending: str


_STOPPED = ServerState(ready=False, pending="")


@dataclass(frozen=True)
class Person:
    """Somebody whom the hub knows; `servers` are those that run, start or stop, the default one under ""."""

    name: str
    admin: bool
    servers: Mapping[str, ServerState]


@dataclass(frozen=True)
class Progress:
    """One message about a starting server; `reason` and `pod` (its uid) are those of the event behind it, if any."""

    message: str
    reason: str = ""
    pod: str = ""
    ready: bool = False
    failed: bool = False


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
        if status in {401, 403} or _NO_ACCESS in said:
            return HubError("The hub refuses our service's request", where=where, why=why, hint=_TOKEN_HINT)
        if response.is_redirect or status == httpx2.codes.TOO_MANY_REQUESTS or status > 500:  # noqa: PLR2004
            hint = "look whether hub and proxy are running, then run again"
            return OutOfReachError("The hub gives no answer of its own", where=where, why=why, hint=hint)
        return HubError("The hub refuses a request", where=where, why=why, hint="see the hub's log")


class Hub:
    """A hub's REST API, with the rights of a service's token. Errors as `Site` says."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def version(self) -> str:
        answer = await self.site.send("GET", "hub/api/")
        try:
            return str(answer.json()["version"])
        except (ValueError, KeyError, TypeError) as error:
            # A default backend or a landing page says 200 to everything.
            where, why = str(answer.request.url), f"it answered {answer.text[:_SHOWN]!r}"
            raise OutOfReachError("No hub answers at its address", where=where, why=why) from error

    async def list_people(self) -> list[Person]:
        """Everybody whom the hub knows and our role may see."""
        found: list[Person] = []
        page: Mapping[str, Any] | None = {"offset": 0, "limit": _PAGE}
        while page:
            path = f"hub/api/users?offset={page['offset']}&limit={page['limit']}"
            answer = (await self.site.send("GET", path, kind=_PAGES)).json()
            found += map(_person_of, answer["items"])
            page = answer["_pagination"]["next"]
        return found

    async def find_person(self, user: str) -> Person | None:
        """The person; None when there is none of that name."""
        answer = await self.site.send("GET", _user(user), accept=(404,))
        if answer.status_code == httpx2.codes.NOT_FOUND:
            if _NO_ACCESS in answer.text:
                raise self.site.refusal(answer)
            return None
        return _person_of(answer.json())

    async def find_server(self, user: str) -> ServerState | None:
        """The user's default server, stopped or not; None when there is no such user."""
        person = await self.find_person(user)
        return person.servers.get("", _STOPPED) if person else None

    async def create_user(self, user: str) -> None:
        await self.site.send("POST", _user(user))

    async def delete_user(self, user: str) -> None:
        """Delete a person without servers, and so their tokens, sessions and roles; not their home.

        The home goes as well where KubeSpawner.delete_pvc is on, which it is by itself.
        """
        await self.site.send("DELETE", _user(user))

    async def start_server(self, user: str, options: Mapping[str, Any]) -> None:
        """Ask for the server; `progress` tells what becomes of it. `options` is the spawn form's data."""
        await self.site.send("POST", f"{_user(user)}/server", body=dict(options))

    async def stop_server(self, user: str, server: str = "") -> None:
        """Ask a server to stop, or a start to be given up; `find_person` tells when it is done."""
        path = f"servers/{quote(server, safe='')}" if server else "server"
        await self.site.send("DELETE", f"{_user(user)}/{path}")

    async def progress(self, user: str) -> AsyncGenerator[Progress]:
        """Messages of the running start, from its beginning; ends when the hub closes the stream.

        Raises:
            HubError: nothing is starting (400), and as `Site` says.
        """
        path = f"{_user(user)}/server/progress"
        with self.site.mapped(f"GET {path}"):
            async with self.site.http.stream("GET", path) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise self.site.refusal(answer)
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        yield _progress_of(json.loads(line.removeprefix("data:")))


async def log_in(url: str, username: str, password: Secret) -> bool:
    """Send the hub's login form as a browser does; whether the hub then knows the person.

    The session is left as it is: logging out may stop the person's servers (`shutdown_on_logout`).

    Raises:
        HubError: there is no login form.
        OutOfReachError: the hub gave no answer.
    """
    async with _client(url, {}) as http:
        site = Site(http, password)
        form = await site.send("GET", "hub/login", accept=(302,))
        token = next((cookie.value for cookie in http.cookies.jar if cookie.name == "_xsrf"), None)
        if 'type="password"' not in form.text or not token:
            why = f"HTTP {form.status_code} without a field for a password"
            raise HubError("The hub shows no login form", where=str(form.request.url), why=why)
        fields = {"username": username, "password": password.reveal(), "_xsrf": token}
        with site.mapped("POST hub/login"):
            answer = await http.post("hub/login", data=fields)
        if answer.status_code not in {302, 403}:
            raise site.refusal(answer)
        # 302 alone is no proof. Following it would start a server; the home page starts nothing.
        home = await site.send("GET", "hub/home", accept=(302,))
        return answer.is_redirect and home.is_success


@asynccontextmanager
async def open_hub(url: str, token: Secret) -> AsyncIterator[Hub]:
    """The hub whose base URL (with its `base_url` path) is `url`; connections are closed at the end."""
    async with _client(url, {"Authorization": f"Bearer {token.reveal()}"}) as http:
        yield Hub(Site(http, token))


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


def _client(url: str, headers: dict[str, str]) -> httpx2.AsyncClient:
    host = httpx2.URL(url).host
    # A proxy of the environment cannot reach what listens on this machine.
    loopback = host in {"localhost", "::1"} or host.startswith("127.")
    base = url.rstrip("/") + "/"
    return httpx2.AsyncClient(
        base_url=base,
        headers=headers,
        timeout=_REQUEST_TIMEOUT_S,
        trust_env=not loopback,
        verify=base.startswith("https:"),  # else the certificates are read for nothing
    )


def _user(name: str) -> str:
    return f"hub/api/users/{quote(name, safe='')}"


def _person_of(model: Mapping[str, Any]) -> Person:
    servers = {
        name: ServerState(ready=bool(server.get("ready")), pending=str(server.get("pending") or ""))
        for name, server in model.get("servers", {}).items()
    }
    return Person(str(model["name"]), bool(model.get("admin")), servers)


def _message_of(response: httpx2.Response) -> str:
    """The `message` of a JSON answer, else the beginning of its text when that is not a page."""
    try:
        text = response.text.strip()
        return str(json.loads(text)["message"])[:_SHOWN]
    except httpx2.ResponseNotRead:  # the refused handshake of a web socket
        return ""
    except (ValueError, KeyError, TypeError):
        return "" if text.startswith("<") else text[:_SHOWN]


def _plain(message: str) -> str:
    """What the API server said, where KubeSpawner shows its whole answer."""
    body = _API_ANSWER.search(message)
    try:
        return f"{message.partition(chr(10))[0]} {json.loads(body[1])['message']}" if body else message
    except (ValueError, KeyError, TypeError):
        return message


def _progress_of(event: Mapping[str, Any]) -> Progress:
    raw = event.get("raw_event") or {}
    return Progress(
        _plain(str(event.get("message", "")).strip()),
        reason=str(raw.get("reason") or ""),
        pod=str((raw.get("involvedObject") or {}).get("uid") or ""),
        ready=bool(event.get("ready")),
        failed=bool(event.get("failed")),
    )
