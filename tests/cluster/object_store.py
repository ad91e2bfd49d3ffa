"""A store that speaks S3, on the loopback interface, with an empty bucket in it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.conftest import free_port, show
from hubops.local.toolchain import require_tool

BUCKET = "archives"
SECRET = "canary-of-the-store/0013"
GUEST, GUESTS_SECRET = "guest", "a-guest's-own"


@dataclass(frozen=True)
class Store:
    """`directory` has what is in it, as files; `env` is what a client needs to know."""

    url: str
    directory: Path
    env: Mapping[str, str]

    @property
    def objects(self) -> list[str]:
        """The keys in the bucket."""
        root = self.directory / "data" / BUCKET
        found = sorted(path for path in root.rglob("*") if path.is_file())
        return [
            key for path in found if not (key := path.relative_to(root).as_posix()).startswith(".sgwtmp/")
        ]

    @property
    def uploads(self) -> int:
        """How many uploads did not come to their end, for which it keeps parts."""
        return len(list((self.directory / "data" / BUCKET / ".sgwtmp" / "multipart").glob("*/*")))


@asynccontextmanager
async def serve_store(directory: Path, certificate: Path | None = None) -> AsyncIterator[Store]:
    """Run one that keeps its things in `directory`; with a certificate, its key beside it, by HTTPS."""
    for name in (f"data/{BUCKET}", "meta", "accounts"):
        (directory / name).mkdir(parents=True)
    guest = {"access": GUEST, "secret": GUESTS_SECRET, "role": "user"}
    (directory / "accounts" / "users.json").write_text(json.dumps({"accessAccounts": {GUEST: guest}}))
    port = free_port()
    words = ["-address", f"127.0.0.1:{port}", "-directory", str(directory)]
    if certificate:
        words += ["-certificate", str(certificate), "-key", str(certificate.with_suffix(".key"))]
    keys = {"AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": SECRET}
    child = await asyncio.create_subprocess_exec(
        await require_tool("objectstore", show),
        *words,
        env={**os.environ, **keys},
        stdout=asyncio.subprocess.DEVNULL,
    )
    url = f"{'https' if certificate else 'http'}://localhost:{port}"
    settings = {"AWS_ENDPOINT_URL_S3": url, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    try:
        await _wait_listening(port)
        yield Store(url, directory, {**keys, **settings, "AWS_MAX_ATTEMPTS": "2"})
    finally:
        child.kill()
        await child.wait()


async def _wait_listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
