"""Requests to one repository of an image registry: with a login when it is demanded, and what each answer decides."""

import re
import ssl
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

from hubops.clients.docker_config import Login, find_login
from hubops.clients.retry import UndecidedError, asked_wait_s

_LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_ALIASES = {"docker.io": "registry-1.docker.io"}
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_BUSY = {408, 425, 429}
_SERVER_ERROR = 500


def base_url(host: str) -> str:
    """Registries on this machine speak plain HTTP, as for Docker; all others HTTPS."""
    return f"http://{host}" if _LOCAL.fullmatch(host) else f"https://{_ALIASES.get(host, host)}"


@cache
def tls() -> ssl.SSLContext:
    """Read the machine's certificates once: it takes a noticeable part of a short run."""
    return httpx2.create_ssl_context()


@dataclass(frozen=True)
class Conversation:
    """Requests about repository `name` at `host`, for which `actions` of it are to be permitted.

    `config` is Docker's configuration directory; `tokens` keeps what logins gave, for conversations to come.
    """

    client: httpx2.AsyncClient
    config: Path
    host: str
    name: str
    actions: str
    tokens: MutableMapping[tuple[str, str, str], str]

    async def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, content: bytes = b""
    ) -> httpx2.Response:
        """The answer to a request below the repository: a success, "not found", or that a DELETE is not allowed.

        `path` may be a whole address, where the registry wants an upload to go to.

        Raises:
            UndecidedError: any other answer, also of the service that gives tokens.
            httpx2.HTTPError: none came.
            MachineError: the login cannot be read.
        """
        url = path if "://" in path else f"{base_url(self.host)}/v2/{self.name}/{path}"
        response = await self._request(method, url, headers, content)
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code == httpx2.codes.UNAUTHORIZED and challenge:
            self.tokens[self._key] = await self._authorize(challenge)
            response = await self._request(method, url, headers, content)
        deletes_nothing = method == "DELETE" and response.status_code == httpx2.codes.METHOD_NOT_ALLOWED
        if response.is_success or response.status_code == httpx2.codes.NOT_FOUND or deletes_nothing:
            return response
        raise _undecided(f"{self.host} answers HTTP {response.status_code} for {self.name}", response)

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.host, self.name, self.actions

    async def _request(
        self, method: str, url: str, headers: dict[str, str] | None, content: bytes
    ) -> httpx2.Response:
        # Nobody but the registry gets its token.
        token = self.tokens.get(self._key, "") if url.startswith(f"{base_url(self.host)}/") else ""
        login = {"Authorization": token} if token else {}
        return await self.client.request(
            method, url, headers={**(headers or {}), **login}, content=content or None
        )

    async def _authorize(self, challenge: str) -> str:
        """Answer a Bearer challenge with a token, a Basic one with the login itself."""
        login = await find_login(self.config, self.host)
        wanted = dict(_CHALLENGE.findall(challenge))
        if challenge.lower().startswith("bearer") and "realm" in wanted:
            return await self._fetch_token(wanted, login)
        if login is None:
            why = f"{self.host} wants a login, and Docker's configuration has none for it"
            raise UndecidedError(why, refused=True)
        return login.basic

    async def _fetch_token(self, wanted: dict[str, str], login: Login | None) -> str:
        asked = f"repository:{self.name}:{self.actions}"
        # What the registry itself asks for is enough, unless we are about to do more than this request.
        scope = asked if "push" in self.actions else wanted.get("scope", asked)
        query = {"service": wanted.get("service", ""), "scope": scope}
        if login and not login.user:
            form = {"grant_type": "refresh_token", "client_id": "hubops", **query}
            response = await self.client.post(
                wanted["realm"], data={**form, "refresh_token": login.secret.reveal()}
            )
        else:
            headers = {"Authorization": login.basic} if login else {}
            response = await self.client.get(wanted["realm"], params=query, headers=headers)
        if not response.is_success:
            said = f"{self.host}: its token service answers HTTP {response.status_code} for {self.name}"
            raise _undecided(said, response)
        return _token(response)


def _token(response: httpx2.Response) -> str:
    try:
        body: Any = response.json()
        return f"Bearer {body.get('token') or body['access_token']}"
    except (ValueError, KeyError, AttributeError) as error:
        why = f"{response.url.host}: the token service's answer is not understood"
        raise UndecidedError(why, refused=True) from error


def _undecided(reason: str, response: httpx2.Response) -> UndecidedError:
    busy = response.status_code in _BUSY or response.status_code >= _SERVER_ERROR
    return UndecidedError(reason, wait_s=asked_wait_s(response.headers) if busy else 0, refused=not busy)
