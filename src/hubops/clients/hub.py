"""A JupyterHub's REST API (version 5) and its login form, as far as a probe and a deploy of people need them."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from hubops.clients.site import NO_ACCESS, Site, make_client
from hubops.errors import HubError
from hubops.secret import Secret

# kubernetes_asyncio's ApiException as text.
_API_ANSWER = re.compile(r"HTTP response body: (\{.*\})", re.DOTALL)
_PAGE = 200  # people; the hub's own limit (api_page_max_limit) may be lower, and then counts
_PAGES = "application/jupyterhub-pagination+json"


@dataclass(frozen=True)
class ServerState:
    """A user's server as the hub knows it. `pending` is "spawn", "stop" or ""."""

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


class Hub:
    """A hub's REST API, with the rights of a service's token. Errors as `Site` says."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def version(self) -> str:
        return self.site.read(await self.site.send("GET", "hub/api/"), lambda said: str(said["version"]))

    async def list_people(self) -> list[Person]:
        """Everybody whom the hub knows and our role may see."""
        found: list[Person] = []
        page: Mapping[str, Any] | None = {"offset": 0, "limit": _PAGE}
        while page:
            path = f"hub/api/users?offset={page['offset']}&limit={page['limit']}"
            people, page = self.site.read(await self.site.send("GET", path, kind=_PAGES), _page_of)
            found += people
        return found

    async def find_person(self, user: str) -> Person | None:
        """The person; None when there is none of that name."""
        answer = await self.site.send("GET", _user(user), accept=(404,))
        if answer.status_code == httpx2.codes.NOT_FOUND:
            if NO_ACCESS in answer.text:
                raise self.site.refusal(answer)
            return None
        return self.site.read(answer, _person_of)

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
    async with make_client(url, {}) as http:
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
    async with make_client(url, {"Authorization": f"Bearer {token.reveal()}"}) as http:
        yield Hub(Site(http, token))


def _user(name: str) -> str:
    return f"hub/api/users/{quote(name, safe='')}"


def _page_of(said: Mapping[str, Any]) -> tuple[list[Person], Mapping[str, Any] | None]:
    """Some people, and where to go on."""
    return [_person_of(model) for model in said["items"]], said["_pagination"]["next"]


def _person_of(model: Mapping[str, Any]) -> Person:
    servers = {
        name: ServerState(ready=bool(server.get("ready")), pending=str(server.get("pending") or ""))
        for name, server in model.get("servers", {}).items()
    }
    return Person(str(model["name"]), bool(model.get("admin")), servers)


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
