"""hubops remove --files: the files of one hub go, if a commit has them; nothing else does."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubops.cli import new
from hubops.cli.remove import command
from hubops.errors import RefusedError, RepositoryError, UsageError
from hubops.scaffold.changes import read_tree


@pytest.fixture(scope="module")
def committed(initialized: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed repository with a staging hub, one with an image of its own, and a neighbour."""
    root = Path(shutil.copytree(initialized, tmp_path_factory.mktemp("committed") / "operations"))
    with contextlib.chdir(root):
        for words in (["earth", "--new-image"], ["moon", "--image", "notebook"]):
            assert CliRunner().invoke(new.command, words).exit_code == 0
    (root / "secrets").mkdir()
    (root / "secrets/earth.yaml").write_text("sops: {}\n")
    git(root, "init", "-q")
    commit(root)
    return root


@pytest.fixture
def root(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = Path(shutil.copytree(committed, tmp_path / "operations"))
    monkeypatch.chdir(root)
    return root


def git(root: Path, *words: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *names, *words], cwd=root, check=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "-qm", "All")


def remove(hub: str) -> Result:
    return CliRunner().invoke(command, [hub, "--files"])


@pytest.mark.parametrize("more", [["--without-archive"], ["--yes-remove", "earth"]])
def test_what_is_about_data_goes_with_no_files(more: list[str], root: Path) -> None:
    before = files(root)
    result = CliRunner().invoke(command, ["earth", "--files", *more])
    assert result.exit_code == 2
    assert "--files touches no data" in result.output
    assert files(root) == before


def files(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in read_tree(root, "").items() if not name.startswith(".git/")}


def test_its_files_go_and_no_others(root: Path) -> None:
    before = files(root)
    result = remove("earth")
    assert result.exit_code == 0, result.exception
    assert "git restore hub-charts/earth secrets/earth.yaml user-images/earth\n" in result.output
    own = ("hub-charts/earth/", "user-images/earth/", "secrets/earth.yaml")
    assert files(root) == {name: content for name, content in before.items() if not name.startswith(own)}
    assert not (root / "secrets").exists()
    assert "- hub-charts/earth/hub.yaml (3 lines)\n" in result.output
    assert "earth: left alone (its files are gone; the hub itself and its data stay)" in result.output
    assert "Nothing live was removed." in result.output


def test_git_brings_them_back(root: Path) -> None:
    before = files(root)
    remove("earth")
    git(root, "restore", ".")
    assert files(root) == before


def test_an_image_that_others_use_stays(root: Path) -> None:
    (root / "hub-charts/moon/hub.yaml").write_text("image: earth\n")
    commit(root)
    assert remove("earth").exit_code == 0
    assert (root / "user-images/earth/Dockerfile").exists()


def test_a_hub_that_proves_another_stays(root: Path) -> None:
    before = files(root)
    error = remove("staginghub").exception
    assert isinstance(error, RepositoryError)
    assert (error.what, error.where) == ("there is no hub staginghub", "hub-charts/earth/hub.yaml:3:1")
    assert error.hint.startswith("Nothing was written.")
    assert files(root) == before


@pytest.mark.parametrize("name", ["hub-charts/earth/values.yaml", "hub-charts/earth/new file.yaml"])
def test_what_no_commit_has_is_not_lost(root: Path, name: str) -> None:
    (root / name).write_text("# mine\n")
    before = files(root)
    error = remove("earth").exception
    assert isinstance(error, RefusedError)
    assert error.why.splitlines()[1:] == [name]
    assert files(root) == before


def test_what_git_ignores_may_be_lost(root: Path) -> None:
    (root / "hub-charts/earth/charts").mkdir()
    (root / "hub-charts/earth/charts/jupyterhub-0.1.0.tgz").write_bytes(b"fetched")
    assert remove("earth").exit_code == 0
    assert not (root / "hub-charts/earth").exists()


def test_without_a_commit_nothing_is_removed(root: Path) -> None:
    (root / ".git").rename(root.parent / "elsewhere.git")
    assert isinstance(remove("earth").exception, RefusedError)
    assert (root / "hub-charts/earth").is_dir()


def test_a_hub_that_there_is_not(root: Path) -> None:
    assert (root / "hub-charts").is_dir()
    assert isinstance(remove("earht").exception, UsageError)
