"""Work that is watched: it ends when it is done, or as soon as a watch knows that it is in vain."""

import asyncio

import pytest

from hubops.errors import OutOfReachError, ReleaseError
from hubops.execute.release import watched


async def for_ever() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    """Done."""


async def fails(error: Exception) -> None:
    raise error


async def test_work_that_is_done_ends_its_watches() -> None:
    told: list[str] = []
    await watched(at_once(), for_ever(), failed=lambda: told.append("failed"))
    assert told == []
    assert len(asyncio.all_tasks()) == 1


async def test_a_watch_that_finds_something_ends_the_work_and_says_so_before() -> None:
    alive: list[int] = []
    with pytest.raises(ReleaseError, match="no quota"):
        await watched(
            for_ever(),
            for_ever(),
            fails(ReleaseError("no quota")),
            failed=lambda: alive.append(len(asyncio.all_tasks())),
        )
    assert alive == [3]  # the test's own, the work, and the other watch
    assert len(asyncio.all_tasks()) == 1


async def test_a_watch_that_cannot_see_any_more_is_done_without() -> None:
    with pytest.raises(ReleaseError, match="in vain"):
        await watched(fails_later(), fails(OutOfReachError("the API server is away")))


async def fails_later() -> None:
    await asyncio.sleep(0.01)
    raise ReleaseError("in vain")
