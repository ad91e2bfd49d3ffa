"""The people of a deploy: who came and who may not be on the hub any more, both without its restart where that can be."""

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from hubops.answer import Present, Unknown
from hubops.clients.hub import Hub as Api
from hubops.clients.hub import open_hub
from hubops.desired.access import read_access
from hubops.desired.model import Access, Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import HubopsError, OutOfReachError, RefusedError
from hubops.events import Remark, step
from hubops.execute.arrivals import hasten, wait_known
from hubops.execute.people import remove_people
from hubops.plan.people import most_leaving, who_leaves
from hubops.run.session import Session, Writer, service_token
from hubops.state.live import read_hub_values

_POLL_S = 0.5
_FIRST_TRY_S = 2.0
# How long a hub may take to answer. One that was just rolled out may still be made known at its address; one
# that nothing was changed of answers or does not, and one that is to be upgraded need not.
_AFTER_UPGRADE_S, _AS_IT_IS_S, _BEFORE_UPGRADE_S = 60.0, 8.0, 3.0


@dataclass
class PeopleChange:
    """Who comes and goes with one deploy, under its lease. `had` is whom the hub let in before, None where nobody was asked.

    `told` are those whom somebody named to be taken off now, in lower case; nobody for a deploy that goes by the files.
    `failure` is why somebody may still be there, or not be let in yet. That is no fault of the content, which stays.
    """

    hub: Hub
    session: Session
    writer: Writer
    had: Access | None = None
    told: frozenset[str] = frozenset()
    failure: HubopsError | None = field(default=None, init=False)

    async def before(self, wanted: Access, *, rolled_out: bool) -> None:
        """Take off the running hub who is blocked, or named no longer: at once, and in its memory.

        What cannot be done here, because the hub is away or of an older hubops, is left for `after`. So is
        all of it unless the hub is `rolled_out`: else it may run without the setting that keeps homes.

        Raises:
            OutOfReachError: the cluster cannot say whom the hub lets in.
        """
        given = await read_hub_values(self.session.kube, self.hub.namespace)
        if isinstance(given, Unknown):
            raise OutOfReachError("nobody can tell whom the hub lets in", why=given.reason)
        self.had = read_access(given.value) if isinstance(given, Present) else None
        if self.had is None or self.had == wanted or not rolled_out:
            return
        try:
            # Whom the new values keep out besides is known when the hub has them.
            known_yet = replace(wanted, closed=False, homes_stay=self.had.homes_stay)
            await self._remove(known_yet, _BEFORE_UPGRADE_S)
        except HubopsError as error:
            self.session.emit(Remark(f"not yet before the upgrade: {error.what}"))

    async def after(self, wanted: Access, *, upgraded: bool) -> None:
        """The same on the hub that has the new values, for everybody, and who came is let in.

        A hub that was not `upgraded` has seconds to answer. Never raises, see `failure`.
        """
        self.failure = None
        try:
            await self._remove(wanted, _AFTER_UPGRADE_S if upgraded else _AS_IT_IS_S)
            if upgraded and self.had and self.had.named != wanted.named:
                await self._let_in(wanted.named - self.had.named)
        except HubopsError as error:
            self.failure = error

    def settle(self) -> None:
        """Say what went wrong with people, once all else is done.

        Raises:
            HubopsError: somebody may still be on the hub who should not, or cannot come yet.
        """
        if self.failure:
            raise self.failure

    async def _remove(self, wanted: Access, limit_s: float) -> None:
        async with self._open() as api:
            known = await self._ask(api, limit_s)
            leaving = who_leaves(known, wanted, self.had, self.told)
            # These are meant, in any number: somebody wrote each name down as one who is to go.
            meant = [name for name in leaving if name.lower() in wanted.blocked | self.told]
            confirmed = self.hub.people_may_leave
            too_many = len(leaving) - len(meant) > most_leaving(len(known), confirmed)
            if confirmed and not leaving:
                self.session.emit(Remark(f"{self.hub.name}: nobody has to leave; people-may-leave can go"))
            await self._take_off(api, meant if too_many else leaving, wanted)
            if too_many:
                raise _unconfirmed(self.hub, len(leaving) - len(meant), len(known))

    async def _let_in(self, came: Collection[str]) -> None:
        """A hub that follows its people is told that they changed, and has to know those who `came`."""
        given = await read_hub_values(self.session.kube, self.hub.namespace)
        # One whose chart does not let it follow them has restarted.
        if not isinstance(given, Present) or not given.value.get("FollowsPeople"):
            return
        # Also for those who went: who comes back before the hub has seen them go is no change to it.
        await hasten(self.writer.kube, self.hub.namespace)
        if came:
            with step(self.session.emit, f"let people in on {self.hub.name}") as note:
                async with self._open() as api:
                    await wait_known(self.hub, came, api)
                note.text = f"{len(came)} came"

    def _open(self) -> AbstractAsyncContextManager[Api]:
        machine = self.session.machine
        return open_hub(machine.address(self.hub), service_token(machine.secrets(self.hub)))

    async def _ask(self, api: Api, limit_s: float) -> set[str]:
        """The names of all whom the hub knows, but for the probe person."""
        # A request may be on its way to an address that was just moved: the next one gets there.
        seen, patience_s = "a request was not answered", _FIRST_TRY_S
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    try:
                        async with asyncio.timeout(patience_s):
                            return {person.name for person in await api.list_people()} - {PROBE_NAME}
                    except OutOfReachError as error:
                        seen = error.why or error.what
                    except TimeoutError:
                        patience_s *= 2
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise _silent(self.hub, api, limit_s, seen) from error

    async def _take_off(self, api: Api, leaving: list[str], wanted: Access) -> None:
        if not leaving:
            return
        with step(self.session.emit, f"take people off {self.hub.name}") as note:
            _require_homes(self.hub, wanted, len(leaving))
            await remove_people(api, leaving, self.writer.lease.require_held)
            note.text = f"{len(leaving)} left"


def _silent(hub: Hub, api: Api, limit_s: float, seen: str) -> OutOfReachError:
    return OutOfReachError(
        f"{hub.name} does not answer within {limit_s:.0f} s, so nobody can tell who is still on it",
        where=str(api.site.http.base_url),
        why=seen,
        hint=f"Nothing is wrong with its content, which stays. See whether this machine reaches the address, and"
        f" whether hub and proxy run (hubops status {hub.name}, hubops logs {hub.name}); then deploy again.",
    )


def _unconfirmed(hub: Hub, leaving: int, known: int) -> RefusedError:
    return RefusedError(
        f"{leaving} of the {known} people whom {hub.name} knows would be taken off it at once",
        where=f"hub-charts/{hub.name}/people.yaml",
        why=f"{leaving} are not named there (any more). They were left as they are; new logins go by the lists."
        " To take them off ends their servers, sessions and tokens, named servers, groups and, where the hub"
        " has its own accounts, passwords. Homes stay.",
        hint="Name in people.yaml who may stay (hubops user add). If the others are to go, put"
        f" `people-may-leave: {leaving}` into hub-charts/{hub.name}/hub.yaml, and deploy that.",
    )


def _require_homes(hub: Hub, wanted: Access, leaving: int) -> None:
    """The hub deletes a home with its person where KubeSpawner.delete_pvc is on."""
    if not wanted.homes_stay:
        raise RefusedError(
            f"{leaving} people may not be on {hub.name} any more, but deleting them could delete their homes",
            where="hub.config.KubeSpawner.delete_pvc, or a script in hub.extraConfig that mentions it",
            hint="Take that out, so that homes stay, and deploy again.",
        )
