"""Everybody who needs an image of a registry: branches, pods, deploys, hubs. Whatever cannot be asked stops it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hubops.answer import Present, Unknown
from hubops.clients.git import Git
from hubops.desired.images import reference
from hubops.desired.model import Cluster, Fleet, Hub, ImageReference
from hubops.desired.written_images import written_images
from hubops.errors import OutOfReachError
from hubops.events import step
from hubops.execute.mark import require_cluster
from hubops.plan.prune_needs import recorded_needs
from hubops.run.branches import branch_fleet, open_branches
from hubops.run.fleet import Ways
from hubops.run.session import Session
from hubops.state.image_model import Need
from hubops.state.images import read_running
from hubops.state.live import read_hub_values
from hubops.state.records import read_histories

_IMAGES = "*images/*/Dockerfile"
# What can be part of a repository's name; asked for another, registries answer with an error.
_PUSHABLE = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*")


@dataclass
class Wanted:
    """What was found out: who needs what, where images may be, which clusters and hubs there are."""

    registry: str
    local: bool
    needs: list[Need] = field(default_factory=list)
    repositories: set[str] = field(default_factory=set)
    hubs: dict[tuple[Cluster, str], Hub] = field(default_factory=dict)
    clusters: list[Cluster] = field(default_factory=list)

    def add_fleet(self, fleet: Fleet, name: str, names_ever: set[str]) -> None:
        """What a fleet builds and names, on those of its clusters that pull from the registry."""
        for image in fleet.images:
            self.needs.append(Need(str(reference(fleet, self.registry, image)), name))
        for image in {name for name in {*fleet.images} | names_ever if _PUSHABLE.fullmatch(name)}:
            self.repositories.add(f"{self.registry}/{fleet.image_name.format(name=image)}")
        for hub in fleet.hubs.values():
            self.hubs[hub.cluster, hub.namespace] = hub
            for document in hub.documents:
                self.add_written(document.value, f"{document.file} of {name}")
        known = {(each.local, each.context) for each in self.clusters}
        here = [each for each in fleet.clusters if each.local == self.local]
        self.clusters += [each for each in here if (each.local, each.context) not in known]

    def add_written(self, values: object, reason: str) -> None:
        """What somebody wrote out."""
        self.needs += [Need(image, reason) for image in written_images(values, self.registry)]

    def add_recorded(self, needs: Iterator[Need]) -> None:
        """What deploys recorded, and where that is: the image's files may be gone from every branch."""
        for need in needs:
            self.needs.append(need)
            repository = ImageReference.parse(need.image).repository
            if repository.startswith(f"{self.registry}/"):
                self.repositories.add(repository)


async def read_wanted(fleet: Fleet, registry: str, ways: Ways, now: datetime, *, local: bool) -> Wanted:
    """All who need images of the registry: that of the local cluster if `local`, else that of all others.

    Raises:
        HubopsError: a branch, a cluster or a remote cannot be read.
    """
    wanted = Wanted(registry, local)
    await _read_branches(fleet, wanted, ways)
    horizon = timedelta(days=fleet.keeping.rollback_days)
    for cluster in wanted.clusters:
        with step(ways.emit, f"what cluster {cluster.name} needs") as note:
            before = len(wanted.needs)
            async with ways.session(await ways.machine(cluster)) as session:
                await _read_cluster(session, cluster, wanted, now, horizon)
            note.text = f"{len(wanted.needs) - before} uses of images"
    return wanted


async def _read_branches(fleet: Fleet, wanted: Wanted, ways: Ways) -> None:
    with step(ways.emit, "what open branches need") as note:
        names = {name.split("/")[-2] for name in await Git(fleet.root).names_ever(_IMAGES)}
        branches = await open_branches(fleet.root)
        wanted.add_fleet(fleet, "the files here", names)
        for commit, name in branches.items():
            async with branch_fleet(fleet.root, name, commit) as found:
                if found:
                    wanted.add_fleet(found, f"branch {name}", names)
        note.text = f"{len(branches)} commits"


async def _read_cluster(
    session: Session, cluster: Cluster, wanted: Wanted, now: datetime, horizon: timedelta
) -> None:
    await require_cluster(session.kube, cluster.name)
    wanted.needs += await read_running(session.kube, cluster.name)
    for history in (await read_histories(session.kube)).values():
        wanted.add_recorded(recorded_needs(history, now, horizon))
    for (where, namespace), hub in wanted.hubs.items():
        if (where.local, where.context) != (cluster.local, cluster.context):
            continue
        found = await read_hub_values(session.kube, namespace)
        if isinstance(found, Unknown):
            raise OutOfReachError(f"nobody can tell what {hub.name} starts servers from", why=found.reason)
        if isinstance(found, Present):
            wanted.add_written(found.value, f"what {hub.name} starts servers from")
