"""Logins to image registries as Docker keeps them: its config.json and credential helpers, read only."""

import asyncio
import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubops.clients import process
from hubops.errors import MachineError
from hubops.secret import Secret

# Docker keeps the login of its own registry under this name, whatever address is used.
_DOCKER_HUB = "docker.io"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_LIMIT_S = 20
# What a helper prints when it works but has no login, as docker-credential-helpers fixes it.
_NOT_FOUND = "credentials not found in native keychain"
_IS_TOKEN = "<token>"  # noqa: S105 - the user name that stands for "the secret is a refresh token"


@dataclass(frozen=True)
class Login:
    """A user's password, or a refresh token when there is no user."""

    user: str
    secret: Secret

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.user}:{self.secret.reveal()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


async def find_login(directory: Path, host: str) -> Login | None:
    """The login for a registry, by Docker's order: its own helper, the common helper, the file.

    Raises:
        MachineError: the file is damaged, or a helper is missing or fails.
    """
    config = _read(directory / "config.json")
    key = _DOCKER_HUB_KEY if host == _DOCKER_HUB else host
    helper = config.get("credHelpers", {}).get(key) or config.get("credsStore")
    if helper:
        return await _ask(helper, key)
    entries = config.get("auths", {})
    names = (key, f"https://{key}", f"https://{key}/v1/")
    entry: dict[str, str] = next((entries[name] for name in names if name in entries), {})
    return _decode(entry, directory)


def _read(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text()) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise MachineError(
            "Docker's configuration cannot be read", where=str(file), why=str(error)
        ) from error
    return config if isinstance(config, dict) else {}


def _decode(entry: dict[str, str], directory: Path) -> Login | None:
    if token := entry.get("identitytoken"):
        return Login("", Secret(token))
    if not entry.get("auth"):
        return None
    try:
        user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise MachineError("a login in Docker's configuration is damaged", where=str(directory)) from error
    return Login(user, Secret(password))


async def _ask(helper: str, key: str) -> Login | None:
    program = f"docker-credential-{helper}"
    try:
        done = await asyncio.wait_for(
            process.attempt([program, "get"], stdin=key.encode()), timeout=_HELPER_LIMIT_S
        )
    except TimeoutError as error:
        raise MachineError(f"{program} does not answer") from error
    if done.code != 0 and _NOT_FOUND in done.tail:
        return None
    try:
        answer = json.loads(done.stdout) if done.code == 0 else {}
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        # Its output is not repeated here: it may hold the secret.
        raise MachineError(f"{program} gives no login", where=key, why=f"exit code {done.code}") from error
    return Login("" if user == _IS_TOKEN else user, Secret(secret))
