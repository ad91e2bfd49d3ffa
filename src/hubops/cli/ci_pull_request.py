"""hubops ci pull-request: everything that can be known of a change without a secret, a push or a cluster."""

import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

import click

from hubops import digest, run
from hubops.cli import running
from hubops.cli.ci_check import check_files, check_manifests
from hubops.cli.docs import build_docs
from hubops.cli.in_git import read_in_git
from hubops.cli.machine import load_workshop, project, registry_of
from hubops.cli.plan import plan_from
from hubops.cli.progress import progress
from hubops.cli.publish import publish
from hubops.clients.git import Git
from hubops.clients.sops_failures import LockedError
from hubops.desired.images import reference
from hubops.desired.model import Fleet
from hubops.desired.problems import Look
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError, MachineError, OutOfReachError, RepositoryError
from hubops.events import Emit
from hubops.report.exit_code import exit_code
from hubops.report.model import SHOWN_COMMIT, Outcome, Result
from hubops.report.plan import outcome
from hubops.run.branches import fleet_at
from hubops.run.fleet import failed_outcome
from hubops.run.try_image import Tried, try_images
from hubops.secret import Redactor

# Where CI systems say what a change is to be merged into.
_BASE_VARIABLES = ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "TRAVIS_BRANCH")
_MAINTAINER = "Nothing is known to be wrong with the change. A maintainer can try it: hubops build {0}"


@click.command()
@click.option("--base", default="", metavar="REF", help="What it is to be merged into. [default: found out]")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write the outcome as JUnit XML.")
@click.option(
    "--images", type=click.Path(path_type=Path), help="Also write what changes in the images, as JSON."
)
def command(base: str, junit: Path | None, images: Path | None) -> None:
    """Check the files and manifests, build and test the images that changed, build the docs, and plan."""
    root, redactor = project(), Redactor()
    tried: list[Tried] = []
    with progress(redactor) as emit:
        outcomes = running.run(_pull_request(root, base, tried, emit))
    if images:
        images.parent.mkdir(parents=True, exist_ok=True)
        images.write_text(json.dumps([dict(one.as_json) for one in tried], indent=1) + "\n")
    publish(outcomes, "What a merge would do", os.environ, junit)
    raise SystemExit(exit_code(outcomes))


async def _pull_request(root: Path, base: str, tried: list[Tried], emit: Emit) -> list[Outcome]:
    """What there is to tell; adds to `tried` the images that did well."""
    look = Look(root, (), await read_in_git(root))
    checked = check_files(look)
    docs = await _docs(root, emit)
    if any(found.result is Result.REFUSED for found in checked):
        return [*checked, *docs]
    fleet = load_fleet(root)
    async with AsyncExitStack() as stack:
        commit = await _base_commit(root, base, os.environ)
        before, unknown = await _before(stack, root, commit)
        plans = plan_from(before, fleet, fleet.in_order()) if before else []
        manifests = await check_manifests(look, before, commit, plans, emit)
        images = await _images(fleet, before, tried, emit)
    return [*checked, *manifests, *unknown, *images, *docs, *map(outcome, plans)]


async def _before(stack: AsyncExitStack, root: Path, commit: str) -> tuple[Fleet | None, list[Outcome]]:
    """What the change begins from, if it can be read: who mends a wrong file begins from one."""
    if not commit:
        return None, []
    try:
        return await stack.enter_async_context(fleet_at(root, commit)), []
    except RepositoryError as error:
        error.hint = (
            f"This is so at {commit[:SHOWN_COMMIT]}, so that nobody can say what a merge would change."
        )
        return None, [replace(failed_outcome("hub", "before", error), result=Result.SKIPPED)]


async def _docs(root: Path, emit: Emit) -> list[Outcome]:
    began = monotonic()
    try:
        built = await build_docs(root, emit)
    except MachineError as error:
        return [replace(failed_outcome("docs", "docs/", error), result=Result.SKIPPED)]
    except HubopsError as error:
        return [failed_outcome("docs", "docs/", error, monotonic() - began)]
    return [Outcome("docs", "docs/", Result.DONE, "built", monotonic() - began)] if built else []


async def _images(fleet: Fleet, before: Fleet | None, tried: list[Tried], emit: Emit) -> list[Outcome]:
    names = _changed_images(fleet, before)
    if not names:
        return []
    made, well = await try_images(fleet, names, registry_of(fleet), load_workshop(emit), emit, before=before)
    tried += well.values()
    return [_image(name, each, well.get(name)) for name, each in made.items()]


def _image(name: str, made: run.MadeImage, tried: Tried | None) -> Outcome:
    """What cannot be asked or had here is nobody's fault in the change: then it is not done, and said so."""
    error = made.error
    if error is None:
        details = tried.lines if tried else ()
        return Outcome("image", name, Result.DONE, made.note, made.took_s, details=details)
    if isinstance(error, (OutOfReachError, MachineError, LockedError)):
        error.hint = _MAINTAINER.format(name)
        return replace(failed_outcome("image", name, error, made.took_s), result=Result.SKIPPED)
    return failed_outcome("image", name, error, made.took_s)


def _changed_images(fleet: Fleet, before: Fleet | None) -> list[str]:
    """The images whose content or notebooks are not what they were; all when nobody knows what was."""
    return [
        name
        for name in sorted(fleet.images)
        if before is None or name not in before.images or _tag(fleet, name) != _tag(before, name)
    ]


def _tag(fleet: Fleet, name: str) -> str:
    notebooks = fleet.images[name].directory / "tests"
    return reference(fleet, fleet.registry, name).tag + digest.of_tree(notebooks)


async def _base_commit(root: Path, base: str, environment: Mapping[str, str]) -> str:
    """The commit that the change begins from; "" when this is no clone with a remote branch to compare with."""
    git = Git(root)
    named = next((environment[name] for name in _BASE_VARIABLES if environment.get(name)), "")
    ref = base or (f"origin/{named}" if named else await git.default_branch())
    return await git.merge_base(ref) if ref else ""
