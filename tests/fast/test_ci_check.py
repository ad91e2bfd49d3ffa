"""What a pull request is told of files and manifests: which hubs are rendered, what is said, and when it is neutral."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fast.answering import serve_answers
from hubops.cli.ci_pull_request import command
from hubops.clients.sops_failures import LockedError
from hubops.desired.chart_lock import helm_digest
from hubops.desired.model import ImageReference
from hubops.desired.repository import load_fleet
from hubops.errors import MachineError
from hubops.local.toolchain import require_tool
from hubops.run.graph import MadeImage
from hubops.run.render_inputs import may_render_otherwise
from hubops.scaffold.changes import read_tree

PROJECT = Path(__file__).parents[2]
STAGING, EARTH = "hub-charts/staginghub", "hub-charts/earthhub"
# Below `hub`, with which the values of a hub end.
WRONG_MEMORY = "\n    resources:\n      limits: {memory: 1GiB}\n"
BOTH = {"staginghub", "earthhub"}

ENC = "ENC[AES256_GCM,data:aa==,iv:bb==,tag:cc==,type:str]"
SECRETS = f"""jupyterhub:
  proxy: {{secretToken: "{ENC}"}}
  hub:
    cookieSecret: "{ENC}"
    config: {{CryptKeeper: {{keys: ["{ENC}"]}}}}
    services: {{hubops: {{apiToken: "{ENC}"}}}}
sops: {{mac: "{ENC}", version: 3.11.0}}
"""
# What is added to which file, and which hubs helm may render otherwise then.
CHANGES = {
    "nothing": ("README.md", "# hubs\n", set[str]()),
    "people": (f"{EARTH}/people.yaml", "\nblocked: [mallory]\n", set[str]()),
    "Dockerfile": ("user-images/earth/Dockerfile", "ENV A=b\n", set[str]()),
    "own values": (f"{EARTH}/values.yaml", WRONG_MEMORY, {"earthhub"}),
    "own template": (f"{EARTH}/templates/x.yaml", "# nothing\n", {"earthhub"}),
    "shared values": ("values/stages/production.yaml", "jupyterhub: {hub: {uid: 1001}}\n", {"earthhub"}),
    "everybody's values": ("values/organisation.yaml", "    maxAge: 43200\n", BOTH),
    "shared chart": ("charts/jupyterhub/templates/x.yaml", "# nothing\n", BOTH),
    "namespace": (f"{EARTH}/hub.yaml", "\nnamespace: earth\n", {"earthhub"}),
    "switch": (f"{EARTH}/hub.yaml", "\ncheck: {ignore: {manifest: So.}}\n", {"earthhub"}),
    "everybody's switch": ("hubops.yaml", "\ncheck: {ignore: {manifest: So.}}\n", BOTH),
    "local values": ("values/local.yaml", "\n# nothing\n", set[str]()),
    "version of Kubernetes": ("hubops.yaml", '\n    kubernetes: "1.36"\n', BOTH),
}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """The example fleet in a git repository of its own, committed, with us in it."""
    root, before = tmp_path / "ops", Path.cwd()
    for name in ("hub-charts", "values", "charts/jupyterhub", "user-images", "images/hub", "images/proxy"):
        shutil.copytree(PROJECT / name, root / name)
    settings = (PROJECT / "hubops.yaml").read_text().partition("clusters:")[0]
    (root / "hubops.yaml").write_text(f"{settings}clusters:\n  local:\n    local: true\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "The fleet")
    os.chdir(root)
    yield root
    os.chdir(before)


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(root), *who, *words], check=True)


def add(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "") + text)


def pull_request(*words: str) -> Result:
    return CliRunner().invoke(command, ["--base", "HEAD", *words])


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_decides_manifests_makes_helm_render(change: str, repository: Path, tmp_path: Path) -> None:
    name, text, expected = CHANGES[change]
    shutil.copytree(repository, tmp_path / "before")
    add(repository, name, text)
    fleet, before = load_fleet(repository), load_fleet(tmp_path / "before")
    found = {hub.name for hub in fleet.in_order() if may_render_otherwise(fleet, before, hub)}
    assert found == expected


def test_a_new_hub_and_one_of_which_nobody_knows_what_it_was_are_rendered(repository: Path) -> None:
    fleet = load_fleet(repository)
    for hub in fleet.in_order():
        assert may_render_otherwise(fleet, None, hub)
    shutil.copytree(repository / STAGING, repository / "hub-charts/newhub")
    after = load_fleet(repository)
    assert [hub.name for hub in after.in_order() if may_render_otherwise(after, fleet, hub)] == ["newhub"]


def test_what_was_wrong_before_is_rendered_once_it_is_right(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path / "before")
    wrong = "jupyterhub: {singleuser: {image: {hubops-image: earth, name: other}}}\n"
    add(tmp_path / "before", "values/stages/production.yaml", wrong)
    fleet, before = load_fleet(repository), load_fleet(tmp_path / "before")
    assert may_render_otherwise(fleet, before, fleet.hubs["earthhub"])


def test_a_change_of_nothing_that_is_rendered_starts_no_helm(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubops.local.toolchain.require_tool", None)
    add(repository, f"{EARTH}/people.yaml", "\nblocked: [mallory]\n")
    done = pull_request()
    assert "check manifests  done" in done.output
    assert "no hub is rendered otherwise than before" in done.output
    assert done.exit_code == 0


def test_a_wrong_manifest_is_refused_at_its_line(repository: Path) -> None:
    add(repository, f"{EARTH}/values.yaml", WRONG_MEMORY)
    line = (repository / EARTH / "values.yaml").read_text().splitlines().index(
        "      limits: {memory: 1GiB}"
    ) + 1
    done = pull_request()
    assert done.exit_code == 20, done.output
    assert f"check {EARTH}/values.yaml:{line}:16  refused" in done.output
    assert "resources.limits.memory must be a quantity" in done.output
    assert "next: Did you mean 1Gi?" in done.output
    assert "hub earthhub" in done.output  # the plan is told all the same


def test_a_change_of_secrets_renders_the_hub_and_else_they_are_left_alone(repository: Path) -> None:
    """What a commit has of secrets is not laid out for comparing."""
    add(
        repository, "hubops.yaml", "  campus: {kubeconfig-context: campus, url: 'https://hubs.example.org'}\n"
    )
    (repository / EARTH / "hub.yaml").write_text("stage: production\ncluster: campus\nimage: earth\n")
    add(repository, "secrets/earthhub.yaml", SECRETS)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "To the campus")
    assert "no hub is rendered otherwise than before" in pull_request().output
    add(repository, "secrets/earthhub.yaml", "# another\n")
    assert "1 hub rendered" in pull_request().output


def test_a_disabled_hub_is_looked_at_too(repository: Path) -> None:
    add(repository, f"{STAGING}/hub.yaml", "\ndisabled: Over.\n")
    git(repository, "commit", "-qam", "Disable it")
    add(repository, f"{STAGING}/templates/x.yaml", "apiVersion: v1\nkind: ConfigMp\nmetadata: {name: x}\n")
    done = pull_request()
    assert done.exit_code == 20, done.output
    assert "there is no v1 ConfigMp" in done.output


def test_a_right_one_is_told_with_how_many_were_looked_at(repository: Path) -> None:
    add(repository, f"{EARTH}/values.yaml", WRONG_MEMORY.replace("GiB", "Gi"))
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "1 hub rendered, no problems" in done.output


def test_a_problem_that_another_hub_had_before_is_not_the_changes(repository: Path) -> None:
    add(repository, f"{EARTH}/values.yaml", WRONG_MEMORY)
    git(repository, "commit", "-qam", "Wrong, and in")
    add(repository, f"{STAGING}/values.yaml", WRONG_MEMORY.replace("GiB", "Gi"))
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "1 hub rendered, no problems" in done.output


def test_an_idle_switch_of_a_hub_that_is_not_rendered_is_let_be(repository: Path) -> None:
    add(repository, f"{EARTH}/hub.yaml", "\ncheck: {ignore: {manifest: So.}}\n")
    git(repository, "commit", "-qam", "A switch")
    add(repository, f"{STAGING}/values.yaml", WRONG_MEMORY.replace("GiB", "Gi"))
    assert pull_request().exit_code == 0
    add(repository, f"{EARTH}/values.yaml", WRONG_MEMORY.replace("GiB", "Gi"))
    done = pull_request()
    assert done.exit_code == 20, done.output
    assert "manifest is ignored, and would find nothing" in done.output


def test_without_helm_the_run_says_so_and_stays_neutral(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object) -> Path:
        raise MachineError("helm cannot be had", why="no network")

    monkeypatch.setattr("hubops.local.toolchain.require_tool", none)
    add(repository, f"{EARTH}/values.yaml", WRONG_MEMORY)
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "check manifests  not done" in done.output
    assert "A maintainer can try it: hubops check --render" in done.output


def test_an_image_whose_secrets_nobody_can_open_here_is_told_as_not_built(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = LockedError("there is no key here for these secrets", where="secrets/images.yaml")

    async def locked(*_: object, **__: object) -> tuple[dict[str, MadeImage], dict[str, object]]:
        return {"earth": MadeImage(ImageReference("r/earth", "c1"), error)}, {}

    monkeypatch.setattr("hubops.cli.ci_pull_request.try_images", locked)
    add(repository, "user-images/earth/Dockerfile", "ENV A=b\n")
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "image earth      not done" in done.output
    assert "there is no key here for these secrets" in done.output
    assert "A maintainer can try it: hubops build earth" in done.output


def test_who_mends_a_wrong_file_begins_from_one(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_: object, **__: object) -> tuple[dict[str, object], dict[str, object]]:
        return {}, {}

    # Every image counts as changed where nobody knows what was; this is not about images.
    monkeypatch.setattr("hubops.cli.ci_pull_request.try_images", none)
    right = (repository / EARTH / "hub.yaml").read_text()
    add(repository, f"{EARTH}/hub.yaml", "\nstage: [\n")
    git(repository, "commit", "-qam", "Wrong, and in")
    (repository / EARTH / "hub.yaml").write_text(right)
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "2 hubs rendered, no problems" in done.output
    assert "nobody can say what a merge would change" in done.output


@pytest.fixture
def charts(tmp_path: Path) -> Iterator[str]:
    """A repository of charts with the embedded one as version 4.4.0 of another's."""
    directory = tmp_path / "charts"
    chart = Path(shutil.copytree(PROJECT / "charts/jupyterhub", tmp_path / "source" / "jupyterhub"))
    about = chart / "Chart.yaml"
    about.write_text(
        about.read_text().replace("version: 0.1.0", "version: 4.4.0").replace("hubops/embedded", "x/y")
    )
    helm = asyncio.run(require_tool("helm", lambda _event: None))
    subprocess.run([helm, "package", chart, "--destination", directory], check=True, capture_output=True)
    subprocess.run([helm, "repo", "index", directory], check=True)
    with serve_answers() as server:
        server.reply = lambda _method, path, _headers: (200, {}, (directory / Path(path).name).read_bytes())
        yield f"http://{server.host}/"


def use_chart(root: Path, hub: str, repository: str) -> None:
    pinned = [{"name": "jupyterhub", "version": "4.4.0", "repository": repository}]
    about = {"apiVersion": "v2", "name": hub, "version": "0.1.0", "dependencies": pinned}
    (root / "hub-charts" / hub / "Chart.yaml").write_text(json.dumps(about, indent=1))
    lock = {"dependencies": pinned, "digest": helm_digest(pinned, pinned)}
    (root / "hub-charts" / hub / "Chart.lock").write_text(json.dumps(lock))


def test_a_chart_that_lies_in_no_clone_is_fetched_for_it_and_the_clone_stays_as_it_is(
    repository: Path, charts: str
) -> None:
    for hub in ("staginghub", "earthhub"):
        use_chart(repository, hub, charts)
    before = read_tree(repository / "hub-charts", "")
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "2 hubs rendered, no problems" in done.output
    add(repository, f"{EARTH}/values.yaml", "    resourcs: {}\n")
    add(repository, f"{STAGING}/values.yaml", WRONG_MEMORY)
    done = pull_request()
    assert done.exit_code == 20, done.output
    assert "unknown key hub.resourcs" in done.output
    assert "resources.limits.memory must be a quantity" in done.output
    assert {*read_tree(repository / "hub-charts", "")} == {*before}


def test_one_that_cannot_be_had_is_told_and_is_nobodys_fault(repository: Path) -> None:
    use_chart(repository, "earthhub", "http://127.0.0.1:1/")
    done = pull_request()
    assert done.exit_code == 0, done.output
    assert "0 hubs rendered" in done.output
    assert "the dependencies of earthhub cannot be built" in " ".join(done.output.split())
