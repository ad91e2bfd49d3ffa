"""Where a run's outcomes are told: standard output, and what the CI system at hand reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hubops.report.annotations import format_annotations
from hubops.report.junit import format_junit
from hubops.report.model import Outcome
from hubops.report.summary import format_summary
from hubops.report.table import format_table


def publish(
    outcomes: Sequence[Outcome], title: str, environment: Mapping[str, str], junit: Path | None = None
) -> None:
    """Print the table; on GitHub also annotations and the job's summary; JUnit where it is asked for."""
    click.echo(format_table(outcomes))
    if environment.get("GITHUB_ACTIONS") == "true":
        for line in format_annotations(outcomes):
            click.echo(line)
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a") as file:
            file.write(format_summary(outcomes, title))
    if junit:
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_text(format_junit(outcomes))
