"""hubops check: the whole repository, offline and without secrets."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import click

from hubops import __version__
from hubops.cli import running
from hubops.cli.in_git import read_in_git
from hubops.cli.main import format_error
from hubops.cli.manifests import render
from hubops.cli.progress import progress
from hubops.cli.project import project
from hubops.desired.manifests.api import known_minors
from hubops.desired.manifests.model import Rendering
from hubops.desired.model import Findings
from hubops.desired.problems import find_problems
from hubops.desired.rules.registry import REGISTRY
from hubops.desired.rules.views import HubView
from hubops.errors import RepositoryError, UsageError
from hubops.report.findings import format_github, format_json, format_sarif

_FORMATS = ["text", "json", "sarif", "github"]


@click.command()
@click.argument("hubs", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="text",
    help="sarif is for code scanning, github annotates the lines of a pull request.",
)
@click.option(
    "--render", "rendered", is_flag=True, help="Render each hub by helm, and judge its manifests too."
)
@click.option(
    "--kubernetes",
    "versions",
    multiple=True,
    metavar="VERSION",
    help="With --render: as Kubernetes of this minor version takes it, such as 1.34, whatever the clusters run. May be repeated.",
)
def command(hubs: tuple[str, ...], form: str, rendered: bool, versions: tuple[str, ...]) -> None:  # noqa: FBT001 - click's way
    """Say everything that is wrong in the repository, or with these HUBS. Needs no network and no secrets."""
    root = project()
    minors = [_minor(version) for version in versions]
    if minors and not rendered:
        raise UsageError("--kubernetes says nothing without --render", hint="Add --render.")
    in_git = asyncio.run(read_in_git(root))
    findings = find_problems(root, hubs, in_git, render=partial(_rendered, minors) if rendered else None)
    click.echo(_formatted(findings, form))
    if findings.problems:
        sys.exit(RepositoryError.exit_code)


def _minor(version: str) -> int:
    known = {f"1.{minor}": minor for minor in known_minors()}
    if version not in known:
        what = f"there is no Kubernetes {version} to judge by"
        raise UsageError(what, where="--kubernetes", hint=f"Known: {', '.join(known)}.")
    return known[version]


def _rendered(minors: Sequence[int], views: Sequence[HubView]) -> Mapping[str, Sequence[Rendering]]:
    with progress() as emit:
        return running.run(render(views, minors, emit))


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
