"""What `hubops check` and `hubops check --render` say, as a pull request reports it."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic

from hubops.cli.in_git import read_in_git
from hubops.cli.manifests import render
from hubops.clients.git import Git
from hubops.clients.helm import Helm, open_home
from hubops.desired.model import Findings, Fleet, Hub
from hubops.desired.problems import Look
from hubops.errors import MachineError, ProgramError
from hubops.events import Emit
from hubops.plan.model import NOTHING, PEOPLE, HubPlan
from hubops.report.model import Outcome, Result, Told
from hubops.run.fetching import fetch_charts, find_missing
from hubops.run.fleet import failed_outcome
from hubops.run.render_inputs import may_render_otherwise
from hubops.scaffold.changes import Changes
from hubops.secret import Redactor

_KIND, _MANIFESTS = "check", "manifests"
_MAINTAINER = "Nothing is known to be wrong with the change. A maintainer can try it: hubops check --render"


def outcomes_of(findings: Findings, name: str, note: str, took_s: float = 0) -> list[Outcome]:
    """One for each problem; without any one called `name`, with a note."""
    told = [Told(problem.what, problem.where, problem.why, problem.hint) for problem in findings.problems]
    wrong = [Outcome(_KIND, one.where or one.what, Result.REFUSED, one.what, error=one) for one in told]
    return wrong or [Outcome(_KIND, name, Result.DONE, note, took_s)]


def check_files(look: Look) -> list[Outcome]:
    """What is wrong in the files, or what was not looked at in them."""
    findings = look.findings({})
    return outcomes_of(findings, "files", "; ".join(findings.notes) or "no problems")


async def check_manifests(
    look: Look, before: Fleet | None, commit: str, plans: Sequence[HubPlan], emit: Emit
) -> list[Outcome]:
    """Judge what helm renders of the hubs that it may render otherwise than before; of all where nobody knows.

    The others were judged when their files came in, and stay as they are. `before` is the
    fleet at `commit`, and `plans` are from there to now. Charts that are not here are fetched for it, and judge the values.
    """
    began = monotonic()
    choice = _Choice(
        look.fleet,
        before,
        await Git(look.fleet.root).changed_since(commit, "secrets") if before else set(),
        {plan.hub for plan in plans if plan.action in {NOTHING, PEOPLE}},
    )
    hubs = [hub for hub in look.fleet.in_order() if choice.has(hub)]
    if not hubs:
        return [Outcome(_KIND, _MANIFESTS, Result.DONE, "no hub is rendered otherwise than before")]
    try:
        async with _with_charts(look, hubs, emit) as (whole, failed):
            outcomes = await _judged(whole, hubs, failed, emit)
    except (MachineError, ProgramError) as error:
        error.hint = _MAINTAINER
        return [replace(failed_outcome(_KIND, _MANIFESTS, error), result=Result.SKIPPED)]
    return [replace(each, took_s=monotonic() - began) for each in outcomes]


async def _judged(look: Look, hubs: Sequence[Hub], failed: Sequence[str], emit: Emit) -> list[Outcome]:
    known, names = set(look.findings({}).notes), {hub.name for hub in hubs}
    views = [view for view in look.ready() if view.hub.name in names]
    findings = look.findings(await render(views, (), emit))
    well = f"{len(views)} {'hub' if len(views) == 1 else 'hubs'} rendered, no problems"
    return outcomes_of(
        findings, _MANIFESTS, "; ".join([well, *failed, *(n for n in findings.notes if n not in known)])
    )


@asynccontextmanager
async def _with_charts(look: Look, hubs: Sequence[Hub], emit: Emit) -> AsyncIterator[tuple[Look, list[str]]]:
    """A look at a copy that has the hubs' charts too, and which of them cannot be had; the same look where none lacks."""
    root = look.fleet.root
    missing = find_missing(root, hubs)
    if not missing:
        yield look, []
        return
    # Slow to import.
    from hubops.local.toolchain import require_tool  # noqa: PLC0415 - see above

    program, redactor = await require_tool("helm", emit), Redactor()
    with Changes(root, {}).tried() as copy, open_home(copy.parent / "helm") as home:
        helm = Helm(program, None, home, emit, redactor)
        failed = await fetch_charts(copy, missing, helm, emit)
        yield Look(copy, (), await read_in_git(root)), failed


@dataclass(frozen=True)
class _Choice:
    """Which hubs are rendered; `secrets` are the files of those that changed, `same` hubs have the chart they had."""

    fleet: Fleet
    before: Fleet | None
    secrets: Collection[str]
    same: Collection[str]

    def has(self, hub: Hub) -> bool:
        # The plan for a hub that does not run says nothing of its content.
        same_content = hub.name in self.same and not hub.disabled
        return f"secrets/{hub.name}.yaml" in self.secrets or may_render_otherwise(
            self.fleet, self.before, hub, same_content=same_content
        )
