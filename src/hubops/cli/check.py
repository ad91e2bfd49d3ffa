"""hubops check: the whole repository, offline and without secrets."""

import json
import sys
from dataclasses import asdict

import click

from hubops.cli.machine import project
from hubops.cli.main import format_error
from hubops.desired.model import Findings
from hubops.desired.problems import find_problems
from hubops.errors import RepositoryError


@click.command()
@click.argument("hubs", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(hubs: tuple[str, ...], form: str) -> None:
    """Say everything that is wrong in the repository, or with these HUBS. Needs no network and no secrets."""
    findings = find_problems(project(), hubs)
    click.echo(json.dumps(asdict(findings), indent=2) if form == "json" else format_findings(findings))
    if findings.problems:
        sys.exit(RepositoryError.exit_code)


def format_findings(findings: Findings) -> str:
    """Each problem as errors are shown, what could not be looked at, and how many there are."""
    number = len(findings.problems)
    return "\n".join(
        [
            *(format_error(problem.error()) for problem in findings.problems),
            *(f"note: {note}" for note in findings.notes),
            f"{number or 'no'} problem{'' if number == 1 else 's'}",
        ]
    )
