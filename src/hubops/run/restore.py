"""An archive back into a deployed hub: homes and database, checked before anything is touched."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from hubops.checks import rollout
from hubops.desired.model import Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import RefusedError, UsageError
from hubops.events import step
from hubops.execute.archive import now
from hubops.execute.archive_place import Source, read_manifest, require_whole
from hubops.execute.pause import paused
from hubops.execute.restore import create_claim, fill
from hubops.execute.volume_pod import open_volume, sweep
from hubops.names import did_you_mean
from hubops.run.session import Session, Writer, hold_and_write
from hubops.state.archive_model import Archived, Claim, Kind, Manifest, Owner, Volumes
from hubops.state.volumes import read_volumes

_AT_ONCE = 4


async def restore_hub(hub: Hub, session: Session, source: Source, replaced: frozenset[str]) -> Manifest:
    """Restore a hub from an archive; it stands still meanwhile. `replaced` names claims with content.

    Raises:
        RefusedError: the archive is not whole or another hub's, a home is in use, or a claim has content; nothing
            was touched.
        HubopsError: it was interrupted; running again goes on.
    """
    manifest = await asyncio.to_thread(read_manifest, source)
    _require_fitting(manifest, hub, source.where, replaced)
    with step(session.emit, f"check {len(manifest.archived)} files of the archive"):
        for each in manifest.archived:
            await asyncio.to_thread(require_whole, source, each)
    async with hold_and_write(session, hub.name) as writer:
        await sweep(writer.kube, hub.namespace, hub.name)
        volumes = await read_volumes(writer.kube, hub, without=PROBE_NAME)
        run = _Run(hub, session, writer, volumes, source)
        left = await run.find_left(manifest.archived, replaced)
        with step(session.emit, f"restore {len(left)} volumes of {hub.name}") as note:
            async with paused(writer.kube, hub, volumes.replicas):
                await run.restore_all(left)
            note.text = f"{sum(each.files for each in left)} files, the same"
        await rollout.wait_rolled_out(
            session.kube, hub.namespace, hub.timeout_s, session.emit, session.redactor
        )
    return manifest


def _require_fitting(manifest: Manifest, hub: Hub, where: str, replaced: frozenset[str]) -> None:
    if manifest.hub != hub.name:
        raise RefusedError(
            f"this is an archive of {manifest.hub}, not of {hub.name}",
            where=where,
            hint="Claims and the database bear the hub's name: give the hub that name, or take another archive.",
        )
    known = {each.claim.name for each in manifest.archived}
    if unknown := sorted(replaced - known):
        raise UsageError(
            f"the archive has no claim {unknown[0]}",
            where="--replace",
            hint=did_you_mean(unknown[0], known),
        )


def _require_unused(archived: Sequence[Archived], volumes: Volumes) -> None:
    used = {claim.name for claim in volumes.claims if claim.in_use}
    in_use = [each.claim.name for each in archived if each.claim.name in used]
    if in_use:
        raise RefusedError(
            f"{len(in_use)} homes are in use",
            where=", ".join(in_use),
            why="what is restored under a running server is a mixture",
            hint="Nothing was touched. Stop their servers in the hub's admin panel, and run again.",
        )


class _Look(Enum):
    """What there is where a claim is to be restored."""

    EMPTY = "empty"
    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True)
class _Run:
    hub: Hub
    session: Session
    writer: Writer
    volumes: Volumes
    source: Source

    async def find_left(self, archived: Sequence[Archived], replaced: frozenset[str]) -> list[Archived]:
        """Those that are to be restored: not what is as it was archived, perhaps by a run that was interrupted.

        Raises:
            RefusedError: somebody uses a home, or a claim has other content and is not named.
        """
        _require_unused(archived, self.volumes)
        found = {each.claim.name: await self._looks(each) for each in archived}
        full = [name for name, look in found.items() if look is _Look.OTHER and name not in replaced]
        if full:
            raise RefusedError(
                f"{len(full)} volumes have content, and nothing was touched",
                where=", ".join(full),
                why="it is not what was archived, and may be newer",
                hint=f"To put it aside, name them: {' '.join(f'--replace {name}' for name in full)}",
            )
        return [each for each in archived if found[each.claim.name] is not _Look.SAME]

    async def restore_all(self, archived: Sequence[Archived]) -> None:
        """Restore them, once the hub stands still and starts no server any more.

        Raises:
            RefusedError: somebody began to work since it was looked at; nothing was touched.
        """
        now_there = await read_volumes(self.writer.kube, self.hub, without=PROBE_NAME)
        _require_unused(archived, now_there)
        room, stamp = asyncio.Semaphore(_AT_ONCE), now().partition("+")[0].replace(":", "")

        async def one(each: Archived) -> None:
            async with room:
                await self._restore(each, stamp)

        async with asyncio.TaskGroup() as group:
            for each in archived:
                group.create_task(one(each))

    async def _restore(self, archived: Archived, stamp: str) -> None:
        kube, namespace = self.writer.kube, self.hub.namespace
        owner = self._owner(archived.claim)
        # Where it was mounted before the hub stopped does not matter any more.
        claim = (live := self._live(archived.claim)) and replace(live, node="")
        claim = claim or await create_claim(kube, namespace, archived.claim, owner, self.session.emit)
        async with open_volume(kube, namespace, self.hub.name, claim, self.volumes.pod, write=True) as volume:
            await fill(volume, archived, self.source, stamp)

    async def _looks(self, archived: Archived) -> "_Look":
        claim = self._live(archived.claim)
        if claim is None or not claim.bound:
            return _Look.EMPTY
        async with open_volume(
            self.writer.kube, self.hub.namespace, self.hub.name, claim, self.volumes.pod
        ) as volume:
            if not await volume.entries():
                return _Look.EMPTY
            return _Look.SAME if await volume.content() == archived.content else _Look.OTHER

    def _live(self, claim: Claim) -> Claim | None:
        return next((live for live in self.volumes.claims if live.name == claim.name), None)

    def _owner(self, claim: Claim) -> Owner:
        is_database = claim.kind is Kind.DATABASE
        return self.volumes.database_owner if is_database else self.volumes.home_owner
