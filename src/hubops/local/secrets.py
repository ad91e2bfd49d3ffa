"""Secrets of hubs on the local cluster: generated once, kept outside git, readable by their owner only."""

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

# JupyterHub's SharedPasswordAuthenticator refuses a password below 8 characters, an administrator's below 32.
_ADMIN_BYTES = 32
_GROUPS, _GROUP_LETTERS = 3, 4
_LETTERS = "abcdefghkmnpqrstuvwxyz23456789"  # none that look alike


def load_or_create(directory: Path, hub: str) -> dict[str, Any]:
    """Values of JupyterHub's chart that are secret; the same at every call. Writes `<directory>/<hub>.json`.

    The file appears complete or not at all; of several runs at once the first one's stays.
    """
    file = _file(directory, hub)
    if not are_made(directory, hub):
        _create(file, json.dumps(generate(), indent=2) + "\n")
    values: dict[str, Any] = json.loads(file.read_text())
    return values


def are_made(directory: Path, hub: str) -> bool:
    """Whether `load_or_create` would only read."""
    return _file(directory, hub).exists()


def _file(directory: Path, hub: str) -> Path:
    return directory / f"{hub}.json"


def _create(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Made for the owner alone (mkstemp), so nobody else can open it at any time.
    descriptor, part = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(file).hardlink_to(part)
    except FileExistsError:
        pass
    finally:
        Path(part).unlink()


def generate() -> dict[str, Any]:
    return {
        "proxy": {"secretToken": secrets.token_hex(32)},
        "hub": {
            "cookieSecret": secrets.token_hex(32),
            "config": {
                "CryptKeeper": {"keys": [secrets.token_hex(32)]},
                "SharedPasswordAuthenticator": {
                    "user_password": _readable_password(),
                    "admin_password": secrets.token_urlsafe(_ADMIN_BYTES),
                },
            },
            "services": {"hubops": {"apiToken": secrets.token_hex(32)}},
        },
    }


def _readable_password() -> str:
    """58 bits, as people copy it: for example qf7m-x2hd-kp4t."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)
