"""hubops status and history: what runs where, since when, proved when, and what is held."""

import json

import click

from hubops import run
from hubops.cli import running
from hubops.cli.machine import load_ways, project
from hubops.cli.progress import progress
from hubops.desired.repository import load_fleet
from hubops.report.status import format_history, format_status, record_data, status_data
from hubops.secret import Redactor
from hubops.state.model import Status

_format = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")


@click.command()
@click.argument("hubs", nargs=-1)
@_format
def command(hubs: tuple[str, ...], form: str) -> None:
    """Say what runs on HUBS (default: all), live."""
    statuses = _read(hubs)
    click.echo(
        json.dumps([status_data(status) for status in statuses], indent=2)
        if form == "json"
        else format_status(statuses)
    )


@click.command()
@click.argument("hubs", nargs=-1)
@_format
def history(hubs: tuple[str, ...], form: str) -> None:
    """List the deploys of HUBS (default: all), the newest first."""
    records = {status.hub: status.history.records for status in _read(hubs)}
    click.echo(
        json.dumps([record_data(r) for found in records.values() for r in reversed(found)], indent=2)
        if form == "json"
        else format_history(records)
    )


def _read(names: tuple[str, ...]) -> list[Status]:
    fleet, redactor = load_fleet(project()), Redactor()
    hubs = [fleet.require_hub(name) for name in names] or fleet.in_order()
    with progress(redactor) as emit:
        return running.run(run.read_statuses(fleet, hubs, load_ways(fleet, emit, redactor)))
