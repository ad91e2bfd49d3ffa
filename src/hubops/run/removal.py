"""Removing a hub from its cluster: looked at and shown first, and then just that."""

import asyncio

from hubops.clients.kube import Kube
from hubops.desired.model import Fleet, Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import RefusedError
from hubops.events import Remark, step
from hubops.execute.archive import now
from hubops.execute.lease import person
from hubops.execute.receipts import write_removal
from hubops.execute.removal import delete_namespace, delete_volumes, uninstall
from hubops.execute.volume_pod import open_volume, sweep
from hubops.plan.removal import require_archived, require_removable
from hubops.run.session import Session, Writer, hold_and_write
from hubops.state.archive_model import Claim, Doomed, Kind, Removal
from hubops.state.receipts import read_receipt
from hubops.state.records import read_history
from hubops.state.remains import read_remains
from hubops.state.volumes import read_volumes

_AT_ONCE = 4


async def look_at_remains(fleet: Fleet, hub: Hub, session: Session, *, without_archive: bool) -> Doomed:
    """What a removal would delete; nothing is written.

    Raises:
        RefusedError: it may not be removed.
    """
    return await _look(fleet, hub, session.kube, without_archive=without_archive)


async def _look(fleet: Fleet, hub: Hub, kube: Kube, *, without_archive: bool) -> Doomed:
    remains = await read_remains(kube, hub)
    require_removable(fleet, hub, remains)
    receipt = await read_receipt(kube, hub.name)
    if without_archive:
        return Doomed(remains, None)
    people = tuple(claim for claim in remains.claims if claim.person != PROBE_NAME)
    require_archived(hub, people, remains.servers, receipt, await read_history(kube, hub.name))
    return Doomed(remains, receipt)


async def remove_hub(
    fleet: Fleet, hub: Hub, session: Session, shown: Doomed, *, without_archive: bool
) -> None:
    """Delete what was shown: release, servers, claims, and the namespace unless something else lives there.

    Records and receipts stay in namespace `hubops`.

    Raises:
        RefusedError: it is not as it was shown; nothing was touched.
        HubopsError: it was interrupted; running again goes on.
    """
    async with hold_and_write(session, hub.name) as writer:
        await sweep(writer.kube, hub.namespace, hub.name)
        doomed = await _look(fleet, hub, writer.kube, without_archive=without_archive)
        _require_same(hub, shown, doomed)
        await _require_unchanged(hub, session, writer, doomed)
        await write_removal(writer.kube, _removal(hub, doomed, writer))
        with step(session.emit, f"uninstall {hub.release}"):
            await uninstall(writer.helm, hub, doomed.remains)
        with step(session.emit, f"delete {len(doomed.remains.claims)} volumes of {hub.name}"):
            await delete_volumes(writer.kube, hub, doomed.remains.claims)
        if others := doomed.remains.others or shown.remains.others:
            session.emit(Remark(f"namespace {hub.namespace} stays: {', '.join(others)} is in it"))
            return
        with step(session.emit, f"delete namespace {hub.namespace}"):
            await delete_namespace(writer.kube, hub)


def _require_same(hub: Hub, shown: Doomed, found: Doomed) -> None:
    before = {claim.uid for claim in shown.remains.claims}
    if {claim.uid for claim in found.remains.claims} - before:
        raise RefusedError(
            f"{hub.name} has volumes that were not shown",
            where=f"namespace {hub.namespace}",
            why="they were made since",
            hint="Run again, and look again.",
        )


async def _require_unchanged(hub: Hub, session: Session, writer: Writer, doomed: Doomed) -> None:
    """Nobody worked since the archive: every home is what is in it. The database changes without anybody's doing.

    Once the release is gone, by a removal that was interrupted, nobody can have worked.

    Raises:
        RefusedError: homes are not.
    """
    if doomed.receipt is None or not doomed.remains.revisions:
        return
    archived = doomed.receipt.claims
    volumes = await read_volumes(writer.kube, hub, without=PROBE_NAME)
    homes = [claim for claim in volumes.claims if claim.kind is Kind.HOME and claim.bound]
    room = asyncio.Semaphore(_AT_ONCE)

    async def is_other(claim: Claim) -> bool:
        async with room, open_volume(writer.kube, hub.namespace, hub.name, claim, volumes.pod) as volume:
            return await volume.content() != archived.get(claim.uid)

    with step(session.emit, f"compare {len(homes)} homes with the archive"):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(is_other(claim)) for claim in homes]
        # Whoever began to work meanwhile may have written behind our back.
        remains = await read_remains(writer.kube, hub)
        require_archived(hub, (), remains.servers, doomed.receipt, await read_history(writer.kube, hub.name))
        if changed := sum(task.result() for task in tasks):
            raise RefusedError(
                f"{hub.name} is not removed: {changed} homes changed since the archive",
                where=f"archive in {doomed.receipt.place}",
                hint=f"Archive it again: hubops archive {hub.name} --to DIRECTORY",
            )


def _removal(hub: Hub, doomed: Doomed, writer: Writer) -> Removal:
    kinds = [claim.kind for claim in doomed.remains.claims]
    return Removal(
        hub=hub.name,
        at=now(),
        by=person(writer.lease.holder).partition(" process ")[0],
        homes=kinds.count(Kind.HOME),
        databases=kinds.count(Kind.DATABASE),
        archive=doomed.receipt.at if doomed.receipt else "",
    )
