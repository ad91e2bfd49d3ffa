"""Taking people off a running hub: servers, tokens, sessions, roles and admin rights. Homes stay."""

import asyncio
from collections.abc import Callable, Iterable

from hubops.clients.hub import Hub, Person
from hubops.errors import HubError, HubopsError, OutOfReachError

_POLL_S = 0.3
_AT_ONCE = 8  # a class that ends must not be a flood to its hub
_TRIES = 3  # whoever's server dies or starts just now makes the hub refuse
_LIMIT_S = 60.0  # a pod has 30 s to end


async def remove_people(hub: Hub, names: Iterable[str], require_held: Callable[[], None]) -> None:
    """Delete these people from the hub, each when their servers have stopped; `require_held` raises when we may not.

    No message names them.

    Raises:
        HubError: some are still there.
        whatever `require_held` raises.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> HubopsError | None:
        async with gate:
            return await _try(hub, name, require_held)

    found = await asyncio.gather(*map(one, names))
    failures = [error for error in found if error]
    if failures:
        # Without a cause: its text has the name.
        raise HubError(
            f"{len(failures)} of {len(found)} people who may not be on the hub any more are still on it",
            where=str(hub.site.http.base_url),
            why=_without_name(failures[0]),
            hint="Run the same again; the hub's log says more.",
        )


async def _try(hub: Hub, name: str, require_held: Callable[[], None]) -> HubopsError | None:
    try:
        async with asyncio.timeout(_LIMIT_S):
            await _remove(hub, name, require_held)
    except TimeoutError:
        return HubError("a server does not stop", why=f"not within {_LIMIT_S:.0f} s")
    except (HubError, OutOfReachError) as error:
        return error
    return None


async def _remove(hub: Hub, name: str, require_held: Callable[[], None]) -> None:
    failures = 0
    while person := await hub.find_person(name):
        require_held()
        try:
            if await _step(hub, person):
                continue
        except HubError:
            failures += 1
            if failures == _TRIES:
                raise
        await asyncio.sleep(_POLL_S)


async def _step(hub: Hub, person: Person) -> bool:
    """Ask all servers to stop, or delete a person who has none; whether that was done."""
    for server, state in person.servers.items():
        if state.pending != "stop":
            await hub.stop_server(person.name, server)
    if not person.servers:
        await hub.delete_user(person.name)
    return not person.servers


def _without_name(error: HubopsError) -> str:
    """What a request met; its address and the hub's words tell whom it was about."""
    return f"{error.what}: {error.why.partition(':')[0]}"
