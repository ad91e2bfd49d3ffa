"""Another version of a hub's chart: its files, and keys that have successors."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hubops.cli import chart, init
from hubops.desired.chart_lock import check_lock
from hubops.desired.model import Hub
from hubops.desired.replaced_keys import REPLACED, Replaced
from hubops.desired.repository import load_fleet
from hubops.errors import RepositoryError, UsageError
from hubops.scaffold.changes import read_tree
from hubops.scaffold.chart_upgrade import find_replaced, upgraded_files

CHART = """apiVersion: v2
name: staginghub
version: 0.1.0
dependencies:
  - name: jupyterhub   # the hub
    version: 4.3.0
    repository: https://charts.example.org/
    alias: hub
  - {name: extra, version: ~1.2, repository: "https://charts.example.org/"}
"""
LOCK = """dependencies:
- {name: jupyterhub, version: 4.3.0, repository: "https://charts.example.org/"}
- {name: extra, version: 1.2.9, repository: "https://charts.example.org/"}
digest: sha256:0
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    CliRunner().invoke(init.command, [str(tmp_path)])
    (tmp_path / "hub-charts/staginghub/Chart.yaml").write_text(CHART)
    (tmp_path / "hub-charts/staginghub/Chart.lock").write_text(LOCK)
    return tmp_path


def hub(root: Path) -> Hub:
    return load_fleet(root).hubs["staginghub"]


def test_one_version_changes_and_the_lock_fits(root: Path) -> None:
    for name, content in upgraded_files(hub(root), "4.4.0").items():
        assert content is not None
        (root / name).write_bytes(content)
    assert (root / "hub-charts/staginghub/Chart.yaml").read_text() == CHART.replace("4.3.0", "4.4.0")
    assert list(check_lock(hub(root))) == []
    locked = yaml.safe_load((root / "hub-charts/staginghub/Chart.lock").read_text())["dependencies"]
    assert [each["version"] for each in locked] == ["4.4.0", "1.2.9"]


def test_the_lock_keeps_its_form_but_not_its_time(root: Path) -> None:
    lock = root / "hub-charts/staginghub/Chart.lock"
    lock.write_text(LOCK + 'generated: "2026-11-23T14:38:46Z"\n')
    content = upgraded_files(hub(root), "4.4.0")["hub-charts/staginghub/Chart.lock"]
    assert content is not None
    head, digest = content.decode().split("digest: ")
    assert head == LOCK.split("digest: ")[0].replace("4.3.0", "4.4.0")
    assert digest.count("\n") == 1


def test_a_version_that_is_there_already_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "hub-charts/staginghub/Chart.yaml").write_text(CHART)
    for name, content in upgraded_files(hub(root), "4.3.0").items():
        assert content is not None
        (root / name).write_bytes(content)
    monkeypatch.chdir(root)
    before = read_tree(root, "")
    result = CliRunner().invoke(chart.upgrade, ["staginghub", "4.3.0"])
    assert result.output == "staginghub has 4.3.0 already.\n"
    assert read_tree(root, "") == before


def test_a_chart_in_the_repository_has_the_version_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(init.command, [str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    before = read_tree(tmp_path, "")
    error = CliRunner().invoke(chart.upgrade, ["staginghub", "4.4.0"]).exception
    assert isinstance(error, UsageError)
    assert error.what == "the chart at file://../../charts/jupyterhub has version 0.1.0, not 4.4.0"
    assert error.where == "hub-charts/staginghub/Chart.yaml:7:5"
    assert read_tree(tmp_path, "") == before


@pytest.mark.parametrize("version", ["4", "^4.4.0", "latest", "4.x"])
def test_a_range_is_no_version(root: Path, version: str) -> None:
    with pytest.raises(UsageError, match="is no version of a chart"):
        upgraded_files(hub(root), version)


def test_a_hub_of_another_chart_has_none(root: Path) -> None:
    file = root / "hub-charts/staginghub/Chart.yaml"
    file.write_text(CHART.replace("jupyterhub ", "jupyter "))
    with pytest.raises(UsageError, match="does not depend on the chart jupyterhub"):
        upgraded_files(hub(root), "4.4.0")


def test_what_nobody_locked_is_not_guessed(root: Path) -> None:
    (root / "hub-charts/staginghub/Chart.lock").unlink()
    with pytest.raises(RepositoryError, match="which version of extra") as caught:
        upgraded_files(hub(root), "4.4.0")
    assert caught.value.where == "hub-charts/staginghub/Chart.yaml:4:1"


@pytest.mark.parametrize("each", REPLACED, ids=lambda each: each.key)
def test_each_key_is_found_from_its_version_on(root: Path, each: Replaced) -> None:
    nested: object = 1
    for part in reversed(["hub", *each.key.split(".")]):
        nested = {part: nested}
    (root / "hub-charts/staginghub/values.yaml").write_text(yaml.safe_dump(nested))
    version = ".".join(map(str, each.since))
    (problem,) = find_replaced(hub(root), version)
    assert problem.what == f"{each.key} is no key of the chart jupyterhub any more"
    assert problem.where.startswith("hub-charts/staginghub/values.yaml:")
    assert problem.hint == f"Write {each.instead}."
    assert list(find_replaced(hub(root), "0.10.9")) == []
    # A development version of a release has what the release will have.
    assert len(list(find_replaced(hub(root), f"{version}-0.dev.git.1"))) == 1


def test_a_shared_layer_says_jupyterhub_whatever_the_alias(root: Path) -> None:
    (root / "values/organisation.yaml").write_text("jupyterhub:\n  hub: {fsGid: 1}\n")
    (problem,) = find_replaced(hub(root), "4.4.0")
    assert problem.where == "values/organisation.yaml:2:9"
