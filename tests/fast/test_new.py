"""hubops new: a hub's own files and no others, right for its chart, and what its provider asks for."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from hubops.cli.new import command
from hubops.cli.new_choices import newest_stable
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError, OutOfReachError, UsageError
from hubops.scaffold.changes import read_tree
from hubops.scaffold.logins import provider_of
from hubops.scaffold.providers import PROVIDERS

CAMPUS = "  campus:\n    kubeconfig-context: campus-admin\n    url: https://hubs.example.org\n"
NOBODY = "http://127.0.0.1:9/"


@pytest.fixture
def root(operations: Path) -> Path:
    """What hubops init makes, with a second cluster, where we stand."""
    with (operations / "hubops.yaml").open("a") as file:
        file.write(CAMPUS)
    return operations


def new(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def failure(result: Result) -> HubopsError:
    assert isinstance(result.exception, HubopsError), result.output
    return result.exception


def read(root: Path, name: str) -> Any:
    return yaml.safe_load((root / name).read_text())


def test_a_hub_on_the_local_cluster_needs_nothing_but_its_name(root: Path) -> None:
    (root / "hubops.yaml").write_text((root / "hubops.yaml").read_text().removesuffix(CAMPUS))
    before = read_tree(root, "")
    result = new("earthhub")
    assert result.exit_code == 0, result.exception
    added = {name for name in read_tree(root, "") if name not in before}
    assert {name.rpartition("/")[0] for name in added} == {"hub-charts/earthhub"}
    assert {**read_tree(root, ""), **before} == read_tree(root, "")
    assert find_problems(root).problems == ()
    hub = load_fleet(root).hubs["earthhub"]
    assert (hub.stage, hub.cluster.name, hub.image, hub.proved_by) == (
        "production",
        "local",
        "notebook",
        "staginghub",
    )
    assert "earthhub: create (it is new)" in result.output
    assert "+++ hub-charts/earthhub/hub.yaml" in result.output


def test_the_chart_is_that_of_the_hub_that_proves_it(root: Path) -> None:
    new("earthhub", "--cluster", "local")
    fleet = load_fleet(root)
    assert fleet.hubs["earthhub"].lock.value == fleet.hubs["staginghub"].lock.value


ANSWERS = {
    "github": ["--set", "allowed_organizations=my-org,my-school:course"],
    "gitlab": ["--set", "allowed_gitlab_groups=earth", "--set", "client_id=1234"],
    "google": ["--set", "hosted_domain=uni.example.edu"],
    "oidc": [
        f"--set={key}=https://id.example.edu/{key}" for key in ("authorize_url", "token_url", "userdata_url")
    ],
    "lti": [
        f"--set={key}=https://moodle.example.edu/{key}"
        for key in ("issuer", "authorize_url", "jwks_endpoint")
    ],
    "native": [],
}


@pytest.mark.parametrize("auth", sorted(PROVIDERS))
def test_each_way_to_log_in_gets_its_values_and_its_form(root: Path, auth: str) -> None:
    result = new("earthhub", "--cluster", "campus", "--auth", auth, *ANSWERS[auth])
    assert result.exit_code == 0, result.exception
    provider = PROVIDERS[auth]
    config = read(root, "hub-charts/earthhub/values.yaml")["jupyterhub"]["hub"]["config"]
    assert config["JupyterHub"] == {"authenticator_class": provider.authenticator}
    if "client_secret" in provider.secrets:
        callback = "https://hubs.example.org/earthhub/hub/oauth_callback"
        assert config[provider.section]["oauth_callback_url"] == callback
        assert f" {callback}\n" in result.output
    assert "{" not in result.output
    missing = [key for key in provider.secrets if key not in config[provider.section]]
    assert (f"below jupyterhub.hub.config.{provider.section}: {', '.join(missing)}" in result.output) == bool(
        missing
    )
    # Nothing but the secrets, which are made next.
    assert {problem.where for problem in find_problems(root).problems} == {"secrets/earthhub.yaml"}


@pytest.mark.parametrize("auth", sorted(PROVIDERS))
def test_the_ways_are_found_by_their_class(auth: str) -> None:
    provider = PROVIDERS[auth]
    for name in (provider.authenticator, provider.section, f"some.module.{provider.section}"):
        assert provider_of(name) is provider
    assert provider_of("dummy") is None


def test_a_group_brings_what_it_needs(root: Path) -> None:
    new("a", "--cluster", "campus", "--auth", "github", "--set", "allowed_organizations=my-org")
    new("b", "--cluster", "campus", "--auth", "github")
    one, other = (read(root, f"hub-charts/{hub}/values.yaml")["jupyterhub"]["hub"]["config"] for hub in "ab")
    assert one["GitHubOAuthenticator"]["scope"] == ["read:org"]
    assert one["GitHubOAuthenticator"]["allowed_organizations"] == ["my-org"]
    assert set(other["GitHubOAuthenticator"]) == {"oauth_callback_url"}


REFUSED = {
    "nobody said how people log in": (["a", "--cluster", "campus"], "--auth is missing"),
    "nobody said which cluster": (["a"], "--cluster is missing"),
    "no such cluster": (["a", "--cluster", "campsu"], "there is no cluster campsu"),
    "an answer is missing": (["a", "--cluster", "campus", "--auth", "oidc"], "needs authorize_url, token_url, userdata_url"),
    "an answer to no question": (["a", "--cluster", "campus", "--auth", "github", "--set", "orgs=x"], "is not asked for orgs"),
    "a setting that is none": (["a", "--cluster", "campus", "--auth", "github", "--set", "orgs"], "'orgs' is no setting"),
    "there already": (["staginghub"], "there is a hub staginghub already"),
    "a capital": (["Earth"], "Earth cannot name a hub"),
    "a namespace of ours": (["edge"], "edge cannot name a hub"),
    "a namespace of Kubernetes": (["kube-system"], "kube-system cannot name a hub"),
    "no such image": (["a", "--cluster", "local", "--image", "noteboko"], "nothing builds the image noteboko"),
    "no such prover": (["a", "--cluster", "local", "--proved-by", "earth"], "there is no hub earth"),
    "no such source": (["a", "--from", "earth"], "there is no hub earth"),
    "a copy with another chart": (["a", "--from", "staginghub", "--chart-version", "4.4.0"], "with --from the chart is"),
    "two charts": (["a", "--cluster", "local", "--embedded", "--chart-version", "4.4.0"], "--embedded excludes"),
    "two images": (["a", "--cluster", "local", "--image", "notebook", "--new-image"], "--image excludes --new-image"),
    "a range": (["a", "--cluster", "local", "--chart-version", "4.x"], "'4.x' is no version of a chart"),
    "an answer that nobody asked for": (["a", "--cluster", "local", "--set", "client_id=1"], "--set is for --auth"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(root: Path, case: str) -> None:
    words, what = REFUSED[case]
    before = read_tree(root, "")
    error = failure(new(*words))
    assert isinstance(error, UsageError)
    assert what in error.what
    assert error.hint or error.why or error.where
    assert read_tree(root, "") == before


def test_a_cluster_without_an_address_has_no_callback(root: Path) -> None:
    file = root / "hubops.yaml"
    file.write_text(file.read_text().removesuffix("    url: https://hubs.example.org\n"))
    assert (
        failure(new("a", "--cluster", "campus", "--auth", "github")).what == "the cluster campus has no url"
    )


def test_what_would_not_be_right_is_not_written(root: Path) -> None:
    (root / "values/clusters").mkdir()
    (root / "values/clusters/campus.yaml").write_text("jupyterhub:\n  hub:\n    confg: {}\n")
    before = read_tree(root, "")
    error = failure(new("a", "--cluster", "campus", "--auth", "native"))
    assert error.exit_code == 20
    assert (error.what, error.where) == ("unknown key hub.confg", "values/clusters/campus.yaml:3:5")
    assert error.hint.startswith("Nothing was written. ")
    assert read_tree(root, "") == before


def test_what_was_wrong_elsewhere_stops_nothing(root: Path) -> None:
    (root / "hub-charts/staginghub/values.yaml").write_text("jupyterhub: {singleuser: {memry: {}}}\n")
    assert new("a", "--cluster", "local").exit_code == 0


def test_where_all_hubs_log_in_in_one_way_nobody_is_asked(root: Path) -> None:
    (root / "values/clusters").mkdir()
    shared = "jupyterhub: {hub: {config: {JupyterHub: {authenticator_class: github}}}}\n"
    (root / "values/clusters/campus.yaml").write_text(shared)
    result = new("a", "--cluster", "campus")
    assert result.exit_code == 0, result.exception
    config = read(root, "hub-charts/a/values.yaml")["jupyterhub"]["hub"]["config"]
    assert config == {
        "GitHubOAuthenticator": {"oauth_callback_url": "https://hubs.example.org/a/hub/oauth_callback"}
    }
    assert "Authorization callback URL  https://hubs.example.org/a/" in result.output


def test_an_image_of_its_own_is_begun(root: Path) -> None:
    result = new("a", "--cluster", "local", "--new-image")
    assert result.exit_code == 0, result.exception
    assert load_fleet(root).hubs["a"].image == "a"
    assert "image" not in read(root, "hub-charts/a/hub.yaml")
    assert (root / "user-images/a/Dockerfile").read_bytes() == (
        root / "user-images/notebook/Dockerfile"
    ).read_bytes()
    assert re.search(r"^\+ user-images/a/requirements.txt \(\d+ lines\)$", result.output, re.MULTILINE)


SOURCE = """# Ours.
jupyterhub:
  hub:
    config:
      JupyterHub: {authenticator_class: github}   # of the school
      GitHubOAuthenticator:
        client_id: "12"
        oauth_callback_url: https://hubs.example.org/earth/hub/oauth_callback
  singleuser:
    memory: {limit: 4G}
"""


def test_another_hubs_settings_are_copied_without_what_is_its_own(root: Path) -> None:
    new("earth", "--cluster", "campus", "--auth", "github", "--admin", "ann")
    source = root / "hub-charts/earth"
    (source / "values.yaml").write_text(SOURCE)
    (source / "hub.yaml").write_text(
        "# Autumn.\nstage: production\ncluster: campus\nnamespace: old\ntimeout: 900\n"
    )
    (source / "charts").mkdir()
    (source / "charts/jupyterhub-0.1.0.tgz").write_bytes(b"")
    result = new("moon", "--from", "earth")
    assert result.exit_code == 0, result.exception
    expected = SOURCE.replace("earth/hub/oauth", "moon/hub/oauth").replace('        client_id: "12"\n', "")
    assert (root / "hub-charts/moon/values.yaml").read_text() == expected
    settings = (root / "hub-charts/moon/hub.yaml").read_text()
    assert settings.startswith("# Autumn.\nstage: production\ncluster: campus\ntimeout: 900\n")
    assert "namespace" not in settings
    assert read(root, "hub-charts/moon/people.yaml") == {"admins": [], "allowed": []}
    assert read(root, "hub-charts/moon/Chart.yaml")["name"] == "moon"
    assert not (root / "hub-charts/moon/charts").exists()
    assert "client_id, client_secret" in result.output
    assert {problem.where for problem in find_problems(root, ["moon"]).problems} == {"secrets/moon.yaml"}


PEOPLED = """# Ours.
jupyterhub:
  hub:
    config:
      JupyterHub:
        authenticator_class: github
        load_groups: {tutors: {users: [tom], properties: {}}}
      Authenticator:
        # Who was there once stays out.
        allow_existing_users: false
        admin_users: [ann]  # since 2019
        blocked_users:
          - mallory
      GitHubOAuthenticator:
        allowed_users: [ben]
    loadRoles:
      # Tutors see who is there.
      tutor: {scopes: ["read:users:name"], users: [tom]}
      admin: {users: [ann]}
"""
UNPEOPLED = """# Ours.
jupyterhub:
  hub:
    config:
      JupyterHub:
        authenticator_class: github
        load_groups: {tutors: {properties: {}}}
      Authenticator:
        # Who was there once stays out.
        allow_existing_users: false
      GitHubOAuthenticator:
        oauth_callback_url: "https://hubs.example.org/moon/hub/oauth_callback"
    loadRoles:
      # Tutors see who is there.
      tutor: {scopes: ["read:users:name"]}
"""


def test_a_copy_has_nobody_of_the_other_hub(root: Path) -> None:
    new("earth", "--cluster", "campus", "--auth", "github", "--admin", "ann")
    source = root / "hub-charts/earth"
    (source / "values.yaml").write_text(PEOPLED)
    with (source / "hub.yaml").open("a") as file:
        file.write("people-may-leave: 45\ncheck: {ignore: {overridden-people: Since 2019.}}\n")
    result = new("moon", "--from", "earth")
    assert result.exit_code == 0, result.exception
    assert (root / "hub-charts/moon/values.yaml").read_text() == UNPEOPLED
    settings = read(root, "hub-charts/moon/hub.yaml")
    assert {"people-may-leave", "check"}.isdisjoint(settings)
    # What a reviewer allowed that hub is still its own.
    assert {"people-may-leave", "check"} <= set(read(root, "hub-charts/earth/hub.yaml"))


def test_a_copy_is_proved_by_who_proves_the_other(root: Path) -> None:
    new("try", "--cluster", "local", "--stage", "staging")
    new("earth", "--cluster", "local", "--proved-by", "try")
    new("alone", "--cluster", "local", "--proved-by", "")
    settings = root / "hub-charts/earth/hub.yaml"
    settings.write_text(f"{settings.read_text()}disabled: Until winter\n")
    assert new("moon", "--from", "earth").exit_code == 0
    assert new("sun", "--from", "alone").exit_code == 0
    hubs = load_fleet(root).hubs
    assert (hubs["moon"].proved_by, hubs["moon"].disabled, hubs["sun"].proved_by) == ("try", "", "")


def test_a_copy_for_a_cluster_of_others_needs_a_way_to_log_in(root: Path) -> None:
    assert failure(new("a", "--from", "staginghub", "--cluster", "campus")).what == "--auth is missing"
    result = new("a", "--from", "staginghub", "--cluster", "campus", "--auth", "native")
    assert result.exit_code == 0, result.exception
    values = read(root, "hub-charts/a/values.yaml")["jupyterhub"]
    assert values["singleuser"] == {"memory": {"limit": "2G"}}
    assert values["hub"]["config"]["JupyterHub"] == {"authenticator_class": "native"}
    assert load_fleet(root).hubs["a"].stage == "staging"


# --- the chart

INDEX = {"apiVersion": "v1", "entries": {"jupyterhub": [{"version": v} for v in ("4.4.0-0.dev.git.1", "4.3.9", "4.10.0", "4.9.1")]}}  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A chart repository on this machine."""
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts/index.yaml").write_text(yaml.safe_dump(INDEX))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "charts")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def pinned(root: Path, hub: str) -> tuple[str, str]:
    dependency = read(root, f"hub-charts/{hub}/Chart.yaml")["dependencies"][0]
    assert read(root, f"hub-charts/{hub}/Chart.lock")["dependencies"] == [dependency]
    return dependency["version"], dependency["repository"]


def test_the_newest_release_of_a_chart_repository_is_pinned(root: Path, repository: str) -> None:
    result = new("a", "--cluster", "local", "--chart-repository", repository)
    assert result.exit_code == 0, result.exception
    assert pinned(root, "a") == ("4.10.0", repository)
    assert find_problems(root, ["a"]).problems == ()


def test_a_version_that_is_named_needs_no_answer(root: Path) -> None:
    assert (
        new("a", "--cluster", "local", "--chart-repository", NOBODY, "--chart-version", "4.4.0").exit_code
        == 0
    )
    assert pinned(root, "a") == ("4.4.0", NOBODY)


def test_a_hub_of_the_upstream_chart_keeps_its_database(root: Path) -> None:
    wanted = ("--cluster", "campus", "--auth", "github", "--set", "allowed_organizations=school")
    result = new("a", *wanted, "--chart-repository", NOBODY, "--chart-version", "4.4.0")
    assert result.exit_code == 0, result.exception
    values = yaml.safe_load((root / "hub-charts/a/values.yaml").read_text())["jupyterhub"]
    assert values["hub"]["db"]["pvc"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    hub = load_fleet(root).require_hub("a")
    assert (hub.stage, hub.proved_by) == ("staging", ""), "the local staging hub proves nothing there"


def test_without_a_repository_that_answers_nothing_is_guessed(root: Path) -> None:
    before = read_tree(root, "")
    error = failure(new("a", "--cluster", "local", "--chart-repository", NOBODY))
    assert isinstance(error, OutOfReachError)
    assert "--chart-version" in error.hint
    assert read_tree(root, "") == before


@pytest.mark.parametrize("text", ["entries: {}", "- a", "entries: 5", "{", "entries: {jupyterhub: [{}]}"])
def test_what_is_no_index_is_said(root: Path, repository: str, tmp_path: Path, text: str) -> None:
    (tmp_path / "charts/index.yaml").write_text(text)
    assert (root / "hubops.yaml").exists()
    error = failure(new("a", "--cluster", "local", "--chart-repository", repository))
    assert "is no index of charts" in error.why or "has no release of jupyterhub" in error.why


def test_the_embedded_chart_when_it_is_wanted(root: Path) -> None:
    new("a", "--cluster", "local", "--chart-version", "4.4.0")
    assert (
        new("b", "--cluster", "local", "--proved-by", "a", "--embedded").exit_code != 0
    )  # a is no staging hub
    result = new("b", "--cluster", "local", "--embedded")
    assert result.exit_code == 0, result.exception
    assert pinned(root, "b") == ("0.1.0", "file://../../charts/jupyterhub")


def test_the_newest_is_by_number_and_no_pre_release() -> None:
    assert newest_stable(["1.9.0", "1.10.0", "2.0.0-beta.1", "2.0.0-0.dev.git.7.h1"]) == "1.10.0"
    assert newest_stable(["2.0.0-beta.1"]) == ""


# --- on a terminal


def test_on_a_terminal_it_asks_only_what_it_needs(root: Path) -> None:
    """A real one: what is asked, in which order, and that empty answers are left out."""
    controller, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "hubops.cli.main", "new", "a"],
        cwd=root,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(terminal)
    os.write(controller, b"campus\ngithub\n\nmy-org\n")
    output = child.communicate(timeout=60)[0].decode()
    os.close(controller)
    assert child.returncode == 0, output
    asked = [
        output.index(question)
        for question in ("Cluster (", "How people log in (", "Client id (", "Organizations")
    ]
    assert asked == sorted(asked)
    own = read(root, "hub-charts/a/values.yaml")["jupyterhub"]["hub"]["config"]["GitHubOAuthenticator"]
    assert own["allowed_organizations"] == ["my-org"]
    assert "client_id" not in own
