"""The GitHub workflow by actionlint, which knows contexts, events and permissions; built here, so not in tests/fast."""

from pathlib import Path

import pytest

from hubops.clients import process
from hubops.events import Event
from hubops.local.toolchain import require_tool
from hubops.scaffold.ci_files import CHECKOUT, Choice, pinned, render


def ignore(event: Event) -> None:
    """Nobody watches."""


async def found_in(text: str, directory: Path) -> process.Finished:
    file = directory / "workflow.yml"
    file.write_text(text)
    # Without the linters of shell and Python scripts, which may or may not be on this machine.
    return await process.attempt(
        [await require_tool("actionlint", ignore), "-shellcheck=", "-pyflakes=", "-no-color", file]
    )


@pytest.mark.parametrize("choice", [Choice(), Choice("trunk", "ubuntu-24.04")], ids=["plain", "chosen"])
async def test_actionlint_finds_nothing(choice: Choice, tmp_path: Path) -> None:
    for program in (CHECKOUT, pinned("1.2.3")):
        found = await found_in(render("github", program, choice), tmp_path)
        assert found.code == 0, found.tail


async def test_actionlint_would_find_a_mistake(tmp_path: Path) -> None:
    text = render("github", CHECKOUT, Choice()).replace(
        "github.event_name == 'push'", "github.event_nam == 'push'"
    )
    found = await found_in(text, tmp_path)
    assert "event_nam" in found.tail
