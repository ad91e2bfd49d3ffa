"""Pruning a registry: looked at and shown first; deleted under a lease, after everything was looked at once more."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hubops.clients.artifacts import attached_to
from hubops.clients.registry import Registry
from hubops.desired.images import is_content_tag
from hubops.desired.model import Cluster, Fleet, ImageReference
from hubops.errors import RefusedError
from hubops.events import step
from hubops.execute.lease import now as lease_now
from hubops.execute.prune import delete_image, write_marks
from hubops.execute.sbom import SBOM
from hubops.plan.prune import decide_prune
from hubops.plan.prune_model import Pruning
from hubops.run.fleet import Ways
from hubops.run.image_needs import read_wanted
from hubops.run.session import hold_and_write
from hubops.state.image_model import Marks, Need, Stored
from hubops.state.images import read_marks, read_stored

# The name of the lease: not one that a hub can have.
_LEASE = "images.prune"
NOT_OURS = "a tag that hubops did not make"
BESIDE = "it lies beside an image"
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Scope:
    """Which registry, how to ask it, and whether it is that of the local cluster."""

    registry: str
    client: Registry
    local: bool
    clock: Clock = lease_now


async def look_at_images(fleet: Fleet, scope: Scope, ways: Ways) -> Pruning:
    """What would be deleted, and why the rest is kept; nothing is written.

    Raises:
        HubopsError: something that may need an image cannot be asked.
    """
    return (await _look(fleet, scope, ways))[0]


async def prune_images(fleet: Fleet, scope: Scope, ways: Ways) -> Pruning:
    """Write down what nobody needs, and delete what nobody has needed for long enough, and not since either.

    Returns the decision that was carried out.

    Raises:
        HubopsError: as `look_at_images`; or a deletion fails, and the next run goes on.
    """
    first, cluster = await _look(fleet, scope, ways)
    async with (
        ways.session(await ways.machine(cluster)) as session,
        hold_and_write(session, _LEASE) as writer,
    ):
        second, _ = await _look(fleet, scope, ways, agreed=first)
        await write_marks(writer.kube, second.marks)
        for each in second.delete:
            writer.lease.require_held()
            await delete_image(each, scope.client, ways.emit)
        gone = {each.key for each in second.delete}
        await write_marks(writer.kube, {key: at for key, at in second.marks.items() if key not in gone})
    return second


async def _look(
    fleet: Fleet, scope: Scope, ways: Ways, agreed: Pruning | None = None
) -> tuple[Pruning, Cluster]:
    """The decision, and the cluster that has the marks."""
    if not scope.registry:
        raise RefusedError("there is no registry to prune", where="hubops.yaml: registry")
    now = scope.clock()
    wanted = await read_wanted(fleet, scope.registry, ways, now, local=scope.local)
    if not wanted.clusters:
        raise RefusedError(
            f"no cluster pulls from {scope.registry}",
            where="hubops.yaml: clusters",
            why="so nobody can tell what runs",
            hint="Name the clusters that hubs run on.",
        )
    # By name, so that it is the same one each time.
    first = min(wanted.clusters, key=lambda cluster: cluster.name)
    async with ways.session(await ways.machine(first)) as session:
        marks: Marks = await read_marks(session.kube)
    with step(ways.emit, f"what {scope.registry} has") as note:
        digests = {ImageReference.parse(need.image).digest for need in wanted.needs} - {""}
        stored = await read_stored(scope.client, wanted.repositories, digests)
        note.text = f"{sum(len(each.tags) for each in stored)} tags"
    needs = [*wanted.needs, *_foreign(stored)]
    grace = timedelta(hours=fleet.keeping.grace_hours)
    return decide_prune(stored, needs, marks, now, grace, agreed=agreed), first


def _foreign(stored: list[Stored]) -> list[Need]:
    """Tags that are not of hubops are somebody's; a list of what is in an image goes after its image."""
    return [
        Need(f"{each.repository}:{tag}", BESIDE if attached_to(tag, SBOM) else NOT_OURS)
        for each in stored
        for tag in each.tags
        if not is_content_tag(tag) and attached_to(tag, SBOM) in {"", *each.tags.values()}
    ]
