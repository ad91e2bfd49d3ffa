"""An image registry, asked by manifest request and never by a pull (OCI distribution specification)."""

import hashlib
import os
import re
import ssl
from functools import cache
from pathlib import Path

import httpx2

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients.docker_config import Login, find_login
from hubops.errors import MachineError

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_TIMEOUT_S = 20
_CONNECT_TIMEOUT_S = 5
_LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_ALIASES = {"docker.io": "registry-1.docker.io"}


@cache
def _tls() -> ssl.SSLContext:
    """Read the machine's certificates once: it takes a noticeable part of a short run."""
    return httpx2.create_ssl_context()


class Registry:
    """Asks registries with the logins of a Docker configuration directory, which is only read."""

    def __init__(self, docker_config: Path | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        default = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        self._config = docker_config or default
        self._timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))

    async def find_digest(self, repository: str, tag: str) -> Answer[str]:
        """The digest of a tag. Only the registry's own 404 means absent."""
        host, _, name = repository.partition("/")
        try:
            async with self._client() as client:
                response = await self._request(client, host, name, tag)
        except (httpx2.HTTPError, httpx2.InvalidURL, MachineError) as error:
            return Unknown(f"{host}: {error or type(error).__name__}")
        if response.status_code == httpx2.codes.OK:
            return Present(_digest(response))
        if response.status_code == httpx2.codes.NOT_FOUND:
            return Absent()
        return Unknown(f"{host} answers HTTP {response.status_code} for {name}:{tag}")

    async def find_fault(self, host: str) -> str:
        """Why a registry cannot be used, or "" when it answers; a demand for a login is an answer."""
        try:
            async with self._client() as client:
                status = (await client.get(f"{base_url(host)}/v2/")).status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return str(error) or type(error).__name__
        return "" if status in {httpx2.codes.OK, httpx2.codes.UNAUTHORIZED} else f"HTTP {status}"

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(timeout=self._timeout, follow_redirects=True, verify=_tls())

    async def _request(self, client: httpx2.AsyncClient, host: str, name: str, tag: str) -> httpx2.Response:
        """HEAD, with a login when it is demanded; GET where the digest has to be counted from the content."""
        url, headers = f"{base_url(host)}/v2/{name}/manifests/{tag}", {"Accept": _MANIFESTS}
        response = await client.head(url, headers=headers)
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code == httpx2.codes.UNAUTHORIZED and challenge:
            login = await find_login(self._config, host)
            headers["Authorization"] = await _authorize(client, name, challenge, login)
            response = await client.head(url, headers=headers)
        if response.status_code == httpx2.codes.OK and "Docker-Content-Digest" not in response.headers:
            return await client.get(url, headers=headers)
        return response


async def _authorize(client: httpx2.AsyncClient, name: str, challenge: str, login: Login | None) -> str:
    """Answer a Bearer challenge with a token for pulling, a Basic one with the login itself.

    Raises:
        httpx2.HTTPError: the token service refuses, or is out of reach.
    """
    wanted = dict(_CHALLENGE.findall(challenge))
    if not challenge.lower().startswith("bearer") or "realm" not in wanted:
        return login.basic if login else ""
    query = {"service": wanted.get("service", ""), "scope": wanted.get("scope", f"repository:{name}:pull")}
    if login and not login.user:
        form = {"grant_type": "refresh_token", "client_id": "hubops", **query}
        response = await client.post(wanted["realm"], data={**form, "refresh_token": login.secret.reveal()})
    else:
        headers = {"Authorization": login.basic} if login else {}
        response = await client.get(wanted["realm"], params=query, headers=headers)
    response.raise_for_status()
    try:
        body = response.json()
        return f"Bearer {body.get('token') or body['access_token']}"
    except (ValueError, KeyError, AttributeError) as error:
        raise httpx2.DecodingError("the token service's answer is not understood") from error


def _digest(response: httpx2.Response) -> str:
    given: str = response.headers.get("Docker-Content-Digest", "")
    return given or f"sha256:{hashlib.sha256(response.content).hexdigest()}"


def base_url(host: str) -> str:
    """Registries on this machine speak plain HTTP, as for Docker; all others HTTPS."""
    return f"http://{host}" if _LOCAL.fullmatch(host) else f"https://{_ALIASES.get(host, host)}"
