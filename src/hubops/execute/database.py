"""A hub's database as a copy in memory, made ready for a hub that is not to touch anybody's server."""

import io
import json
import sqlite3
import tarfile
from contextlib import closing

from hubops.clients.volume import Volume
from hubops.errors import ClusterError

NAME = "jupyterhub.sqlite"  # as both charts have it
_PIECE = 4 << 20  # bytes
# Where a database says that it is in WAL mode, which is nothing that memory has.
_JOURNAL_MODE = slice(18, 20)
_NO_JOURNAL = b"\x01\x01"


async def read_database(volume: Volume) -> bytes:
    """The database as it is at one moment; the hub may go on.

    Raises:
        ClusterError: there is none, or it cannot be read.
        OutOfReachError: the connection was cut.
    """
    packed = b"".join([piece async for piece in volume.pack(database=True)])
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        member = tar.extractfile(NAME) if NAME in tar.getnames() else None
        if member is None:
            raise ClusterError(f"the hub has no database {NAME}", where=f"claim {volume.name}")
        return member.read()


def without_servers(database: bytes, namespace: str) -> bytes:
    """The database, but nobody's server runs: the copy's hub would look for it, and stop what it finds.

    Nor does it say that servers belong to `namespace`, where the hub is that it was copied from.

    Raises:
        ClusterError: it is no hub's database.
    """
    memory = bytearray(database)
    memory[_JOURNAL_MODE] = _NO_JOURNAL
    try:
        with closing(sqlite3.connect(":memory:")) as copy:
            copy.deserialize(bytes(memory))
            copy.execute("delete from servers where id in (select server_id from spawners)")
            copy.execute("update spawners set server_id = null")
            for number, state in copy.execute("select id, state from spawners").fetchall():
                kept = _state(json.loads(state or "{}"), namespace)
                copy.execute("update spawners set state = ? where id = ?", (json.dumps(kept), number))
            copy.commit()
            return copy.serialize()
    except (sqlite3.Error, ValueError) as error:
        raise ClusterError("this is no database of a hub", why=str(error)) from error


def _state(state: object, namespace: str) -> object:
    if isinstance(state, dict) and state.get("namespace") == namespace:
        return {key: value for key, value in state.items() if key != "namespace"}
    return state


async def write_database(volume: Volume, database: bytes) -> None:
    """Put it where a hub finds it, in a volume that is empty.

    Raises:
        ClusterError, OutOfReachError: as Volume.
    """
    packed = _pack(database)
    for offset in range(0, len(packed), _PIECE):
        await volume.feed(offset, packed[offset : offset + _PIECE])
    await volume.finish()
    await volume.swap("before")


def _pack(database: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        member = tarfile.TarInfo(NAME)
        member.size, member.mode = len(database), 0o644
        tar.addfile(member, io.BytesIO(database))
    return packed.getvalue()
