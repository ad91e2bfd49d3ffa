"""The end of a run, in GitHub's Markdown: for the summary of a job, or a comment on a pull request.

Names, notes and errors can come from a fork, so all of it stands in code, where there are no links, images,
HTML, references or mentions. A table's cell holds a code span; an error is an indented block, since every line
of it is ours by its indent. (A fence can be broken out of: cmark counts its backticks up to 255 only.)
"""

import re
from collections.abc import Sequence
from itertools import accumulate, count

from hubops.report.model import Outcome
from hubops.report.parts import deploy_number, detail_lines, note, thing, told_lines, took

# GitHub says "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k", and of a comment
# "body is too long (maximum is 65536 characters)"; a step or a comment may say something else as well.
SUMMARY_BYTES = 1_000_000
COMMENT_BYTES = 64_000

_HEAD = "| what | result | deploy | time | note |\n|---|---|---|---|---|\n"
_REST = 100  # bytes for saying what is left out


def format_summary(outcomes: Sequence[Outcome], title: str, most: int = SUMMARY_BYTES) -> str:
    """A table of all outcomes, then each error, within `most` bytes of UTF-8; what is left out is counted.

    `title` is one line in our own words: it is not escaped.
    """
    if not outcomes:
        return f"## {title}\n\nNothing to do.\n"
    table = f"## {title}\n\n{_HEAD}"
    table += _fitting([_row(o) for o in outcomes], most // 2, "rows")
    errors = _fitting([_error(o) for o in outcomes if o.error], most - len(table.encode()) - _REST, "errors")
    room = most - len((table + errors).encode()) - _REST
    return table + _fitting([_details(o) for o in outcomes if o.details], room, "lists of details") + errors


def _row(outcome: Outcome) -> str:
    cells = [
        _code(thing(outcome)),
        outcome.result.value,
        deploy_number(outcome).removeprefix("deploy "),
        took(outcome),
        _code(note(outcome)),
    ]
    return f"| {' | '.join(cells)} |\n"


def _details(outcome: Outcome) -> str:
    block = "".join(f"    {line}".rstrip() + "\n" for line in detail_lines(outcome))
    return f"\n### {_code(thing(outcome))}\n\n{block}"


def _error(outcome: Outcome) -> str:
    lines = told_lines(outcome.error) if outcome.error else []
    block = "".join(f"    {line}".rstrip() + "\n" for line in lines)
    return f"\n### {_code(thing(outcome))}: {outcome.result.value}\n\n{block}"


def _code(line: str) -> str:
    """A code span, fit for a table's cell; `line` has no spaces at its ends.

    Its mark is a run of backticks that `line` does not have. A bar would end the cell, and escaping it depends
    on how a parser counts the backslashes before it, so a broken bar stands in its place.
    """
    if not line:
        return ""
    runs = {len(run) for run in re.findall("`+", line)}
    mark = "`" * next(size for size in count(1) if size not in runs)
    space = " " if runs else ""
    return f"{mark}{space}{line.replace('|', '¦')}{space}{mark}"


def _fitting(blocks: Sequence[str], room: int, what: str) -> str:
    """The first of `blocks`, as many as `room` bytes hold, and how many more there are."""
    ends = accumulate(len(block.encode()) for block in blocks)
    kept = sum(end <= room for end in ends)
    left = len(blocks) - kept
    return "".join(blocks[:kept]) + (f"\n{left} more {what}: see the log.\n" if left else "")
