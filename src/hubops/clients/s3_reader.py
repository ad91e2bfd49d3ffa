"""An object of a store read piece by piece, so that a slow reader holds no connection and a cut one costs a piece."""

import io
from typing import IO, Any

from hubops.clients.s3_failures import mapped
from hubops.errors import OutOfReachError

_PIECE = 1 << 20
# What the connection hands over at a time; each is copied into the piece.
_BLOCK = 64 << 10
_TRIES = 3


def open_object(client: Any, bucket: str, key: str, where: str) -> IO[bytes]:
    """The object, from its beginning.

    Raises:
        FileNotFoundError: the store has none.
        OutOfReachError, StoreError: it cannot be read, here or later.
    """
    reader = _Reader(client, {"Bucket": bucket, "Key": key}, where)
    reader.begin()
    return io.BufferedReader(reader)


class _Reader(io.RawIOBase):
    """Asks for one range after the other, all of one version of the object."""

    def __init__(self, client: Any, which: dict[str, str], where: str) -> None:
        self._client, self._which, self._where = client, which, where
        self._buffer = memoryview(bytearray(_PIECE))
        self._piece = self._buffer[:0]
        self._offset = self._size = 0

    def readable(self) -> bool:
        return True

    def begin(self) -> None:
        try:
            answer = self._fetch()
        except EOFError:
            return  # there is not even a first byte
        self._size = int(answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"])
        self._which["IfMatch"] = answer["ETag"]

    def readinto(self, buffer: Any) -> int:
        if not self._piece and self._offset < self._size:
            self._fetch()
        length = min(len(buffer), len(self._piece))
        buffer[:length], self._piece = self._piece[:length], self._piece[length:]
        return length

    def _fetch(self) -> Any:
        """The next piece; what is read of an answer, botocore does not ask for again by itself."""
        for left in reversed(range(_TRIES)):
            try:
                return self._try()
            except OutOfReachError:
                if not left:
                    raise
        raise AssertionError  # the last try raises

    def _try(self) -> Any:
        last = self._offset + _PIECE - 1
        with mapped(self._where):
            answer = self._client.get_object(**self._which, Range=f"bytes={self._offset}-{last}")
            with answer["Body"] as body:
                length = self._fill(body)
        if length < min(_PIECE, answer["ContentLength"]):
            raise OutOfReachError("the store's answer is cut off", where=self._where)
        self._piece = self._buffer[:length]
        self._offset += length
        return answer

    def _fill(self, body: IO[bytes]) -> int:
        """The buffer is one and the same, and of other sizes there are none: memory stays what it is."""
        length = 0
        while length < _PIECE and (block := body.read(min(_BLOCK, _PIECE - length))):
            self._buffer[length : length + len(block)] = block
            length += len(block)
        return length
