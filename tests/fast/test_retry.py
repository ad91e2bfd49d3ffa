"""How often a service is asked again, and when: by a clock that only sleeps move."""

from datetime import UTC, datetime

import pytest

from hourglass import Hourglass
from hubops.clients.retry import UndecidedError, asked_wait_s

BUSY, REFUSED = UndecidedError("busy"), UndecidedError("refused", refused=True)


class Service:
    """Raises what it is told to, then answers "yes"; counts how often it was asked."""

    def __init__(self, *errors: UndecidedError) -> None:
        self._errors = iter(errors)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        for error in self._errors:
            raise error
        return "yes"


async def test_pauses_double_and_are_never_shorter_than_half() -> None:
    for chance, expected in ((0.0, [0.25, 0.5, 1, 2, 4, 4, 4]), (1.0, [0.5, 1, 2, 4, 8, 8, 8])):
        time = Hourglass(chance)
        assert await time.patience.ask("r", Service(*[BUSY] * 7), 60) == "yes"
        assert time.slept == expected


async def test_no_attempt_begins_after_the_limit() -> None:
    time, service = Hourglass(), Service(*[BUSY] * 99)
    with pytest.raises(UndecidedError, match="busy"):
        await time.patience.ask("r", service, 10)
    assert time.slept == [0.25, 0.5, 1, 2, 4]
    assert service.asked == 6


async def test_who_refuses_is_asked_three_times() -> None:
    time, service = Hourglass(), Service(*[REFUSED] * 99)
    with pytest.raises(UndecidedError, match="refused"):
        await time.patience.ask("r", service, 60)
    assert (service.asked, time.slept) == (3, [0.25, 0.5])
    assert await time.patience.ask("r", Service(REFUSED, REFUSED), 60) == "yes"


async def test_a_service_is_left_alone_for_as_long_as_it_asks() -> None:
    time = Hourglass(chance=1)
    await time.patience.ask("r", Service(UndecidedError("busy", wait_s=30)), 60)
    assert time.slept == [30.5]


async def test_a_wait_beyond_the_limit_is_not_begun() -> None:
    time, service = Hourglass(), Service(UndecidedError("busy", wait_s=3600))
    with pytest.raises(UndecidedError):
        await time.patience.ask("r", service, 60)
    assert (service.asked, time.slept) == (1, [])


async def test_a_silent_service_is_waited_for_once_and_not_for_each_question() -> None:
    time = Hourglass()
    for asked in (6, 1, 1):
        service = Service(*[BUSY] * 99)
        with pytest.raises(UndecidedError):
            await time.patience.ask("r", service, 10)
        assert service.asked == asked
    other = Service(BUSY, BUSY)
    assert await time.patience.ask("other", other, 10) == "yes"
    # Whoever has more patience has what is left of it.
    assert await time.patience.ask("r", Service(BUSY, BUSY), 15) == "yes"
    # Once it spoke, its next silence is another one.
    assert await time.patience.ask("r", Service(BUSY, BUSY), 10) == "yes"


async def test_one_repository_that_never_answers_is_given_up_although_others_do() -> None:
    time, failing = Hourglass(), Service(*[BUSY] * 999)

    async def sleep(seconds: float) -> None:
        await Hourglass.sleep(time, seconds)
        await time.patience.ask("r", Service(), 10)

    time.patience._sleep = sleep
    with pytest.raises(UndecidedError):
        await time.patience.ask("r", failing, 10)
    assert failing.asked == 6


NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 0),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": "Sun, 01 Mar 2026 10:01:30 GMT"}, 90),
        ({"Retry-After": "Sun, 01 Mar 2026 11:01:30 +0100"}, 90),
        ({"Retry-After": "Sun, 01 Mar 2026 09:00:00 GMT"}, 0),
        # By the clock of who asks for it, an hour behind ours.
        ({"Retry-After": "Sun, 01 Mar 2026 09:01:00 GMT", "Date": "Sun, 01 Mar 2026 09:00:00 GMT"}, 60),
        ({"Retry-After": "Sun, 01 Mar 2026 10:01:30 GMT", "Date": "now"}, 90),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "1.5"}, 0),
        ({"Retry-After": "1e9"}, 0),
        ({"Retry-After": "Sun, 99 Mar 2026 10:01:30 GMT"}, 0),
    ],
)
def test_what_an_answer_asks_us_to_wait(headers: dict[str, str], expected: float) -> None:
    assert asked_wait_s(headers, NOW) == expected
