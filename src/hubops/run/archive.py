"""An archive of a hub: its claims in files, read back, a sample restored, and a receipt in the cluster."""

import asyncio
from dataclasses import dataclass, replace

from hubops.desired.model import Hub
from hubops.desired.probe import PROBE_NAME
from hubops.errors import ClusterError
from hubops.events import Remark, step
from hubops.execute import archive
from hubops.execute.archive_place import Place, Sink, Source
from hubops.execute.lease import person
from hubops.execute.mark import cluster_uid
from hubops.execute.receipts import write_receipt
from hubops.execute.sample import open_sample
from hubops.execute.volume_pod import open_volume, sweep
from hubops.run.session import Session, Writer, hold_and_write
from hubops.state.archive_model import Archived, Claim, Kind, Manifest, Receipt, Volumes, choose_sample
from hubops.state.model import History
from hubops.state.records import read_history
from hubops.state.volumes import read_volumes

# Each is a pod, and for a cluster with few nodes a burden.
_AT_ONCE = 4


@dataclass(frozen=True)
class Made:
    """A complete archive: where it is, and what is in it."""

    archive: Source
    manifest: Manifest


async def archive_hub(hub: Hub, session: Session, place: Place) -> Made:
    """Write an archive of a deployed hub, a new one in `place`. The hub may run.

    Raises:
        HubopsError: it is not complete, and then nothing of it is left.
    """
    async with hold_and_write(session, hub.name) as writer:
        await sweep(writer.kube, hub.namespace, hub.name)
        volumes, history = (
            await read_volumes(writer.kube, hub, without=PROBE_NAME),
            await read_history(writer.kube, hub.name),
        )
        _tell(hub, volumes, session)
        run = _Run(hub, session, writer, volumes)
        files = [archive.archive_file(claim) for claim in run.claims]
        cluster = await cluster_uid(writer.kube)
        async with place.begin(hub.name, cluster, files, session.emit) as part:
            archived = await run.archive_all(part)
            sample = choose_sample(archived)
            await run.restore_samples(sample, part)
            manifest = run.manifest(archived, history, sample)
            made, sha256 = await part.complete(manifest)
        await write_receipt(writer.kube, _receipt(manifest, made.place, sha256))
        return Made(made, manifest)


def _tell(hub: Hub, volumes: Volumes, session: Session) -> None:
    in_use = sum(claim.in_use for claim in volumes.claims)
    if in_use:
        session.emit(
            Remark(
                f"{in_use} homes are in use: what is written meanwhile may be missing, "
                f"and {hub.name} cannot be removed on this archive"
            )
        )
    if not any(claim.kind is Kind.DATABASE for claim in volumes.claims):
        session.emit(
            Remark(f"the database of {hub.name} is on no claim of its own, so it is not in the archive")
        )


@dataclass(frozen=True)
class _Run:
    hub: Hub
    session: Session
    writer: Writer
    volumes: Volumes

    @property
    def claims(self) -> list[Claim]:
        """Those that have anything to be archived."""
        return [claim for claim in self.volumes.claims if claim.bound]

    async def archive_all(self, part: Sink) -> tuple[Archived, ...]:
        claims = self.claims
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(claim: Claim) -> Archived:
            async with room:
                return await self._archive(claim, part)

        with step(self.session.emit, f"archive {len(claims)} volumes of {self.hub.name}") as note:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(claim)) for claim in claims]
            archived = await self._mark_used([task.result() for task in tasks])
            packed = sum(each.packed_bytes for each in archived)
            note.text = f"{sum(each.files for each in archived)} files, {packed:,} bytes packed"
        return archived

    async def _archive(self, claim: Claim, part: Sink) -> Archived:
        async with open_volume(
            self.writer.kube, self.hub.namespace, self.hub.name, claim, self.volumes.pod
        ) as volume:
            return await archive.archive_claim(volume, claim, part)

    async def _mark_used(self, archived: list[Archived]) -> tuple[Archived, ...]:
        """Somebody may have begun to work while it was copied."""
        volumes = await read_volumes(self.writer.kube, self.hub, without=PROBE_NAME)
        nodes = {claim.uid: claim.node for claim in volumes.claims}
        return tuple(
            replace(each, claim=replace(each.claim, node=each.claim.node or nodes.get(each.claim.uid, "")))
            for each in archived
        )

    async def restore_samples(self, sample: list[Archived], part: Sink) -> None:
        """Restore some claims into others and compare.

        Raises:
            ClusterError: one is not the same.
        """
        with step(self.session.emit, f"restore {len(sample)} of them to see that they can be") as note:
            async with asyncio.TaskGroup() as group:
                for each in sample:
                    group.create_task(self._restore_sample(each, part))
            note.text = f"{sum(each.files for each in sample)} files, the same"

    async def _restore_sample(self, archived: Archived, part: Sink) -> None:
        kube, namespace, hub = self.writer.kube, self.hub.namespace, self.hub.name
        async with (
            open_sample(kube, namespace, hub, archived.claim) as claim,
            open_volume(kube, namespace, hub, claim, self.volumes.pod, write=True) as volume,
        ):
            content = await archive.upload(volume, part, archived.file)
        if content != archived.content:
            where = f"claim {archived.claim.name}"
            hint = (
                "Nothing was kept. Run again; if it is so again, see whether the cluster's volumes are sound."
            )
            raise ClusterError("what was restored is not what was archived", where=where, hint=hint)

    def manifest(self, archived: tuple[Archived, ...], history: History, sample: list[Archived]) -> Manifest:
        standing, latest = history.standing, history.latest
        return Manifest(
            hub=self.hub.name,
            cluster=self.hub.cluster.name,
            at=archive.now(),
            by=person(self.writer.lease.holder).partition(" process ")[0],
            commit=standing.commit.hash if standing else "",
            deploy=latest.number if latest else 0,
            chart=standing.content.chart_name if standing else "",
            archived=archived,
            sample=tuple(each.claim.name for each in sample),
        )


def _receipt(manifest: Manifest, place: str, sha256: str) -> Receipt:
    return Receipt(
        hub=manifest.hub,
        at=manifest.at,
        by=manifest.by,
        deploy=manifest.deploy,
        place=place,
        manifest=sha256,
        claims={each.claim.uid: each.content if each.at_rest else "" for each in manifest.archived},
    )
