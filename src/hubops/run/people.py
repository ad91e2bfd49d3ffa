"""The people of a deploy: whoever may not be on the hub any more is taken off it, also without its restart."""

import asyncio
from dataclasses import dataclass, field, replace

from hubops.answer import Present, Unknown
from hubops.clients.hub import open_hub
from hubops.deadline import Deadline
from hubops.desired.access import read_access
from hubops.desired.model import Access, Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import HubopsError, OutOfReachError, RefusedError
from hubops.events import Remark, step
from hubops.execute.lease import Lease
from hubops.execute.people import remove_people
from hubops.plan.people import who_leaves
from hubops.run.session import Session, service_token
from hubops.state.live import read_hub_values

_POLL_S = 0.5
_ANSWER_LIMIT_S = 60.0  # the hub is rolled out, so only its address can still be in the way


@dataclass
class Departures:
    """Of one deploy, under its lease. `had` is whom the hub let in before, None where nobody was asked.

    `failure` is why somebody may still be there. That is no fault of the content, which stays.
    """

    hub: Hub
    session: Session
    lease: Lease
    had: Access | None = None
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
            await self._remove(replace(wanted, closed=False, homes_stay=self.had.homes_stay))
        except HubopsError as error:
            self.session.emit(Remark(f"people leave after the upgrade: {error.what}"))

    async def after(self, wanted: Access) -> None:
        """The same on the hub that has the new values, for everybody; never raises, see `failure`."""
        self.failure = None
        try:
            await self._remove_when_up(wanted)
        except HubopsError as error:
            self.failure = error

    def settle(self) -> None:
        """Say what went wrong with people, once all else is done.

        Raises:
            HubopsError: somebody may still be on the hub who should not.
        """
        if self.failure:
            raise self.failure

    async def _remove_when_up(self, wanted: Access) -> None:
        deadline = Deadline(_ANSWER_LIMIT_S)
        while True:
            try:
                return await self._remove(wanted)
            except OutOfReachError:
                if deadline.passed:
                    raise
            await asyncio.sleep(_POLL_S)

    async def _remove(self, wanted: Access) -> None:
        machine = self.session.machine
        token = service_token(machine.secrets(self.hub))
        async with open_hub(machine.url + self.hub.path, token) as api:
            known = {person.name for person in await api.list_people()} - {PROBE_NAME}
            leaving = who_leaves(known, wanted, self.had)
            if not leaving:
                return
            with step(self.session.emit, f"take people off {self.hub.name}") as note:
                _require_homes(self.hub, wanted, len(leaving))
                await remove_people(api, leaving, self.lease.require_held)
                note.text = f"{len(leaving)} left"


def _require_homes(hub: Hub, wanted: Access, leaving: int) -> None:
    """The hub deletes a home with its person where KubeSpawner.delete_pvc is on."""
    if not wanted.homes_stay:
        raise RefusedError(
            f"{leaving} people may not be on {hub.name} any more, but deleting them could delete their homes",
            where="hub.config.KubeSpawner.delete_pvc, or a script in hub.extraConfig that mentions it",
            hint="Take that out, so that homes stay, and deploy again.",
        )
