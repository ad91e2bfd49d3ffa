"""What a deploy would do: against what a cluster has, or against another commit where no cluster is asked."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hubops.answer import Present, Unknown
from hubops.desired.images import reference
from hubops.desired.model import Fleet, Hub, ImageReference, Values
from hubops.desired.values import image_names, render_values
from hubops.errors import OutOfReachError
from hubops.execute.bundle import make_bundle
from hubops.execute.content import read_deployed
from hubops.execute.scale import find_running
from hubops.plan.compare import anew, compare, disabled, stopped
from hubops.plan.decide import decide
from hubops.plan.model import DEPLOY, LEFT, NOTHING, PEOPLE, Course, HubPlan
from hubops.run.fleet import Ways, prover_history
from hubops.run.session import Session, learn_secrets
from hubops.state.model import Content
from hubops.state.records import read_history


async def plan_hub(fleet: Fleet, hub: Hub, session: Session, ways: Ways) -> HubPlan:
    """What a deploy of the hub would do now; nothing is written.

    Raises:
        HubopsError: a file is wrong, or the cluster or the registry cannot be asked.
    """
    if hub.disabled:
        return disabled(hub, already=not any(await find_running(session.kube, hub.release, hub.namespace)))
    learn_secrets(hub, session)
    machine = session.machine
    images, build = {}, []
    for name in image_names(hub, *machine.top):
        image = reference(fleet, machine.registry, name)
        found = await machine.workshop.registry.find_digest(image.repository, image.tag)
        if isinstance(found, Unknown):
            raise OutOfReachError(f"nobody can tell whether {image} is in its registry", why=found.reason)
        digest = found.value if isinstance(found, Present) else ""
        images[name] = replace(image, digest=digest)
        build += [] if digest else [name]
    wanted = wanted_content(fleet, hub, images, machine.top)
    own = await read_history(session.kube, hub.name)
    standing = own.standing
    number = standing.number if standing else 0
    decision = decide(wanted, own, await prover_history(fleet, hub, session, ways))
    if decision.course is not Course.DEPLOY and not build:
        return stopped(hub.name, decision, number)
    found_plan = compare(hub, wanted, standing.content if standing else None, None, build)
    if standing and not own.settled and found_plan.action == NOTHING:
        found_plan = replace(found_plan, action=DEPLOY, reason=f"deploy {number} of it was not proved")
    elif standing and not (await read_deployed(session.kube, hub.release, hub.namespace)).ours:
        found_plan = anew(found_plan, "its release is not as hubops left it, or the hub was disabled")
    reason = decision.reason or found_plan.reason
    return replace(found_plan, deployed=number, reason=reason)


def plan_against(fleet: Fleet, before: Fleet, hub: Hub, top: tuple[Values, ...] = ()) -> HubPlan:
    """What a merge would change of a hub, from the files of another commit to these.

    Raises:
        RepositoryError: a file is wrong.
    """
    old = before.hubs.get(hub.name)
    if hub.disabled:
        return disabled(hub, already=old is None or bool(old.disabled))
    wanted = wanted_content(fleet, hub, _tags(fleet, hub, top), top)
    if old is None:
        return compare(hub, wanted, None, None, sorted(wanted.images))
    has = wanted_content(before, old, _tags(before, old, top), top)
    build = [name for name, image in sorted(wanted.images.items()) if has.images.get(name) != image]
    found = compare(hub, wanted, has, old.people, build)
    if found.action == NOTHING and hub.people_may_leave > old.people_may_leave:
        found = replace(found, action=PEOPLE)
    return anew(found, "it was disabled") if old.disabled else found


def plan_removed(fleet: Fleet, before: Fleet) -> list[HubPlan]:
    """Hubs whose files are gone: a merge never uninstalls them."""
    gone = sorted(set(before.hubs) - set(fleet.hubs))
    return [HubPlan(name, LEFT, "its files are gone; the hub itself and its data stay") for name in gone]


def _tags(fleet: Fleet, hub: Hub, top: tuple[Values, ...]) -> dict[str, ImageReference]:
    return {name: reference(fleet, fleet.registry, name) for name in image_names(hub, *top)}


def wanted_content(
    fleet: Fleet, hub: Hub, images: dict[str, ImageReference], top: tuple[Values, ...]
) -> Content:
    """What the files want of a hub, with these images.

    Raises:
        RepositoryError: a file is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="hubops-plan-") as directory:
        values = render_values(hub, images, *top)
        return make_bundle(fleet.root, hub, values, images, Path(directory) / hub.name).content
