"""hubops chart upgrade: another version of a hub's JupyterHub chart."""

import json
import sys
import tempfile
from pathlib import Path

import click

from hubops.cli import running
from hubops.cli.lazy import LazyGroup
from hubops.cli.machine import local_top, project
from hubops.cli.progress import progress
from hubops.cli.rehearse import Asked, rehearse_upgrade
from hubops.cli.writing import refuse, write
from hubops.clients.helm import Helm, open_home
from hubops.desired.chart_lock import check_lock
from hubops.desired.charts import LOCAL, Charts
from hubops.desired.model import Fleet, Hub, ImageReference, Problem, Values
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.desired.secret_files import STAND_IN
from hubops.desired.values import JUPYTERHUB, image_names, merge, prefixed, render_values
from hubops.desired.values_check import UPSTREAM
from hubops.errors import OutOfReachError, ReleaseError, RepositoryError, UsageError
from hubops.events import Emit
from hubops.execute.bundle import make_bundle
from hubops.local.toolchain import require_tool
from hubops.scaffold.changes import Changes
from hubops.scaffold.chart_upgrade import find_replaced, upgraded_files
from hubops.secret import Redactor

# What no file says in plain, and charts want.
_SECRETS: Values = {
    "proxy": {"secretToken": STAND_IN},
    "hub": {"cookieSecret": STAND_IN, "config": {"CryptKeeper": {"keys": [STAND_IN]}}},
}


@click.group(
    cls=LazyGroup, commands_by_name={"upgrade": ("hubops.cli.chart:upgrade", "Another version of it.")}
)
def command() -> None:
    """Change the chart of a hub."""


@click.command()
@click.argument("hub")
@click.argument("version")
@click.option(
    "--rehearse", is_flag=True, help="Write nothing: try it on a copy of the hub's database, in its cluster."
)
@click.option("--with-server", is_flag=True, help="Rehearsing, let a probe person work on a server.")
@click.option("--names", is_flag=True, help="Rehearsing, name people and claims, as on a terminal.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of a rehearsal.")
def upgrade(hub: str, version: str, *, rehearse: bool, with_server: bool, names: bool, form: str) -> None:
    """Let HUB have VERSION of its JupyterHub chart: Chart.yaml and Chart.lock. No cluster is touched.

    The chart is fetched; its schema and its templates must take the hub's values, or nothing is written.

    With --rehearse nothing is written, and the cluster is touched: the new hub starts there on a copy of HUB's
    database, in a namespace of its own, and says which home each person would find, and who could log in.
    """
    fleet = load_fleet(project())
    wanted = fleet.require_hub(hub)
    changes = Changes(fleet.root, upgraded_files(wanted, version))
    _require_there(fleet, wanted, version)
    if rehearse:
        asked = Asked(server=with_server, names=names or sys.stdout.isatty(), form=form)
        rehearse_upgrade(wanted, changes, lambda copy, emit: _look(copy, hub, version, emit), asked)
        return
    if with_server or names or form != "text":
        raise click.UsageError("--with-server, --names and --format are of --rehearse")
    if wanted.chart.file not in changes.changed() and not list(check_lock(wanted)):
        click.echo(f"{hub} has {version} already.")
        return
    with progress() as emit:
        write(fleet, changes, [hub], lambda copy: running.run(_look(copy, hub, version, emit)))


def _require_there(fleet: Fleet, hub: Hub, version: str) -> None:
    """Refuse another version of a chart that lies in the repository than it has there."""
    for number, dependency in enumerate(hub.chart.value["dependencies"]):
        repository = dependency.get("repository") or ""
        if dependency["name"] != JUPYTERHUB or not repository.startswith(LOCAL):
            continue
        chart = Charts(fleet.root).find(hub, dependency)
        if chart and chart.version != version:
            raise UsageError(
                f"the chart at {repository} has version {chart.version}, not {version}",
                where=hub.chart.place("dependencies", number, "repository"),
                hint=f"It comes with hubops. For the upstream chart name its repository there: {UPSTREAM[1]}",
            )


async def _look(copy: Path, name: str, version: str, emit: Emit) -> None:
    """Refuse values that the chart would refuse: by its schema, and as it is rendered.

    Raises:
        OutOfReachError: the chart cannot be had.
        RepositoryError: it does not take the hub's values.
    """
    with (
        tempfile.TemporaryDirectory(prefix="hubops-chart-") as directory,
        open_home(Path(directory) / "helm") as home,
    ):
        helm = Helm(await require_tool("helm", emit), None, home, emit, Redactor())
        await _fetch(helm, copy / "hub-charts" / name)
        fleet = load_fleet(copy)
        refuse(_problems(fleet, fleet.hubs[name], version))
        await _render(helm, fleet, fleet.hubs[name], Path(directory))


async def _fetch(helm: Helm, chart: Path) -> None:
    try:
        await helm.dependency_build(chart)
    except ReleaseError as error:
        hint = "Nothing was written. Is there such a version, and does the chart's repository answer?"
        raise OutOfReachError(error.what, where=error.where, why=error.why, hint=hint) from error


def _problems(fleet: Fleet, hub: Hub, version: str) -> list[Problem]:
    """What the chart's version has against the hub's values; where a key has a successor, that is told."""
    replaced = list(find_replaced(hub, version))
    places = {problem.where for problem in replaced}
    found = find_problems(fleet.root, [hub.name]).problems
    others = [each for each in found if each.where not in places and not each.where.startswith("secrets/")]
    return replaced + others


async def _render(helm: Helm, fleet: Fleet, hub: Hub, directory: Path) -> None:
    """Charts refuse more than their schemas do, in the words of their templates."""
    top = local_top(fleet, hub)
    images = {name: ImageReference(f"registry.invalid/{name}", "c0") for name in image_names(hub, *top)}
    rendered = render_values(hub, images, *top)
    bundle = make_bundle(fleet.root, hub, rendered, images, directory / "bundle")
    values = directory / "values.json"
    values.write_text(json.dumps(merge(rendered, prefixed(hub, _SECRETS))))
    try:
        await helm.template(hub.release, hub.namespace, bundle.chart, [values])
    except ReleaseError as error:
        what, where = f"the chart refuses the values of {hub.name}", f"hub-charts/{hub.name}/values.yaml"
        hint = "Nothing was written. Change what it names."
        raise RepositoryError(what, where=where, why=error.why, hint=hint) from error
