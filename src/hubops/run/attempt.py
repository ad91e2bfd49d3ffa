"""One attempt to deploy a hub: recorded before it begins, proved, and taken back when it fails."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hubops.clients.helm import Upgrade, format_values
from hubops.desired.access import read_access
from hubops.desired.model import Access, Hub, Values
from hubops.desired.people import with_people
from hubops.desired.values import merge, of_jupyterhub, prefixed
from hubops.errors import HubError, HubopsError, OutOfReachError, RefusedError, ReleaseError, RolledBackError
from hubops.events import step
from hubops.execute import records
from hubops.execute.bundle import Bundle, pack, unpack
from hubops.execute.content import content_of, read_deployed, secrets_digest
from hubops.execute.lease import person
from hubops.execute.pushed import find_lost
from hubops.run.people import PeopleChange
from hubops.run.release import bring
from hubops.run.session import Session, Writer, open_writer, secret_values
from hubops.state.model import Commit, Ending, History, Record
from hubops.state.records import read_bundle

_REASON_LIMIT = 4000  # characters of a failure's text that a record keeps


@dataclass(frozen=True)
class Made:
    """What an attempt did: its deploy number, 0 when there was nothing to do; whether a proof was run.

    `stopped`: the hub is disabled, and ran until now.
    """

    number: int = 0
    proved: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Attempt:
    """A hub under its lease; `own` is what was recorded before, `commit` where the content comes from."""

    hub: Hub
    session: Session
    writer: Writer
    own: History
    commit: Commit
    people: PeopleChange
    override: str = ""
    prove: bool = True

    async def deploy(self, bundle: Bundle, *, rollback_of: int = 0) -> Made:
        """Bring the bundle to the cluster and prove it; `rollback_of` is the failed attempt that this answers.

        Raises:
            RolledBackError: it failed, and what was proved before is back.
            HubopsError: it failed, or nobody can tell.
        """
        known = self._was_proved(bundle)
        upgrade, content = self._upgrade(bundle)
        deployed = await read_deployed(self.writer.kube, upgrade.release, upgrade.namespace)
        await self.people.before(self._access(bundle), rolled_out=deployed.ours)
        if deployed.content == content and (known or not self.prove):
            await bring(upgrade, content, self.writer, self.session)
            await self._apply_people(bundle, upgraded=False)
            self.people.settle()
            return Made()
        # With people's names alone nothing changes that a notebook would notice.
        prove_it = self.prove and not (known and deployed.ours)
        record = await self._begin(bundle, self.own, rollback_of)
        failure, touched = await self._try(bundle, prove_it=prove_it)
        if failure is None:
            await self._finish(record, bundle, keep=not known)
            self.people.settle()
            return Made(record.number, prove_it)
        clear = isinstance(failure, ReleaseError | HubError)
        ending = Ending.FAILED if clear else Ending.UNKNOWN
        ended = await self._end(record, ending, failure, touched=touched)
        # Where nothing was written what stands is as it was; but that may be what a killed run left.
        if clear and (touched or not self.own.settled):
            await self._go_back(ended, failure)
        raise failure

    async def stay(self) -> Made:
        """Keep the content that was proved last, with today's people and secrets; as `deploy`."""
        kept, failed = self.own.restorable, self.own.open_failure
        if kept is None:
            return Made()
        return await self.deploy(await self._restore(kept), rollback_of=failed.number if failed else 0)

    async def _try(self, bundle: Bundle, *, prove_it: bool) -> tuple[HubopsError | None, bool]:
        """The failure, if any, and whether the release was touched.

        Each through a gate of its own: one that was closed over a hopeless release stays closed.
        """
        async with open_writer(self.session, self.writer.lease) as writer:
            try:
                upgrade, content = self._upgrade(bundle)
                upgraded = await bring(upgrade, content, writer, self.session, complete=bundle.complete)
                await self._apply_people(bundle, upgraded=upgraded)
                if prove_it:
                    # It imports what no other part of a deploy needs, for a tenth of a second.
                    from hubops.run.verify import prove  # noqa: PLC0415 - see above

                    await prove(self.hub, self.session, writer.kube)
                await self._require_ours(upgrade, content, writer)
            except HubopsError as failure:
                # A proof is about what stands, whoever wrote it.
                return failure, bool(writer.gate.writes) or isinstance(failure, HubError)
        return None, True

    async def _require_ours(self, upgrade: Upgrade, content: str, writer: Writer) -> None:
        """A helm beside ours may have upgraded the release meanwhile: then it is not known what was proved."""
        if (await read_deployed(writer.kube, upgrade.release, upgrade.namespace)).content != content:
            raise OutOfReachError(
                f"the release {upgrade.release} is another's by now",
                where=f"namespace {upgrade.namespace}",
                why="helm was run on it beside hubops, and what was tried may be either",
                hint="See who runs helm there (helm history), then deploy again.",
            )

    async def _apply_people(self, bundle: Bundle, *, upgraded: bool) -> None:
        """Who came is let in, and who may not be there any more taken off; without a proof the hub is not asked for anything."""
        if self.prove:
            await self.people.after(self._access(bundle), upgraded=upgraded)

    async def _go_back(self, failed: Record, failure: HubopsError) -> None:
        """Bring back what was proved last, unless it is just this that failed.

        Raises:
            RolledBackError: it is back.
            HubopsError: it does not come back either; the first failure, with this one's reason.
        """
        kept, proved = self.own.restorable, self.own.last_proved
        if proved and proved.content.key == failed.content.key:
            return
        if kept is None:
            if proved:
                failure.why += (
                    f"\nDeploy {proved.number}, proved before, cannot come back: its chart is not kept."
                )
            return
        # Helm was ended by us, so what it left pending is nobody's.
        self.writer.lease.inherited = self.writer.lease.inherited or self.writer.lease.holder
        try:
            with step(self.session.emit, f"roll back {self.hub.name} to deploy {kept.number}"):
                await self._bring_back(kept, failed)
        except HubopsError as error:
            failure.why += f"\nWhat was proved before (deploy {kept.number}) does not come back: {error}"
            raise failure from error
        raise RolledBackError(
            f"deploy {failed.number} of {self.hub.name} failed; what deploy {kept.number} proved is back",
            where=failure.where or f"hub {self.hub.name}",
            why=f"{failure.what}\n{failure.why}".strip(),
            hint=failure.hint or "Correct it; the same content is not tried again by itself.",
        ) from failure

    async def _bring_back(self, kept: Record, failed: Record) -> None:
        bundle = await self._restore(kept)
        history = History(self.hub.name, (*self.own.records, failed))
        record = await self._begin(bundle, history, failed.number)
        failure, touched = await self._try(bundle, prove_it=self.prove)
        if failure:
            # Not failed: this content was proved, and is tried again until it is back.
            await self._end(record, Ending.UNKNOWN, failure, touched=touched)
            raise failure
        await self._finish(record, bundle, keep=True)

    async def _restore(self, kept: Record) -> Bundle:
        lost = await find_lost(kept.content.images.values(), self.session.machine.workshop.registry)
        if lost:
            raise RefusedError(
                f"what deploy {kept.number} proved cannot come back: its image is not in the registry any more",
                where=f"hub {self.hub.name}",
                why=", ".join(lost),
                hint=f"Deploy what the repository has: hubops deploy {self.hub.name}",
            )
        packed = await read_bundle(self.writer.kube, kept)
        return unpack(packed, kept.content, self.session.directory / f"{self.hub.name}.{kept.number}")

    def _was_proved(self, bundle: Bundle) -> bool:
        """Whether what stands was proved with this content and these secrets."""
        standing = self.own.standing
        return (
            standing is not None
            and standing.ending is Ending.PROVED
            and standing.content.key == bundle.content.key
            and standing.secrets == self._secrets
        )

    @property
    def _secrets(self) -> str:
        return secrets_digest(self.session.machine.secrets(self.hub))

    def _values(self, bundle: Bundle) -> tuple[Hub, Values, Values]:
        """The hub with the bundle's prefix, not today's; its plain values; its secret ones. With today's people."""
        hub = replace(self.hub, prefix=bundle.content.prefix)
        secrets = prefixed(hub, secret_values(hub, self.session.machine))
        values = with_people(hub, bundle.content.values)
        if hub.people.encrypted:  # these names are never in a file, not even a temporary one
            return hub, bundle.content.values, merge(values, secrets)
        return hub, values, secrets

    def _access(self, bundle: Bundle) -> Access:
        hub, *layers = self._values(bundle)
        return read_access(of_jupyterhub(hub, merge(*layers)))

    def _upgrade(self, bundle: Bundle) -> tuple[Upgrade, str]:
        """What helm is asked for, and a digest of that."""
        hub, values, secrets = self._values(bundle)
        file = bundle.directory / "values.yaml"
        file.write_bytes(format_values(values))
        upgrade = Upgrade(hub.release, hub.namespace, bundle.chart, [file], secrets, hub.timeout_s)
        return upgrade, content_of(upgrade, bundle.content.key)

    async def _begin(self, bundle: Bundle, history: History, rollback_of: int) -> Record:
        record = Record(
            number=0,
            hub=self.hub.name,
            ending=Ending.UNFINISHED,
            at=_now(),
            by=person(self.writer.lease.holder).partition(" process ")[0],
            commit=self.commit,
            content=bundle.content,
            secrets=self._secrets,
            override="" if rollback_of else self.override,
            rollback_of=rollback_of,
        )
        return await records.begin(self.writer.kube, record, history)

    async def _end(self, record: Record, ending: Ending, error: HubopsError, *, touched: bool) -> Record:
        why = self.session.redactor.mask(f"{error.what}\n{error.why}".strip())[:_REASON_LIMIT]
        ended = replace(record, ending=ending, why=why, touched=touched, ended_at=_now())
        return await records.end(self.writer.kube, ended)

    async def _finish(self, record: Record, bundle: Bundle, *, keep: bool) -> None:
        ending = Ending.PROVED if self.prove else Ending.UNKNOWN
        packed = pack(bundle) if keep else b""
        proved = replace(record, ending=ending, ended_at=_now())
        ended = await records.end(self.writer.kube, proved, bundle=packed)
        since = datetime.now(UTC) - timedelta(days=self.session.machine.keeping.rollback_days)
        await records.prune(self.writer.kube, History(self.hub.name, (*self.own.records, ended)), since)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
