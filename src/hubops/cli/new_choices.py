"""What `hubops new` decides when nobody said it, and what it asks for on a terminal."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from hubops.answer import Present, Unknown
from hubops.cli import running
from hubops.clients.chart_repository import find_versions
from hubops.desired.chart_lock import exact_version
from hubops.desired.model import Cluster, Fleet, Hub
from hubops.desired.settings import SETTINGS
from hubops.desired.values import JUPYTERHUB
from hubops.desired.values_check import UPSTREAM
from hubops.errors import OutOfReachError, UsageError
from hubops.names import did_you_mean
from hubops.scaffold.hub_files import ChartPin, embedded_pin

_STABLE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Wishes:
    """The options; None where nothing was said."""

    hub: str
    source: str | None = None
    stage: str | None = None
    cluster: str | None = None
    proved_by: str | None = None
    image: str | None = None
    new_image: bool = False
    auth: str | None = None
    answers: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    chart_version: str | None = None
    chart_repository: str | None = None
    embedded: bool = False

    def require_agreement(self) -> None:
        """Refuse options of which one would make another mean nothing.

        Raises:
            UsageError: names them.
        """
        upstream = self.chart_version or self.chart_repository
        if self.source and (upstream or self.embedded):
            hint = f"Leave the others out; afterwards: hubops chart upgrade {self.hub} VERSION"
            raise UsageError("with --from the chart is that of the other hub", hint=hint)
        for one, other, said in (
            ("--embedded", "--chart-version or --chart-repository", self.embedded and upstream),
            ("--image", "--new-image", self.image and self.new_image),
        ):
            if said:
                raise UsageError(f"{one} excludes {other}", hint="Say one of them.")


def choose_cluster(clusters: dict[str, Cluster], wishes: Wishes, source: Hub | None) -> Cluster:
    """Where the hub runs.

    Raises:
        UsageError: there is no such cluster, or nobody said which.
    """
    only = next(iter(clusters)) if len(clusters) == 1 else ""
    name = (
        wishes.cluster or (source.cluster.name if source else only) or pick("Cluster", "--cluster", clusters)
    )
    if name not in clusters:
        raise UsageError(f"there is no cluster {name}", where=SETTINGS, hint=did_you_mean(name, clusters))
    return clusters[name]


def choose_stage(fleet: Fleet, wishes: Wishes, cluster: Cluster, source: Hub | None) -> str:
    """The stage: what comes before production is made first."""
    usual = "production" if _provers(fleet, cluster) else "staging"
    copied = source.stage if source and source.cluster.local == cluster.local else ""
    return wishes.stage or copied or usual


def choose_prover(
    fleet: Fleet, wishes: Wishes, stage: str, cluster: Cluster, source: Hub | None
) -> Hub | None:
    """The hub that proves this one, as that of the hub it copies; a staging hub needs none.

    Raises:
        UsageError: there is no such hub, or several could be meant.
    """
    if wishes.proved_by:
        return fleet.require_hub(wishes.proved_by)
    if stage == "staging" or wishes.proved_by == "":
        return None
    if source and source.stage == stage and source.cluster.local == cluster.local:
        return fleet.hubs.get(source.proved_by)
    staging = _provers(fleet, cluster)
    near = {name: hub for name, hub in staging.items() if hub.cluster == cluster} or staging
    if len(near) > 1:
        return near[pick("Proved by", "--proved-by", near)]
    return next(iter(near.values()), None)


def _provers(fleet: Fleet, cluster: Cluster) -> dict[str, Hub]:
    """The staging hubs whose images are those of hubs on the cluster: the local one has a registry of its own."""
    staging = {hub.name: hub for hub in fleet.hubs.values() if hub.stage == "staging"}
    return {name: hub for name, hub in staging.items() if hub.cluster.local == cluster.local}


def choose_image(fleet: Fleet, wishes: Wishes, like: Hub | None) -> str:
    """The user image: as that of the hub it is `like`, else the only one; "" where there is none to take.

    Raises:
        UsageError: there is no such image, or several could be meant.
    """
    own = {
        name: image for name, image in fleet.images.items() if image.directory.parent.name == "user-images"
    }
    if wishes.image and wishes.image not in fleet.images:
        raise UsageError(
            f"nothing builds the image {wishes.image}",
            where="user-images/",
            hint=did_you_mean(wishes.image, own),
        )
    if wishes.image or wishes.new_image or wishes.hub in own:
        return wishes.image or wishes.hub
    if like and like.image:
        return like.image
    return pick("Image", "--image", own) if len(own) > 1 else next(iter(own), "")


def choose_chart(fleet: Fleet, wishes: Wishes, prover: Hub | None) -> ChartPin:
    """JupyterHub's chart: as the proving hub has it, for else it would never be proved; else the newest upstream.

    Raises:
        UsageError: the embedded chart is wanted and not there, or what is wanted is no version.
        OutOfReachError: no chart can be had.
    """
    embedded = embedded_pin(fleet.root)
    if wishes.embedded:
        if embedded is None:
            raise UsageError("there is no embedded chart here", where="charts/jupyterhub/")
        return embedded
    address = wishes.chart_repository or UPSTREAM[1]
    if wishes.chart_version:
        if exact_version(wishes.chart_version) != wishes.chart_version.removeprefix("v"):
            what = f"{wishes.chart_version!r} is no version of a chart"
            raise UsageError(what, hint="Write for example 4.4.0.")
        return ChartPin(wishes.chart_version, address)
    if prover and not wishes.chart_repository and (pin := _pin_of(prover)):
        return pin
    answer = running.run(find_versions(address, JUPYTERHUB))
    if isinstance(answer, Present) and (newest := newest_stable(answer.value)):
        return ChartPin(newest, address)
    why = answer.reason if isinstance(answer, Unknown) else f"{address} has no release of {JUPYTERHUB}"
    if embedded is None or wishes.chart_repository:
        hint = "Say which version: --chart-version; it is fetched by the deploy."
        raise OutOfReachError("no version of the upstream chart is known", where=address, why=why, hint=hint)
    click.echo(f"The chart that comes with hubops is used: {why}", err=True)
    return embedded


def newest_stable(versions: Sequence[str]) -> str:
    """The highest version that is no pre-release; "" where there is none."""
    found = [
        (tuple(map(int, match.groups())), match[0]) for each in versions if (match := _STABLE.fullmatch(each))
    ]
    return max(found, default=((), ""))[1]


def _pin_of(hub: Hub) -> ChartPin | None:
    """The chart that the hub's Chart.lock holds."""
    locked = hub.lock.value.get("dependencies") or []
    found = (each for each in locked if isinstance(each, dict) and each.get("name") == JUPYTERHUB)
    return next((ChartPin(str(each["version"]), str(each["repository"])) for each in found), None)


def pick(question: str, option: str, known: Mapping[str, object]) -> str:
    """One of several names, asked for on a terminal."""
    names = sorted(known)
    if not sys.stdin.isatty() or not names:
        hint = f"Give it one of: {', '.join(names)}." if names else "There is none yet: make one first."
        raise UsageError(
            f"{option} is missing", why="nothing says which it is, and nobody can be asked", hint=hint
        )
    return str(click.prompt(question, type=click.Choice(names), err=True))
