"""Secrets of hubs on the local cluster: generated once, kept outside git, readable by their owner only."""

import json
import secrets
from pathlib import Path
from typing import Any

from hubops.local.instance import write_atomically

# JupyterHub refuses a shared password below 8 characters, and an administrator's below 32.
_PASSWORD_BYTES = 9
_ADMIN_BYTES = 32


def load_or_create(directory: Path, hub: str) -> dict[str, Any]:
    """Values of JupyterHub's chart that are secret; the same at every call. Writes `<directory>/<hub>.json`."""
    file = directory / f"{hub}.json"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(file, json.dumps(_generate(), indent=2))
    values: dict[str, Any] = json.loads(file.read_text())
    return values


def _generate() -> dict[str, Any]:
    return {
        "proxy": {"secretToken": secrets.token_hex(32)},
        "hub": {
            "cookieSecret": secrets.token_hex(32),
            "config": {
                "CryptKeeper": {"keys": [secrets.token_hex(32)]},
                "SharedPasswordAuthenticator": {
                    "user_password": secrets.token_urlsafe(_PASSWORD_BYTES),
                    "admin_password": secrets.token_urlsafe(_ADMIN_BYTES),
                },
            },
            "services": {"hubops": {"apiToken": secrets.token_hex(32)}},
        },
    }
