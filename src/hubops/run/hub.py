"""One hub: may it have what the repository wants, and then: deployed, proved, or brought back."""

from collections.abc import Collection
from dataclasses import dataclass, field

from hubops.desired.deployable import require_valid
from hubops.desired.model import Fleet, Hub
from hubops.desired.values import image_names, render_values
from hubops.errors import RefusedError
from hubops.events import Remark
from hubops.execute.bundle import Bundle, make_bundle
from hubops.plan.decide import decide
from hubops.plan.model import Course, Decision
from hubops.run.attempt import Attempt, Made
from hubops.run.images import find_images
from hubops.run.order import require_not_older
from hubops.run.people import PeopleChange
from hubops.run.session import Session, hold_and_write, learn_secrets
from hubops.state.model import Commit, History
from hubops.state.records import read_history


@dataclass(frozen=True)
class Terms:
    """On which terms a hub is deployed.

    `retry` names the hubs on which content is tried again that failed before; `override` is the reason to go
    on without a proof; without `prove` the hub is not asked for anything: nothing is verified, and nobody is
    taken off it; `backwards` lets an older commit go where a newer one was. `keep_people`: a hub that may not
    have its content gets today's people and secrets all the same, where it would be refused.
    """

    commit: Commit = field(default_factory=Commit)
    retry: frozenset[str] = frozenset()
    override: str = ""
    prove: bool = True
    backwards: bool = False
    keep_people: bool = False


@dataclass(frozen=True)
class Deployed:
    """What came of a deploy that did not fail."""

    decision: Decision
    made: Made


async def deploy(
    fleet: Fleet, hub: Hub, session: Session, terms: Terms | None = None, prover: History | None = None
) -> Deployed:
    """Deploy a hub, watch its rollout to the end, and prove that people can work on it.

    Where nothing changed nothing is written, and what was proved is not proved again. `prover` is the
    history of the hub that has to prove this one.

    Raises:
        RefusedError: it may not be deployed; nothing was touched, but for what a killed run left: what was
            proved before is back.
        RolledBackError: it failed, and what was proved before is back.
        HubopsError: it failed with what was seen, and there was nothing to go back to; or nobody can tell.
    """
    terms = terms or Terms()
    learn_secrets(hub, session)
    hub = session.machine.opened(hub)
    bundle = await wanted_bundle(fleet, hub, session)
    async with hold_and_write(session, hub.name) as writer:
        own = await read_history(writer.kube, hub.name)
        if not terms.backwards:
            await require_not_older(fleet.root, terms.commit, own, alone=hub.cluster.local)
        decision = decide(bundle.content, own, prover, retry=hub.name in terms.retry, override=terms.override)
        override = "" if decision.proof else terms.override
        people = PeopleChange(hub, session, writer)
        attempt = Attempt(hub, session, writer, own, terms.commit, people, override, prove=terms.prove)
        if decision.course is Course.DEPLOY:
            _tell_unproved(decision, session)
            return Deployed(decision, await attempt.deploy(bundle))
        session.emit(Remark(f"{hub.name}: {decision.course.value}: {decision.reason}"))
        made = await attempt.stay() if terms.keep_people or not own.settled else Made()
        if not terms.keep_people:
            raise RefusedError(
                f"{hub.name} is not deployed: {decision.course.value}",
                where=f"hub {hub.name}",
                why=decision.reason,
                hint=decision.hint,
            )
        return Deployed(decision, made)


async def apply_people(hub: Hub, session: Session, *, leaving: Collection[str] = ()) -> Made:
    """Today's people on the hub as it is, at once: its content stays, or is what was proved last.

    Those of the names `leaving` who are not among them leave, also where others than the named may come.

    Raises:
        RefusedError: nothing of the hub was proved yet.
        HubopsError: as `deploy`.
    """
    if hub.disabled:
        session.emit(Remark(f"{hub.name} is disabled: nobody is on it, and its next deploy goes by the file"))
        return Made()
    learn_secrets(hub, session)
    hub = session.machine.opened(hub)
    async with hold_and_write(session, hub.name) as writer:
        own = await read_history(writer.kube, hub.name)
        kept = own.restorable
        if kept is None:
            hint = f"Deploy it: hubops deploy {hub.name}"
            raise RefusedError(
                f"no deploy of {hub.name} was proved and kept", where=f"hub {hub.name}", hint=hint
            )
        people = PeopleChange(hub, session, writer, told=frozenset(name.lower() for name in leaving))
        # The commit stays the content's: that of these people is not made yet.
        return await Attempt(hub, session, writer, own, kept.commit, people).stay()


async def wanted_bundle(fleet: Fleet, hub: Hub, session: Session) -> Bundle:
    """What the repository wants for the hub, in a directory of the session.

    Raises:
        RepositoryError: its files are wrong.
        RefusedError, OutOfReachError: an image is not in the registry, or nobody can tell.
    """
    require_valid(fleet, hub)
    machine = session.machine
    images = await find_images(fleet, image_names(hub, *machine.top), machine)
    values = render_values(hub, images, *machine.top)
    return make_bundle(fleet.root, hub, values, images, session.directory / hub.name)


def _tell_unproved(decision: Decision, session: Session) -> None:
    if decision.proof:
        names = [difference.path for difference in decision.unproved]
        own = ", ".join([*names, "people", "secrets"])
        session.emit(Remark(f"not proved by {decision.proof.hub}, but verified here afterwards: {own}"))
