"""hubops check: the whole repository, offline and without secrets."""

import asyncio
import sys

import click

from hubops import __version__
from hubops.cli.in_git import read_plain_in_git
from hubops.cli.main import format_error
from hubops.cli.project import project
from hubops.desired.model import Findings
from hubops.desired.problems import find_problems
from hubops.desired.rules.registry import REGISTRY
from hubops.errors import RepositoryError
from hubops.report.findings import format_github, format_json, format_sarif

_FORMATS = ["text", "json", "sarif", "github"]


@click.command()
@click.argument("hubs", nargs=-1)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text")
def command(hubs: tuple[str, ...], form: str) -> None:
    """Say everything that is wrong in the repository, or with these HUBS. Needs no network and no secrets."""
    root = project()
    findings = find_problems(root, hubs, asyncio.run(read_plain_in_git(root)))
    click.echo(_formatted(findings, form))
    if findings.problems:
        sys.exit(RepositoryError.exit_code)


def _formatted(findings: Findings, form: str) -> str:
    if form == "json":
        return format_json(findings)
    if form == "sarif":
        rules = {name: rule.about for name, rule in REGISTRY.by_name.items()}
        return format_sarif(findings, rules, __version__)
    return format_github(findings) if form == "github" else format_findings(findings)


def format_findings(findings: Findings) -> str:
    """Each problem as errors are shown, with its rule; what was not looked at; and how many there are."""
    number = len(findings.problems)
    return "\n".join(
        [
            *(f"{format_error(each.error())}\n  rule: {each.rule}" for each in findings.problems),
            *(f"note: {note}" for note in findings.notes),
            f"{number or 'no'} problem{'' if number == 1 else 's'}",
        ]
    )
