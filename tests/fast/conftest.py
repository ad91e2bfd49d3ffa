"""What tests of several files share, and what is generated in which tier."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import settings

from fleets import put
from hubops.cli import init

Write = Callable[[str, str], None]


def pytest_configure(config: pytest.Config) -> None:
    """The same examples in every run, and few where a test says nothing else; others each time with ./test --long.

    What is found by chance must not stop a change that has nothing to do with it.
    """
    settings.register_profile("few", max_examples=25, derandomize=True)
    if config.option.markexpr == "not long":
        settings.load_profile("few")


@pytest.fixture
def write(repository: Path) -> Write:
    """Write a file of the test's own `repository`."""
    return lambda name, text: put(repository, name, text)


@pytest.fixture(scope="session")
def initialized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What hubops init makes, to be copied."""
    root = tmp_path_factory.mktemp("initialized")
    assert CliRunner().invoke(init.command, [str(root)]).exit_code == 0
    return root


@pytest.fixture
def operations(initialized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of the test's own, as hubops init makes it, where we stand."""
    root = Path(shutil.copytree(initialized, tmp_path / "operations"))
    monkeypatch.chdir(root)
    return root
