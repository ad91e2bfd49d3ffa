"""Repositories with secrets, encrypted by the real sops for keys of the test's own."""

import re
from dataclasses import dataclass
from pathlib import Path

from hubops.clients import process
from hubops.events import Event
from hubops.local.toolchain import require_tool


def ignore(event: Event) -> None:
    """Making a tool ready is told to nobody."""


@dataclass(frozen=True)
class Key:
    """A person's age key: the file with its private part, and its public part."""

    file: Path
    recipient: str


async def make_key(file: Path) -> Key:
    await process.run([await require_tool("age-keygen", ignore), "-o", file])
    match = re.search(r"age1\w+", file.read_text())
    assert match
    return Key(file, match[0])


async def encrypt(plain: str, *recipients: str) -> bytes:
    """YAML, encrypted as a whole."""
    words = ["encrypt", "--age", ",".join(recipients), "--input-type", "yaml", "--output-type", "yaml"]
    sops = await require_tool("sops", ignore)
    # Where no .sops.yaml says otherwise.
    return (await process.run([sops, *words, "/dev/stdin"], stdin=plain.encode(), cwd=Path("/"))).encode()
