"""age-keygen: a person's key, and the public part of it."""

import os
import sys
from pathlib import Path

from hubops.clients import process
from hubops.errors import MachineError


def own_key_file() -> Path:
    """Where sops looks for the person's key, by its rules."""
    if named := os.environ.get("SOPS_AGE_KEY_FILE"):
        return Path(named)
    per_system = "Library/Application Support" if sys.platform == "darwin" else ".config"
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / per_system)
    return base / "sops" / "age" / "keys.txt"


async def recipient_of(keygen: Path, key: str, where: str) -> str:
    """The public part of a key, of several the first.

    Raises:
        MachineError: it is no key; nothing of it is told.
    """
    done = await process.attempt([keygen, "-y"], stdin=key.encode())
    if done.code != 0 or not done.stdout.split():
        raise MachineError("this is no age key", where=where, hint="Make one: age-keygen -o FILE")
    return done.stdout.split()[0]


async def make_key(keygen: Path, file: Path) -> None:
    """A new key in a new file, for its owner only.

    Raises:
        ProgramError: the file is there already.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    await process.run([keygen, "-o", file])
