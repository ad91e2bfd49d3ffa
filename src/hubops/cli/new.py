"""hubops new: the files of another hub."""

from typing import Any

import click

from hubops.cli.machine import project
from hubops.cli.new_choices import (
    Wishes,
    choose_chart,
    choose_cluster,
    choose_image,
    choose_prover,
    choose_stage,
)
from hubops.cli.new_login import Login, choose_login
from hubops.cli.writing import write
from hubops.desired.files import Files
from hubops.desired.model import Cluster, Fleet, Hub
from hubops.desired.repository import STAGES, load_fleet
from hubops.desired.settings import read_clusters
from hubops.desired.values import JUPYTERHUB
from hubops.errors import UsageError
from hubops.names import is_dns_label, is_reserved
from hubops.scaffold.changes import Changes
from hubops.scaffold.hub_files import NewHub, copied_files, hub_files
from hubops.scaffold.logins import form_of
from hubops.scaffold.providers import PROVIDERS
from hubops.scaffold.repository_files import image_files


@click.command()
@click.argument("hub")
@click.option(
    "--from", "source", metavar="HUB", help="Copy the settings of HUB, but neither people nor secrets."
)
@click.option(
    "--stage", type=click.Choice(STAGES), help="[default: production, when a staging hub can prove it there]"
)
@click.option("--cluster", help="One of clusters in hubops.yaml. [default: the only one; else asked]")
@click.option(
    "--proved-by",
    metavar="HUB",
    help="[default: a staging hub whose images it has, on the same cluster if there is one]",
)
@click.option("--image", help="A directory of user-images/. [default: that of the hub that proves it]")
@click.option("--new-image", is_flag=True, help="Begin a user image of the hub's own.")
@click.option(
    "--auth", type=click.Choice(sorted(PROVIDERS)), help="How people log in; not needed on the local cluster."
)
@click.option(
    "--set", "answers", multiple=True, metavar="KEY=VALUE", help="A setting of --auth; else asked for."
)
@click.option("--admin", "admins", multiple=True, metavar="NAME", help="Who administers the hub.")
@click.option(
    "--chart-version", help="Of the upstream chart. [default: as the hub that proves it; else the newest]"
)
@click.option("--chart-repository", metavar="URL", help="Where the upstream chart is.")
@click.option("--embedded", is_flag=True, help="Use the chart that comes with hubops.")
def command(**options: Any) -> None:
    """Write the files of HUB, and say what to enter at the provider of its logins."""
    wishes, fleet = Wishes(**options), load_fleet(project())
    _require_name(wishes.hub, fleet)
    wishes.require_agreement()
    source = fleet.require_hub(wishes.source) if wishes.source else None
    cluster = choose_cluster(read_clusters(Files(fleet.root)), wishes, source)
    login = choose_login(fleet, wishes, cluster, source)
    files = _files(fleet, wishes, cluster, login, source)
    write(fleet, Changes(fleet.root, files), [wishes.hub])
    click.echo(_next(wishes.hub, cluster, login, source.prefix if source else JUPYTERHUB))


def _require_name(name: str, fleet: Fleet) -> None:
    if name in fleet.hubs:
        raise UsageError(
            f"there is a hub {name} already", where=f"hub-charts/{name}/", hint="Choose another name."
        )
    if not is_dns_label(name):
        raise UsageError(
            f"{name} cannot name a hub", hint="Use lower-case letters, digits and -, first a letter."
        )
    if is_reserved(name):
        why = "the hub's namespace would have this name, and it is another's"
        raise UsageError(f"{name} cannot name a hub", why=why, hint="Take another name.")


def _files(
    fleet: Fleet, wishes: Wishes, cluster: Cluster, login: Login | None, source: Hub | None
) -> dict[str, bytes]:
    stage = choose_stage(fleet, wishes, cluster, source)
    prover = choose_prover(fleet, wishes, stage, cluster, source)
    image = choose_image(fleet, wishes, source or prover)
    proved_by, values = prover.name if prover else "", login.values if login else {}
    hub = NewHub(wishes.hub, stage, cluster.name, image, proved_by, values, wishes.admins)
    files = image_files(wishes.hub) if wishes.new_image or not image else {}
    if source:
        before = source.origin or source.cluster.url
        moved = (f"{before}{source.path}", _home(cluster, wishes.hub)) if before and cluster.url else ("", "")
        return files | copied_files(hub, source, moved)
    return files | hub_files(hub, choose_chart(fleet, wishes, prover))


def _home(cluster: Cluster, name: str) -> str:
    return f"{cluster.url}/{name}/"


def _next(name: str, cluster: Cluster, login: Login | None, prefix: str) -> str:
    lines = ["", f"Who may come: hubops user add {name} NAME"]
    if not cluster.local:
        lines += [f"Secrets: hubops secrets new {name}"]
    if login and login.provider:
        provider = login.provider
        section = ".".join(part for part in (prefix, "hub.config", provider.section) if part)
        lines += ["", f"How people log in: {provider.authenticator}", form_of(provider, login.home)]
        shown = ", ".join(login.secrets())
        lines += [f"Among the secrets, below {section}: {shown}"] if shown else []
    return "\n".join(lines)
