"""hubops chart upgrade with the real helm and a chart repository on this machine: what is written, and what refused."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from cluster.conftest import show
from hubops.cli import init, new
from hubops.cli.chart import command
from hubops.errors import HubopsError, OutOfReachError, RepositoryError, UsageError
from hubops.local.toolchain import require_tool
from hubops.scaffold.changes import read_tree

CHARTS = Path(__file__).parents[3] / "shared/charts"
OLD, NEW = "4.4.0", "5.0.0-0.dev.git.7455.haf3f2249"
HUB = "hub-charts/earthhub"


@pytest.fixture(scope="module")
async def helm() -> Path:
    return await require_tool("helm", show)


@pytest.fixture(scope="module")
def repository(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two versions of the upstream chart, and one of a chart of our own."""
    if not CHARTS.is_dir():
        pytest.skip(f"the upstream charts are not at {CHARTS}")
    directory = tmp_path_factory.mktemp("charts")
    for version in (OLD, NEW):
        shutil.copy(CHARTS / f"jupyterhub-{version}.tgz", directory)
    subprocess.run([helm, "repo", "index", directory], check=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def root(repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's repository with a hub on the old version of the upstream chart."""
    root = tmp_path / "ops"
    CliRunner().invoke(init.command, [str(root)])
    monkeypatch.chdir(root)
    words = ["earthhub", "--chart-repository", repository, "--chart-version", OLD]
    assert CliRunner().invoke(new.command, words).exit_code == 0
    return root


def upgrade(version: str = NEW, hub: str = "earthhub") -> Result:
    return CliRunner().invoke(command, ["upgrade", hub, version])


def failure(result: Result) -> HubopsError:
    assert isinstance(result.exception, HubopsError), result.output
    return result.exception


def test_chart_and_lock_are_written_and_nothing_else(root: Path) -> None:
    chart = (root / HUB / "Chart.yaml").read_text().replace("dependencies:", "# Pinned.\ndependencies:")
    (root / HUB / "Chart.yaml").write_text(chart)
    before = read_tree(root, "")
    result = upgrade()
    assert result.exit_code == 0, result.exception
    after = read_tree(root, "")
    assert {name for name in after if after[name] != before.get(name)} == {
        f"{HUB}/Chart.yaml",
        f"{HUB}/Chart.lock",
    }
    assert set(after) == set(before)
    assert (root / HUB / "Chart.yaml").read_text() == chart.replace(OLD, NEW)
    assert f"  chart jupyterhub {OLD} → jupyterhub {NEW}" in result.output


def test_the_lock_is_the_one_that_helm_makes(root: Path, helm: Path, tmp_path: Path) -> None:
    upgrade()
    lock = root / HUB / "Chart.lock"
    ours = yaml.safe_load(lock.read_text())
    lock.unlink()
    environment = {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    subprocess.run([helm, "dependency", "update", root / HUB], env=environment, check=True)
    theirs = yaml.safe_load(lock.read_text())
    assert theirs.pop("generated")
    assert ours == theirs


def test_a_version_that_it_has_already_changes_nothing(root: Path) -> None:
    before = read_tree(root, "")
    result = upgrade(OLD)
    assert (result.exit_code, result.output) == (0, f"earthhub has {OLD} already.\n")
    assert read_tree(root, "") == before


def test_a_version_that_there_is_not_is_refused(root: Path) -> None:
    before = read_tree(root, "")
    error = failure(upgrade("4.9.9"))
    assert isinstance(error, OutOfReachError)
    assert error.hint.startswith("Nothing was written.")
    assert read_tree(root, "") == before


def refused(root: Path, values: str, version: str = NEW) -> HubopsError:
    (root / HUB / "values.yaml").write_text(values)
    before = read_tree(root, "")
    error = failure(upgrade(version))
    assert isinstance(error, RepositoryError)
    assert "Nothing was written." in error.hint
    assert read_tree(root, "") == before
    return error


def test_keys_that_the_chart_no_longer_takes_are_named_with_what_says_it_now(root: Path) -> None:
    error = refused(root, "jupyterhub:\n  httpRoute:\n    gateway: {name: g}\n  hub:\n    fsGid: 1000\n")
    assert (error.what, error.where) == (
        "hub.fsGid is no key of the chart jupyterhub any more",
        f"{HUB}/values.yaml:5:5",
    )
    assert "Write hub.podSecurityContext.fsGroup." in error.hint
    assert (
        f"httpRoute.gateway is no key of the chart jupyterhub any more ({HUB}/values.yaml:3:5)" in error.why
    )
    assert "Write httpRoute.parentRefs" in error.why


def test_a_key_of_a_shared_layer_is_named_there(root: Path) -> None:
    (root / "values/stages/production.yaml").write_text("jupyterhub:\n  httpRoute: {gateway: {name: g}}\n")
    assert refused(root, "").where == "values/stages/production.yaml:2:15"


def test_what_its_schema_does_not_know_is_named(root: Path) -> None:
    error = refused(root, "jupyterhub:\n  singleuser:\n    memry: {}\n")
    assert (error.what, error.where) == ("unknown key singleuser.memry", f"{HUB}/values.yaml:3:5")
    assert error.why == f"the chart jupyterhub {NEW} does not know it"


def test_what_only_its_templates_refuse_is_told_in_their_words(root: Path) -> None:
    rules = "networkPolicy: {egressAllowRules: {cloudMetadataServer: true}}"
    error = refused(
        root, f"jupyterhub:\n  singleuser:\n    cloudMetadata: {{blockWithIptables: true}}\n    {rules}\n"
    )
    assert error.what == "the chart refuses the values of earthhub"
    assert "ambiguous configuration" in error.why


def test_the_embedded_chart_has_the_version_that_lies_there(root: Path) -> None:
    error = failure(upgrade("0.2.0", "staginghub"))
    assert isinstance(error, UsageError)
    chart = root / "charts/jupyterhub/Chart.yaml"
    chart.write_text(chart.read_text().replace("version: 0.1.0", "version: 0.2.0"))
    result = upgrade("0.2.0", "staginghub")
    assert result.exit_code == 0, result.exception
    assert "-    version: 0.1.0\n+    version: 0.2.0\n" in result.output
