"""Time limits that are counted once, from the start, and not anew for each attempt."""

from collections.abc import Callable
from time import monotonic


class Deadline:
    """A point in time `limit_s` seconds after its making, by a clock that never goes back."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = monotonic) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._began = clock()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._began

    @property
    def left_s(self) -> float:
        return max(0.0, self.limit_s - self.elapsed_s)

    @property
    def passed(self) -> bool:
        return self.left_s == 0.0
