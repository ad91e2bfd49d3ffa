"""Asking a service again that could not tell: how long to wait before it, and when to give up.

Own code, for three things that retry libraries do not have together: the service itself may say how long to wait,
the clock can be a test's, and a service that is silent is waited for once and not anew for each question.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
# Who refuses does so again, but for the moments after a right was given or a login renewed.
_TRIES_WHEN_REFUSED = 3


class UndecidedError(Exception):
    """A service could not tell this time. It asks to be left alone for `wait_s`; `refused`: it did answer."""

    def __init__(self, reason: str, *, wait_s: float = 0, refused: bool = False) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.refused = refused


class Patience:
    """How one run waits for services. Tests bring a clock, a sleep and a chance (0 to 1) of their own."""

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._silent_since: dict[str, float] = {}

    async def ask(self, service: str, attempt: Callable[[], Awaitable[T]], limit_s: float) -> T:
        """Attempt until the service decides; what refuses is asked three times.

        No attempt begins later than `limit_s` after the first, or after the service fell silent.

        Raises:
            UndecidedError: it did not decide; the last one.
        """
        began, tries = self._clock(), 0
        while True:
            try:
                answer = await attempt()
            except UndecidedError as error:
                tries += 1
                pause_s = self._pause_s(tries, error.wait_s)
                if error.refused:
                    self._silent_since.pop(service, None)
                    over = tries == _TRIES_WHEN_REFUSED
                else:
                    over = self._is_given_up(service, began, pause_s, limit_s)
                if over:
                    raise
                await self._sleep(pause_s)
            else:
                self._silent_since.pop(service, None)
                return answer

    def _is_given_up(self, service: str, began: float, pause_s: float, limit_s: float) -> bool:
        """Whether it will have been silent for longer than that; then the next question is not asked twice."""
        now = self._clock()
        since = self._silent_since.setdefault(service, now)
        over = now + pause_s - min(began, since) > limit_s
        if over:
            self._silent_since[service] = min(since, now - limit_s)
        return over

    def _pause_s(self, tries: int, wait_s: float) -> float:
        """Twice as long each time, and never when everybody else comes; not before the service wants us."""
        pause_s = min(_FIRST_PAUSE_S * 2.0 ** (tries - 1), _LONGEST_PAUSE_S)
        return wait_s + pause_s * (0.5 + self._chance() / 2)


def asked_wait_s(headers: Mapping[str, str], now: datetime | None = None) -> float:
    """What `Retry-After` asks for, in seconds or by a date; 0 where it is missing or no such thing.

    A date is compared with the `Date` of the same answer, for our clock may go otherwise; without one with `now`.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    until = _time(value)
    if until is None:
        return 0
    return max(0.0, (until - (_time(headers.get("Date", "")) or now or datetime.now(UTC))).total_seconds())


def _time(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
