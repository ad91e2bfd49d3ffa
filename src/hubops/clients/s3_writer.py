"""An object of a length that nobody knows, written to a store in parts, of which one at a time is kept here."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO, Any

from hubops.clients.s3_failures import mapped
from hubops.errors import MachineError, StoreError

# No store takes more of them.
MAX_PARTS = 10_000
# No store takes smaller ones, but for the last; bigger ones are kept on disk.
IN_MEMORY = 5 << 20


async def write_object(
    client: Any, which: Mapping[str, str], where: str, pieces: AsyncIterator[bytes], part_bytes: int
) -> None:
    """Write `which` bucket and key; when it does not come to its end, the store forgets its parts.

    Raises:
        OutOfReachError, StoreError: the store does not take it.
        MachineError: there is no room here for a part of it.
    """
    with mapped(where):
        made = await _to_end(client.create_multipart_upload, **which)
        which = {**which, "UploadId": made["UploadId"]}
        try:
            parts = await _write_parts(client, which, where, pieces, part_bytes)
            await _to_end(client.complete_multipart_upload, **which, MultipartUpload={"Parts": parts})
        except BaseException as error:
            await _to_end(_forget, client, which)
            if isinstance(error, OSError):
                raise _no_room(error) from error
            raise


async def _write_parts(
    client: Any, which: Mapping[str, str], where: str, pieces: AsyncIterator[bytes], part_bytes: int
) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = []
    async with aclosing(_parts(pieces, part_bytes)) as cut:
        async for part in cut:
            if len(parts) == MAX_PARTS:
                raise _too_much(where)
            number = len(parts) + 1
            done = await _to_end(client.upload_part, **which, PartNumber=number, Body=part)
            parts.append({"PartNumber": number, "ETag": done["ETag"]})
    return parts


async def _parts(pieces: AsyncIterator[bytes], size: int) -> AsyncGenerator[IO[bytes], None]:
    """The same bytes in parts of one size, the last smaller; at least one. All are one buffer, filled anew.

    Parts bigger than `IN_MEMORY` are in a temporary file without a name.
    """
    with SpooledTemporaryFile(IN_MEMORY) as part:
        first = True
        async for piece in pieces:
            left = memoryview(piece)
            while left:
                room = size - part.tell()
                part.write(left[:room])
                left = left[room:]
                if part.tell() == size:
                    part.seek(0)
                    yield part
                    part.seek(0)
                    first = False
        if first or part.tell():
            part.truncate()
            part.seek(0)
            yield part


def abort(client: Any, which: Mapping[str, str]) -> None:
    """Let the store forget an upload, if it has not yet."""
    try:
        client.abort_multipart_upload(**which)
    except client.exceptions.NoSuchUpload:
        """It came to its end all the same."""


def _forget(client: Any, which: Mapping[str, str]) -> None:
    """As `abort`; that it fails too is not the news, and whoever begins the next archive aborts what is left."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

    with suppress(BotoCoreError, ClientError):
        abort(client, which)


def _too_much(where: str) -> StoreError:
    return StoreError(
        "this is too much for one object",
        where=where,
        why=f"a store takes {MAX_PARTS:,} parts, and there is more than the size that the claim asks for",
        hint="Archive into a directory.",
    )


def _no_room(error: OSError) -> MachineError:
    return MachineError(
        "a part of an archive cannot be kept until it is sent",
        where=gettempdir(),
        why=error.strerror or str(error),
        hint="Make room there, or let TMPDIR name another directory.",
    )


async def _to_end(call: Any, *args: object, **keywords: object) -> Any:
    """A blocking call in a thread, which is waited for even by who is cancelled: what it wrote must be known."""
    working = asyncio.ensure_future(asyncio.to_thread(call, *args, **keywords))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
