"""hubops config: what a hub's charts get in the end, and where it was set."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from hubops.cli.machine import project, registry_of
from hubops.desired.chart_values import is_enabled
from hubops.desired.charts import Chart, Charts
from hubops.desired.dependency_check import key_of
from hubops.desired.explain import Explanation, Value, explain, list_values
from hubops.desired.files import read_secrets
from hubops.desired.images import reference
from hubops.desired.layers import Layer, layers_of
from hubops.desired.model import Fleet, Hub, Values
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names, merge, moved

_WIDEST = 60


@click.command()
@click.argument("hub")
@click.option("--explain", "key", metavar="KEY", help="Everything that is said about one key, lowest first.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(hub: str, key: str | None, form: str) -> None:
    """Say each value that the charts of HUB get, and the file and line that set it.

    Needs no network and no secrets: those are stand-ins, and people are counted.
    """
    fleet = load_fleet(project())
    wanted = fleet.require_hub(hub)
    layers = _layers(fleet, wanted)
    found = explain(layers, key, wanted.prefix) if key else list(list_values(layers))
    if form == "json":
        click.echo(
            json.dumps(
                asdict(found) if isinstance(found, Explanation) else [asdict(each) for each in found],
                indent=2,
            )
        )
    else:
        click.echo(format_explanation(found) if isinstance(found, Explanation) else format_values(found))


def format_values(values: Iterable[Value]) -> str:
    """A line for each value: its key, itself, where it was set."""
    return "\n".join(f"{each.key}: {_shown(each.value)}  # {each.where}" for each in values)


def format_explanation(found: Explanation) -> str:
    """The key and its value, then what each layer says, lowest first."""
    head = f"{found.key}: {_shown(found.value)}" if found.is_set else f"{found.key} is not set"
    lines = [f"  {each.where}\n    {_shown(each.value)}\n    {each.effect}" for each in found.settings]
    return "\n".join([head, *lines])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"


def _layers(fleet: Fleet, hub: Hub) -> list[Layer]:
    top = [hub.documents[-1].value] if hub.cluster.local else []
    images = {name: reference(fleet, registry_of(fleet), name) for name in image_names(hub, *top)}
    secrets = None if hub.cluster.local else read_secrets(fleet.root, hub.name)
    written = merge(*moved(hub, hub.layers), hub.values, *moved(hub, top))
    return layers_of(hub, images, _charts(fleet, hub, written), secrets)


def _charts(fleet: Fleet, hub: Hub, values: Values) -> dict[str, Chart]:
    """Those of its dependencies that are on disk; of the others the defaults are not shown."""
    found, charts = {}, Charts(fleet.root)
    for dependency in hub.chart.value["dependencies"]:
        if not is_enabled(values, dependency.get("condition") or ""):
            continue
        if chart := charts.find(hub, dependency):
            found[key_of(dependency)] = chart
        else:
            about = f"{dependency['name']} {dependency.get('version', '')}".strip()
            what = f"the defaults of the chart {about} are not here"
            click.echo(f"note: {what}; run helm dependency build hub-charts/{hub.name}", err=True)
    return found
