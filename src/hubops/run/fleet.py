"""Many hubs: each after the one that proves it; one that fails stops none that has nothing to do with it."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from time import monotonic

from hubops.desired.deployable import require_own_namespace
from hubops.desired.images import require_image
from hubops.desired.model import Cluster, Fleet, Hub
from hubops.desired.values import image_names
from hubops.errors import (
    HubopsError,
    OutOfReachError,
    RefusedError,
    RepositoryError,
    RolledBackError,
    SkippedError,
)
from hubops.events import Emit
from hubops.execute.mark import require_cluster
from hubops.plan.model import Course, Decision
from hubops.report.model import Outcome, Result, Told
from hubops.run.attempt import Made
from hubops.run.disable import disable
from hubops.run.graph import MadeImage, make_images
from hubops.run.hub import Deployed, Terms, deploy
from hubops.run.session import Machine, Session, open_session
from hubops.secret import Redactor
from hubops.state.model import History
from hubops.state.records import read_history


@dataclass(frozen=True)
class Ways:
    """How to get to clusters: what this machine offers for one, and what it needs before its first hub.

    `emit` and `redactor` are of the whole run.
    """

    machine: Callable[[Cluster], Awaitable[Machine]]
    prepare: Callable[[Session], Awaitable[None]]
    emit: Emit
    redactor: Redactor

    def session(self, machine: Machine) -> AbstractAsyncContextManager[Session]:
        return open_session(machine, self.emit, self.redactor)


async def deploy_in_turn(fleet: Fleet, hub: Hub, session: Session, terms: Terms, ways: Ways) -> Deployed:
    """Deploy a hub if the hub that proves it has proved it, wherever that one runs; as `deploy`.

    One that is disabled is stopped instead, unless another hub runs where it would.
    """
    if hub.disabled:
        require_own_namespace(fleet, hub)
        decision = Decision(Course.DISABLED, hub.disabled)
        return Deployed(decision, Made(stopped=await disable(hub, session)))
    try:
        prover = await prover_history(fleet, hub, session, ways)
    except HubopsError:
        if not terms.override:
            raise
        prover = History(hub.proved_by)  # what nobody can tell is no proof, and goes on without one
    return await deploy(fleet, hub, session, terms, prover)


async def prover_history(fleet: Fleet, hub: Hub, session: Session, ways: Ways) -> History | None:
    """What is recorded of the hub that proves this one, on whatever cluster it is; None where none has to."""
    if not hub.proved_by:
        return None
    prover = fleet.hubs[hub.proved_by]
    if prover.cluster == hub.cluster:
        return await read_history(session.kube, prover.name)
    machine = await ways.machine(prover.cluster)
    async with ways.session(machine) as other:
        await require_cluster(other.kube, prover.cluster.name)
        return await read_history(other.kube, prover.name)


async def merge(fleet: Fleet, hubs: Iterable[Hub], ways: Ways, terms: Terms) -> list[Outcome]:
    """Build and push what the registry lacks, and deploy the hubs in the order given; never raises for one.

    Content that may not be deployed leaves a hub as it is, but for its people and secrets.
    """
    async with AsyncExitStack() as stack:
        run = _Merge(fleet, list(hubs), ways, terms, stack)
        for hub in run.hubs:
            await run.hub(hub)
        return run.outcomes


@dataclass
class _Merge:
    fleet: Fleet
    hubs: list[Hub]
    ways: Ways
    terms: Terms
    stack: AsyncExitStack
    outcomes: list[Outcome] = field(default_factory=list)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _images: dict[tuple[str, str], bool] = field(default_factory=dict)

    async def hub(self, hub: Hub) -> None:
        """Images and deploy of one hub, and their outcomes."""
        began = monotonic()
        try:
            session = await self._session(hub.cluster)
            await self._build(session.machine)
            names = [] if hub.disabled else image_names(hub, *session.machine.top)
            for name in names:
                require_image(self.fleet, name)
            missing = [name for name in names if not self._images.get((session.machine.registry, name))]
            if missing:
                note = f"its image {missing[0]} could not be built"
                self.outcomes.append(Outcome("hub", hub.name, Result.SKIPPED, note))
                return
            began = monotonic()
            deployed = await deploy_in_turn(self.fleet, hub, session, self.terms, self.ways)
            self.outcomes.append(self._told(hub, deployed, monotonic() - began))
        except HubopsError as error:
            self.outcomes.append(self._failed("hub", hub.name, error, monotonic() - began))

    async def _session(self, cluster: Cluster) -> Session:
        if cluster.name not in self._sessions:
            machine = await self.ways.machine(cluster)
            session = await self.stack.enter_async_context(
                open_session(machine, self.ways.emit, self.ways.redactor)
            )
            await session.connection.opened()  # nothing is built for a cluster that cannot be had
            await self.ways.prepare(session)
            self._sessions[cluster.name] = session
        return self._sessions[cluster.name]

    async def _build(self, machine: Machine) -> None:
        """Make the images of all hubs of the cluster, each once for its registry, before the first is deployed."""
        hubs = [hub for hub in self.hubs if hub.cluster == machine.cluster and not hub.disabled]
        wanted = dict[str, None]()
        for hub in hubs:
            with suppress(HubopsError):  # told when it is its turn
                wanted |= dict.fromkeys(image_names(hub, *machine.top))
        names = [n for n in wanted if n in self.fleet.images and (machine.registry, n) not in self._images]
        made = await make_images(
            self.fleet, names, machine.registry, machine.workshop, self.ways.emit, push=True
        )
        for name, each in made.items():
            self._images[machine.registry, name] = each.error is None
            self.outcomes.append(self._made(name, each))

    def _made(self, name: str, made: MadeImage) -> Outcome:
        if made.error:
            return self._failed("image", name, made.error, made.took_s)
        return Outcome("image", name, Result.DONE, took_s=made.took_s)

    def _told(self, hub: Hub, deployed: Deployed, took_s: float) -> Outcome:
        decision, made = deployed.decision, deployed.made
        result, note = _result(deployed), decision.reason
        if decision.course is Course.DEPLOY and decision.proof:
            settings = len(decision.unproved)
            note = (
                f"proved by {decision.proof.hub}, deploy {decision.proof.number}; {settings} settings its own"
            )
        elif made.number and decision.course is not Course.DEPLOY:
            note = f"people and secrets updated; {decision.reason}"
        hint = Told(decision.reason, f"hub {hub.name}", hint=decision.hint) if decision.hint else None
        commit = self.terms.commit.hash
        return Outcome("hub", hub.name, result, note, took_s, hint, made.number or None, commit)

    def _failed(self, kind: str, name: str, error: HubopsError, took_s: float) -> Outcome:
        outcome = failed_outcome(kind, name, error, took_s, self.ways.redactor)
        return replace(outcome, commit=self.terms.commit.hash)


def failed_outcome(
    kind: str, name: str, error: HubopsError, took_s: float = 0, redactor: Redactor | None = None
) -> Outcome:
    """The row of a report that tells an error, masked."""
    mask = (redactor or Redactor()).mask
    told = Told(mask(error.what), mask(error.where), mask(error.why), mask(error.hint))
    return Outcome(kind, name, result_of(error), told.what, took_s, told)


def result_of(error: HubopsError) -> Result:
    """How a report calls what an error means."""
    match error:
        case RolledBackError():
            return Result.ROLLED_BACK
        case RefusedError() | RepositoryError():
            return Result.REFUSED
        case SkippedError():
            return Result.SKIPPED
        case OutOfReachError():
            return Result.UNKNOWN
        case _:
            return Result.FAILED


def _result(deployed: Deployed) -> Result:
    decision, made = deployed.decision, deployed.made
    if decision.course is Course.HELD:
        return Result.HELD
    if decision.course is Course.NOT_PROVED:
        return Result.NOT_PROVED
    if made.stopped:
        return Result.DISABLED
    if not made.number:
        return Result.UNCHANGED
    return Result.PROVED if made.proved else Result.PEOPLE
