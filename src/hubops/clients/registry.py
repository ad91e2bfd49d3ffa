"""An image registry, asked by manifest request and never by a pull (OCI distribution specification)."""

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from hubops.answer import Answer, Unknown
from hubops.clients import registry_questions as questions
from hubops.clients.registry_http import Conversation, base_url, tls
from hubops.clients.retry import Patience, UndecidedError
from hubops.errors import MachineError, OutOfReachError

__all__ = ["BRIEFLY_S", "Registry", "base_url"]

T = TypeVar("T")
# How long a registry that cannot tell is asked again: where an error follows, and where only some work is lost.
_LIMIT_S, BRIEFLY_S = 60.0, 5.0
_TIMEOUT_S = 20
_CONNECT_TIMEOUT_S = 5


class Registry:
    """Asks registries with the logins of a Docker configuration directory, which is only read.

    One that cannot tell (401 in spite of a login, 403, 429, 5xx, silence) is asked again for a while.
    """

    def __init__(
        self,
        docker_config: Path | None = None,
        timeout_s: float = _TIMEOUT_S,
        patience: Patience | None = None,
    ) -> None:
        default = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        self._config = docker_config or default
        self._timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        self._patience = patience or Patience()
        self._tokens: dict[tuple[str, str, str], str] = {}

    async def find_digest(
        self, repository: str, tag: str, *, push: bool = False, limit_s: float = _LIMIT_S
    ) -> Answer[str]:
        """The digest of a tag, or of a digest. Only the registry's own 404 means absent.

        `push` asks with the right to push: some registries tell nobody else that they lack something.
        """
        actions = "pull,push" if push else "pull"
        return await self.ask(repository, lambda talk: questions.find_digest(talk, tag), actions, limit_s)

    async def read_manifest(self, repository: str, digest: str) -> Answer[dict[str, Any]]:
        """The manifest or index of that digest."""
        return await self.ask(repository, lambda talk: questions.read_manifest(talk, digest))

    async def read_tags(self, repository: str) -> Answer[dict[str, str]]:
        """Every tag and its digest; absent where there is no such repository."""
        return await self.ask(repository, questions.read_tags)

    async def delete(self, repository: str, digest: str) -> None:
        """Delete a manifest with every tag of it; content when it is not there.

        Raises:
            OutOfReachError: nobody can tell whether it is gone.
            RegistryError: the registry deletes nothing.
        """
        done = await self.ask(repository, lambda talk: questions.delete(talk, digest), "pull,delete")
        if isinstance(done, Unknown):
            what = f"nobody can tell whether {repository}@{digest} was deleted"
            raise OutOfReachError(what, why=done.reason, hint="Run it again.")

    async def find_fault(self, host: str) -> str:
        """Why a registry cannot be used, or "" when it answers; a demand for a login is an answer."""
        try:
            async with self._client() as client:
                status = (await client.get(f"{base_url(host)}/v2/")).status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return str(error) or type(error).__name__
        return "" if status in {httpx2.codes.OK, httpx2.codes.UNAUTHORIZED} else f"HTTP {status}"

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(timeout=self._timeout, follow_redirects=True, verify=tls())

    async def ask(
        self,
        repository: str,
        question: Callable[[Conversation], Awaitable[Answer[T]]],
        actions: str = "pull",
        limit_s: float = _LIMIT_S,
    ) -> Answer[T]:
        """Ask until the registry decides. A question is asked anew as a whole, with its login."""
        host, _, name = repository.partition("/")

        async def attempt() -> Answer[T]:
            try:
                async with self._client() as client:
                    return await question(
                        Conversation(client, self._config, host, name, actions, self._tokens)
                    )
            except httpx2.HTTPError as error:
                reason = f"{host}: {error or type(error).__name__}"
                raise UndecidedError(reason, refused=_is_nowhere(error)) from error

        try:
            return await self._patience.ask(host, attempt, limit_s)
        except (UndecidedError, httpx2.InvalidURL, MachineError) as error:
            return Unknown(str(error))


def _is_nowhere(error: BaseException | None) -> bool:
    """Whether there is no machine of the registry's name, which does not change while we wait."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.errno == socket.EAI_NONAME
        error = error.__cause__ or error.__context__
    return False
