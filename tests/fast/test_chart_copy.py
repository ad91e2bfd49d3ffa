"""A run's copy of a chart: complete, at the right places, and the operator's tree untouched."""

import os
from pathlib import Path

import pytest

from hubops.errors import RepositoryError
from hubops.execute.chart_copy import copy_chart


def chart(directory: Path, *dependencies: str) -> Path:
    directory.mkdir(parents=True)
    lines = [f"  - name: d{number}\n    repository: {text}" for number, text in enumerate(dependencies)]
    (directory / "Chart.yaml").write_text("\n".join(["name: c", "dependencies:", *lines]) + "\n")
    return directory


def files(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose path has a space."""
    return tmp_path / "my hubs"


def test_dependencies_lie_where_they_lay(root: Path, tmp_path: Path) -> None:
    hub = chart(root / "hub-charts/earth", "file://../../charts/wrapper", "https://charts.example.org", "")
    chart(root / "charts/wrapper", "file://../jupyterhub")
    chart(root / "charts/jupyterhub")
    (hub / "Chart.lock").write_text("lock")
    before = files(root)
    copy = copy_chart(root, hub, tmp_path / "run")
    assert copy == tmp_path / "run/hub-charts/earth"
    assert files(tmp_path / "run") == before
    assert files(root) == before


def test_packed_and_unpacked_charts_of_its_own_are_copied_with_it(root: Path, tmp_path: Path) -> None:
    hub = chart(root / "hub-charts/earth", "file://../../charts/wrapper")
    wrapper = chart(root / "charts/wrapper")
    for owner in (hub, wrapper):
        chart(owner / "charts/inner")
        (owner / "charts/jupyterhub-4.4.0.tgz").write_text("packed")
    copy_chart(root, hub, tmp_path / "run")
    assert files(tmp_path / "run") == files(root)


def test_hubops_own_two_files_are_no_part_of_a_chart_but_templates_of_their_names_are(
    root: Path, tmp_path: Path
) -> None:
    hub = chart(root / "hub-charts/earth")
    (hub / "templates").mkdir()
    for name in ("hub.yaml", "people.yaml", "templates/hub.yaml", "templates/people.yaml"):
        (hub / name).touch()
    copy = copy_chart(root, hub, tmp_path / "run")
    assert set(files(copy)) == {"Chart.yaml", "templates/hub.yaml", "templates/people.yaml"}


def test_a_relative_root_and_two_charts_that_need_each_other(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chart(root / "hub-charts/a", "file://../b")
    chart(root / "hub-charts/b", "file://../a")
    monkeypatch.chdir(root)
    assert copy_chart(Path(), Path("hub-charts/a"), tmp_path / "run") == tmp_path / "run/hub-charts/a"
    assert (tmp_path / "run/hub-charts/b/Chart.yaml").is_file()


def test_a_whole_path_is_left_to_helm(root: Path, tmp_path: Path) -> None:
    elsewhere = chart(tmp_path / "elsewhere")
    copy_chart(root, chart(root / "hub-charts/earth", f"file://{elsewhere}"), tmp_path / "run")
    assert list(files(tmp_path / "run")) == ["hub-charts/earth/Chart.yaml"]


@pytest.mark.parametrize("relative", ["../../charts/missing", "../../../outside"])
def test_a_dependency_that_is_not_in_the_repository_is_refused(
    relative: str, root: Path, tmp_path: Path
) -> None:
    chart(tmp_path / "outside")
    with pytest.raises(RepositoryError) as caught:
        copy_chart(root, chart(root / "hub-charts/earth", f"file://{relative}"), tmp_path / "run")
    assert caught.value.where == os.path.join("hub-charts", "earth", "Chart.yaml")  # noqa: PTH118


@pytest.mark.parametrize("text", ["[1]", "a: [", "dependencies: [x]", ""])
def test_a_damaged_chart_is_named(text: str, root: Path, tmp_path: Path) -> None:
    hub = chart(root / "hub-charts/earth")
    (hub / "Chart.yaml").write_text(text)
    with pytest.raises(RepositoryError):
        copy_chart(root, hub, tmp_path / "run")
