"""What commands that write the repository share: nothing wrong is written, and what comes of it is said."""

from collections.abc import Collection
from pathlib import Path

import click

from hubops.cli.plan import plan_from
from hubops.desired.model import Fleet, Problem
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.report.plan import format_plan
from hubops.scaffold.changes import Changes

Known = Collection[tuple[str, str]]


def write(fleet: Fleet, changes: Changes, names: Collection[str] = ()) -> None:
    """Show the changes, make them, and say what the next deploy of the hubs of these names (none: all) does.

    Raises:
        RepositoryError: something would be wrong that is not wrong now; nothing was touched.
    """
    before = find_problems(fleet.root, [name for name in names if name in fleet.hubs])
    with changes.tried() as copy:
        require_right(copy, names, {_key(problem) for problem in before.problems})
        after = load_fleet(copy)
        hubs = [after.hubs[name] for name in names] or after.in_order()
        plans = plan_from(fleet, after, hubs)
    click.echo(changes.diff(), nl=False)
    changes.make()
    click.echo(f"\nThe next deploy:\n{format_plan(plans)}")


def require_right(root: Path, names: Collection[str] = (), known: Known = ()) -> None:
    """Refuse files that a check has something against but what is `known`; secrets come after a hub's files.

    Raises:
        RepositoryError: the first thing that is wrong; says how many more there are.
    """
    problems = [
        problem
        for problem in find_problems(root, names).problems
        if _key(problem) not in known and not problem.where.startswith("secrets/")
    ]
    if not problems:
        return
    error = problems[0].error()
    others = "".join(f"\n{problem.what} ({problem.where})" for problem in problems[1:])
    error.why += f"{' and, also wrong:' if error.why else 'also wrong:'}{others}" if others else ""
    error.hint = f"Nothing was written. {error.hint}".rstrip()
    raise error


def _key(problem: Problem) -> tuple[str, str]:
    return problem.what, problem.where
