"""Who goes next where not all can go at once: those on whom the longest chain waits."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count


class Slots:
    """So many at a time; how many is asked when the first comes."""

    def __init__(self, find_number: Callable[[], int]) -> None:
        self._find_number = find_number
        self._free: int | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @asynccontextmanager
    async def take(self, urgency: int) -> AsyncIterator[None]:
        """Wait for a slot and hold it; higher urgency goes first.

        Raises:
            as `find_number`.
        """
        if self._free is None:
            self._free = self._find_number()
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-urgency, next(self._order), turn))
        # All who can wait by now are to be there before one of them is chosen.
        asyncio.get_running_loop().call_soon(self._admit)
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._admit()

    def _admit(self) -> None:
        while self._free and self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
