"""An image registry, asked by manifest request and never by a pull (OCI distribution specification)."""

import asyncio
import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import httpx2

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients import process

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_TIMEOUT = httpx2.Timeout(20, connect=5)
_LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class _Login:
    user: str
    password: str


class Registry:
    """Asks registries with the logins of a Docker configuration directory, which is only read."""

    def __init__(self, docker_config: Path | None = None) -> None:
        default = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        self._config = docker_config or default

    async def find_digest(self, repository: str, tag: str) -> Answer[str]:
        """The digest of a tag. Only the registry's own 404 means absent."""
        host, _, name = repository.partition("/")
        url = f"{base_url(host)}/v2/{name}/manifests/{tag}"
        try:
            response = await self._head(host, name, url)
        except httpx2.HTTPError as error:
            return Unknown(f"{host}: {error or type(error).__name__}")
        digest = response.headers.get("Docker-Content-Digest", "")
        if response.status_code == httpx2.codes.OK and digest:
            return Present(digest)
        if response.status_code == httpx2.codes.NOT_FOUND:
            return Absent()
        return Unknown(f"{host} answers HTTP {response.status_code} for {name}:{tag}")

    async def find_fault(self, host: str) -> str:
        """Why a registry cannot be used, or "" when it answers; a demand for a login is an answer."""
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT) as client:
                status = (await client.get(f"{base_url(host)}/v2/")).status_code
        except httpx2.HTTPError as error:
            return str(error) or type(error).__name__
        return "" if status in {httpx2.codes.OK, httpx2.codes.UNAUTHORIZED} else f"HTTP {status}"

    async def _head(self, host: str, name: str, url: str) -> httpx2.Response:
        headers = {"Accept": _MANIFESTS}
        async with httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=True) as client:
            response = await client.head(url, headers=headers)
            challenge = response.headers.get("WWW-Authenticate", "")
            if response.status_code != httpx2.codes.UNAUTHORIZED or not challenge:
                return response
            authorization = await self._authorize(client, host, name, challenge)
            return await client.head(url, headers={**headers, "Authorization": authorization})

    async def _authorize(self, client: httpx2.AsyncClient, host: str, name: str, challenge: str) -> str:
        """Answer a Bearer challenge with a token for pulling, a Basic one with the login itself."""
        login = await self._find_login(host)
        basic = (
            f"Basic {base64.b64encode(f'{login.user}:{login.password}'.encode()).decode()}" if login else ""
        )
        if not challenge.startswith("Bearer"):
            return basic
        wanted = dict(_CHALLENGE.findall(challenge))
        query = {
            "service": wanted.get("service", ""),
            "scope": wanted.get("scope", f"repository:{name}:pull"),
        }
        headers = {"Authorization": basic} if basic else {}
        answer = await client.get(wanted["realm"], params=query, headers=headers)
        answer.raise_for_status()
        body = answer.json()
        return f"Bearer {body.get('token') or body.get('access_token')}"

    async def _find_login(self, host: str) -> _Login | None:
        file = self._config / "config.json"
        config = json.loads(file.read_text()) if file.is_file() else {}
        helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
        if helper:
            return await _ask_helper(helper, host)
        entry = config.get("auths", {}).get(host, {})
        if not entry.get("auth"):
            return None
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        return _Login(user, password)


def base_url(host: str) -> str:
    """Registries on this machine speak plain HTTP, as for Docker; all others HTTPS."""
    return f"http://{host}" if _LOCAL.fullmatch(host) else f"https://{host}"


async def _ask_helper(helper: str, host: str) -> _Login | None:
    """A Docker credential helper's answer; one that knows no login, or fails, means none."""
    done = await asyncio.wait_for(
        process.attempt([f"docker-credential-{helper}", "get"], stdin=host.encode()), timeout=20
    )
    if done.code != 0:
        return None
    answer = json.loads(done.stdout)
    return _Login(answer["Username"], answer["Secret"])
