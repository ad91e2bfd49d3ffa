"""hubops ci pull-request: everything that can be known of a change without a secret, a push or a cluster."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

import click

from hubops import digest, run
from hubops.cli import running
from hubops.cli.docs import build_docs
from hubops.cli.in_git import read_plain_in_git
from hubops.cli.machine import load_workshop, project, registry_of
from hubops.cli.plan import fleet_at, plan_from
from hubops.cli.progress import progress
from hubops.cli.publish import publish
from hubops.clients.git import Git
from hubops.desired.images import reference
from hubops.desired.model import Fleet
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError, MachineError, OutOfReachError
from hubops.events import Emit
from hubops.report.exit_code import exit_code
from hubops.report.model import Outcome, Result, Told
from hubops.report.plan import outcome
from hubops.run.fleet import failed_outcome
from hubops.secret import Redactor

# Where CI systems say what a change is to be merged into.
_BASE_VARIABLES = ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "TRAVIS_BRANCH")
_MAINTAINER = "Nothing is known to be wrong with the change. A maintainer can try it: hubops build {0}"


@click.command()
@click.option("--base", default="", metavar="REF", help="What it is to be merged into. [default: found out]")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write the outcome as JUnit XML.")
def command(base: str, junit: Path | None) -> None:
    """Check the files, build the images that changed and run their notebooks, build the docs, and plan."""
    root, redactor = project(), Redactor()
    with progress(redactor) as emit:
        outcomes = running.run(_pull_request(root, base, emit))
    publish(outcomes, "What a merge would do", os.environ, junit)
    raise SystemExit(exit_code(outcomes))


async def _pull_request(root: Path, base: str, emit: Emit) -> list[Outcome]:
    checked = await _check(root)
    docs = await _docs(root, emit)
    if any(found.result is Result.REFUSED for found in checked):
        return [*checked, *docs]
    fleet = load_fleet(root)
    async with AsyncExitStack() as stack:
        commit = await _base_commit(root, base, os.environ)
        before = await stack.enter_async_context(fleet_at(root, commit)) if commit else None
        images = [await _image(fleet, name, emit) for name in _changed_images(fleet, before)]
        plans = plan_from(before, fleet, fleet.in_order()) if before else []
    return [*checked, *images, *docs, *map(outcome, plans)]


async def _check(root: Path) -> list[Outcome]:
    findings = find_problems(root, (), await read_plain_in_git(root))
    told = [Told(problem.what, problem.where, problem.why, problem.hint) for problem in findings.problems]
    wrong = [Outcome("check", one.where or one.what, Result.REFUSED, one.what, error=one) for one in told]
    notes = "; ".join(findings.notes)
    return wrong or [Outcome("check", "files", Result.DONE, notes or "no problems")]


async def _docs(root: Path, emit: Emit) -> list[Outcome]:
    began = monotonic()
    try:
        built = await build_docs(root, emit)
    except MachineError as error:
        return [replace(failed_outcome("docs", "docs/", error), result=Result.SKIPPED)]
    except HubopsError as error:
        return [failed_outcome("docs", "docs/", error, monotonic() - began)]
    return [Outcome("docs", "docs/", Result.DONE, "built", monotonic() - began)] if built else []


async def _image(fleet: Fleet, name: str, emit: Emit) -> Outcome:
    """Build an image without pushing it, and run its notebooks.

    What cannot be asked or had here is nobody's fault in the change: then it is not done, and said so.
    """
    began, registry, workshop = monotonic(), registry_of(fleet), load_workshop(emit)
    try:
        note = await run.try_image(fleet, name, registry, workshop, emit)
    except (OutOfReachError, MachineError) as error:
        error.hint = _MAINTAINER.format(name)
        return replace(failed_outcome("image", name, error, monotonic() - began), result=Result.SKIPPED)
    except HubopsError as error:
        return failed_outcome("image", name, error, monotonic() - began)
    return Outcome("image", name, Result.DONE, note, monotonic() - began)


def _changed_images(fleet: Fleet, before: Fleet | None) -> list[str]:
    """The images whose content or notebooks are not what they were; all when nobody knows what was."""
    return [
        name
        for name in sorted(fleet.images)
        if before is None or name not in before.images or _tag(fleet, name) != _tag(before, name)
    ]


def _tag(fleet: Fleet, name: str) -> str:
    notebooks = fleet.images[name] / "tests"
    return reference(fleet, fleet.registry, name).tag + digest.of_tree(notebooks)


async def _base_commit(root: Path, base: str, environment: Mapping[str, str]) -> str:
    """The commit that the change begins from; "" when this is no clone with a remote branch to compare with."""
    git = Git(root)
    named = next((environment[name] for name in _BASE_VARIABLES if environment.get(name)), "")
    ref = base or (f"origin/{named}" if named else await git.default_branch())
    return await git.merge_base(ref) if ref else ""
