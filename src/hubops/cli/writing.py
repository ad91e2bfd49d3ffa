"""What commands that write the repository share: nothing wrong is written, and what comes of it is said."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import click

from hubops import run
from hubops.cli.plan import plan_from
from hubops.desired.model import Fleet, Problem
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.report.plan import format_plan
from hubops.scaffold.changes import Changes

Known = Collection[tuple[str, str]]


def write(
    fleet: Fleet, changes: Changes, names: Collection[str] = (), look: Callable[[Path], None] | None = None
) -> None:
    """Show the changes, make them, and say what the next deploy of the hubs of these names (none: all) does.

    When one of them goes, all that stay are checked, for another may lean on it. `look` may look at a copy with the changes first, and refuse them.

    Raises:
        RepositoryError: something would be wrong that is not wrong now; nothing was touched.
    """
    with changes.tried() as copy:
        if look:
            look(copy)
        staying = [name for name in names if (copy / "hub-charts" / name).is_dir()]
        gone = len(staying) < len(names)
        checked = [] if gone else staying
        before = find_problems(fleet.root, [name for name in checked if name in fleet.hubs])
        require_right(copy, checked, {_key(problem) for problem in before.problems})
        after = load_fleet(copy)
        hubs = [after.hubs[name] for name in staying] if names else after.in_order()
        plans = run.plan_removed(after, fleet) if gone else plan_from(fleet, after, hubs)
    click.echo(changes.diff(), nl=False)
    changes.make()
    click.echo(f"\nThe next deploy:\n{format_plan(plans)}")


def require_right(root: Path, names: Collection[str] = (), known: Known = ()) -> None:
    """Refuse files that a check has something against but what is `known`; secrets come after a hub's files.

    Raises:
        RepositoryError: as `refuse`.
    """
    found = find_problems(root, names).problems
    refuse([each for each in found if _key(each) not in known and not each.where.startswith("secrets/")])


def refuse(problems: Sequence[Problem]) -> None:
    """Refuse to write what has these problems.

    Raises:
        RepositoryError: the first, with the others below its reason.
    """
    if not problems:
        return
    error = problems[0].error()
    others = "".join(f"\n{each.what} ({each.where}) {each.hint}".rstrip() for each in problems[1:])
    error.why += f"{'; ' if error.why else ''}also wrong:{others}" if others else ""
    error.hint = f"Nothing was written. {error.hint}".rstrip()
    raise error


def _key(problem: Problem) -> tuple[str, str]:
    return problem.what, problem.where
