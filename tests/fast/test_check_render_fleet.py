"""hubops check --render on whole repositories: the charts that hubs really have, several versions, switches, the command."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fast.rendering import render
from fleets import write_fleet
from hubops.cli.check import command
from hubops.cli.init import command as init
from hubops.desired.chart_lock import helm_digest
from hubops.desired.manifests.api import known_minors
from hubops.desired.model import Findings, Problem
from hubops.desired.problems import find_problems
from hubops.scaffold.changes import read_tree

PROJECT = Path(__file__).parents[2]
UPSTREAM = os.environ.get("HUBOPS_UPSTREAM_CHART", str(PROJECT.parent / "shared/charts/jupyterhub-4.4.0.tgz"))
OWN = "hub-charts/staginghub/values.yaml"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n"
WRONG_MEMORY = "jupyterhub:\n  hub:\n    resources:\n      limits: {memory: 1GiB}\n"
Write = Callable[[str, str], None]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The example fleet, but for one of its hubs."""
    for name in ("hub-charts/staginghub", "values", "charts/jupyterhub"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("images/hub", "images/proxy"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    shutil.copy(PROJECT / "hubops.yaml", tmp_path)
    (tmp_path / "user-images/earth").mkdir(parents=True)
    (tmp_path / "user-images/earth/Dockerfile").write_text("FROM scratch\n")
    return tmp_path


@pytest.fixture
def write(repository: Path) -> Write:
    def put(name: str, text: str) -> None:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)

    return put


def only(findings: Findings) -> Problem:
    assert len(findings.problems) == 1, findings.problems
    return findings.problems[0]


def check(root: Path, *words: str) -> Result:
    before = Path.cwd()
    os.chdir(root)
    try:
        return CliRunner().invoke(command, words)
    finally:
        os.chdir(before)


# --- nothing is found where nothing is wrong


def test_the_example_fleet_has_no_problems() -> None:
    assert find_problems(PROJECT, render=render()) == Findings()


def test_a_repository_stays_as_it_is(repository: Path) -> None:
    before = read_tree(repository, "")
    assert find_problems(repository, render=render()) == Findings()
    assert read_tree(repository, "") == before


def test_what_init_makes_has_none(tmp_path: Path) -> None:
    CliRunner().invoke(init, [str(tmp_path / "ops")])
    assert find_problems(tmp_path / "ops", render=render()) == Findings()


def use_upstream(root: Path, hub: str, alias: str = "") -> None:
    archive = Path(UPSTREAM)
    if not archive.exists():
        pytest.skip(f"the upstream chart is not at {archive}; HUBOPS_UPSTREAM_CHART may name it")
    directory = root / "hub-charts" / hub
    (directory / "charts").mkdir()
    shutil.copy(archive, directory / "charts")
    pinned = {"name": "jupyterhub", "version": "4.4.0", "repository": "https://hub.jupyter.org/helm-chart/"}
    wanted = [pinned | ({"alias": alias} if alias else {})]
    chart = {"apiVersion": "v2", "name": hub, "version": "0.1.0", "dependencies": wanted}
    (directory / "Chart.yaml").write_text(json.dumps(chart, indent=1))
    lock = {"dependencies": [pinned], "digest": helm_digest(wanted, [pinned])}
    (directory / "Chart.lock").write_text(json.dumps(lock))


def test_the_upstream_chart_has_none(repository: Path) -> None:
    use_upstream(repository, "staginghub")
    assert find_problems(repository, render=render()) == Findings()


@pytest.mark.long
def test_all_of_them_have_none_for_any_known_version(repository: Path, tmp_path: Path) -> None:
    CliRunner().invoke(init, [str(tmp_path / "ops")])
    use_upstream(repository, "staginghub")
    for root in (PROJECT, tmp_path / "ops", repository):
        assert find_problems(root, render=render(*known_minors())) == Findings()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_valid_fleets_of_any_kind_have_none(seed: int, tmp_path: Path) -> None:
    write_fleet(tmp_path, 20, seed)
    shutil.copytree(PROJECT / "charts/jupyterhub", tmp_path / "charts/jupyterhub", dirs_exist_ok=True)
    assert find_problems(tmp_path, render=render()) == Findings()


# --- where something is


def test_a_value_of_the_embedded_chart_is_found_in_the_file_that_sets_it(
    repository: Path, write: Write
) -> None:
    write(OWN, WRONG_MEMORY)
    found = only(find_problems(repository, render=render()))
    assert (found.rule, found.where, found.hubs) == ("manifest", f"{OWN}:4:16", ("staginghub",))
    assert found.what.startswith(
        "Deployment hub: spec.template.spec.containers[0].resources.limits.memory must"
    )
    assert found.why.endswith("rendered from charts/jupyterhub/templates/hub/deployment.yaml")
    assert found.hint == "Did you mean 1Gi?"


def test_a_shared_value_is_found_once_for_all_hubs(repository: Path, write: Write) -> None:
    shutil.copytree(PROJECT / "hub-charts/earthhub", repository / "hub-charts/earthhub")
    write("values/clusters/local.yaml", WRONG_MEMORY)
    found = only(find_problems(repository, render=render()))
    assert (found.where, found.hubs) == ("values/clusters/local.yaml:4:16", ("earthhub", "staginghub"))


def test_of_a_packed_chart_with_an_alias_too(repository: Path, write: Write) -> None:
    use_upstream(repository, "staginghub", "hubs")
    write(OWN, WRONG_MEMORY.replace("jupyterhub:", "hubs:"))
    found = only(find_problems(repository, render=render()))
    assert found.where == f"{OWN}:4:16"
    assert found.why.endswith("rendered from templates/hub/deployment.yaml of the chart jupyterhub 4.4.0")


# Each line with what is found in it; hub and proxy have the same wrong amount.
MANY = """jupyterhub:
  hub:
    nodeSelector: {pool: a b}  # nodeSelector.pool must be a label
    tolerations: [{key: x, operator: Exist}]  # operator must be "Equal" or "Exists"
    extraVolumes:
      - name: data
        emptyDir: {sizeLimt: 1Gi}  # unknown key spec.template.spec.volumes[2].emptyDir.sizeLimt
    extraVolumeMounts:
      - name: data  # mountPath is missing
    annotations: {a b: c}  # cannot be a key
    containerSecurityContext:
      runAsUsr: 5  # unknown key spec.template.spec.containers[0].securityContext.runAsUsr
    extraContainers: [{name: z, image: i, ports: [{containerPort: "80"}]}]  # must be a whole number
    resources: {limits: {memory: 1GiB}}  # Deployment hub: spec.template.spec.containers[0].resources
  proxy:
    chp: {resources: {limits: {memory: 1GiB}}}  # Deployment proxy: spec.template.spec.containers[0].resources
"""


def test_values_that_a_chart_hands_on_are_each_found_at_their_line(repository: Path, write: Write) -> None:
    use_upstream(repository, "staginghub")
    write(OWN, MANY)
    found = {
        int(each.where.split(":")[1]): each.what
        for each in find_problems(repository, render=render()).problems
    }
    expected = {n: line.split("  # ")[1] for n, line in enumerate(MANY.splitlines(), 1) if "  # " in line}
    assert found.keys() == expected.keys()
    assert {n: what for n, what in found.items() if expected[n] not in what} == {}


def test_what_a_packed_chart_says_itself_is_at_the_line_that_names_it(repository: Path, write: Write) -> None:
    use_upstream(repository, "staginghub")
    write(OWN, "jupyterhub: {hub: {args: [5]}}\n")  # it takes them for templates
    found = only(find_problems(repository, render=render()))
    assert (found.rule, found.where) == ("render-failed", "hub-charts/staginghub/Chart.yaml:8:4")
    assert found.what.startswith("helm cannot render staginghub: wrong type for value; expected string")
    assert found.why.endswith("rendered from templates/hub/deployment.yaml of the chart jupyterhub 4.4.0")


# --- several versions of Kubernetes

BY_VERSION = """apiVersion: {{ if semverCompare ">=1.36-0" .Capabilities.KubeVersion.Version }}v1{{ else }}v2{{ end }}
kind: ConfigMap
metadata: {name: mine}
dat: {}
"""


def test_each_version_is_judged_by_itself(repository: Path, write: Write) -> None:
    write("hub-charts/staginghub/templates/x.yaml", BY_VERSION)
    new, old = sorted(find_problems(repository, render=render(34, 36)).problems, key=lambda each: each.rule)
    assert (new.what, new.why) == (
        "ConfigMap mine: unknown key dat",
        "Kubernetes 1.36 does not know it, and leaves it out",
    )
    assert (old.what, old.why) == (
        "ConfigMap mine: there is no v2 ConfigMap",
        "Kubernetes 1.34 would refuse it",
    )


def test_a_cluster_says_what_it_runs_and_the_command_may_say_otherwise(
    repository: Path, write: Write
) -> None:
    """The name of a Service may begin with a digit from 1.36 on."""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: 1st}\nspec: {ports: [{port: 80}]}\n"
    write("hub-charts/staginghub/templates/x.yaml", service)
    settings = (repository / "hubops.yaml").read_text()
    assert "1st" in check(repository, "--render").output
    write("hubops.yaml", settings.replace("    local: true", '    local: true\n    kubernetes: "1.36"'))
    assert check(repository, "--render").stdout == "no problems\n"
    said = check(repository, "--render", "--kubernetes", "1.34", "--kubernetes", "1.35")
    assert said.output.count("error: ") == 1
    assert "Kubernetes 1.34, 1.35 takes nothing else" in said.output
    assert said.exit_code == 20


def test_of_a_version_that_is_not_known_the_nearest_judges(repository: Path, write: Write) -> None:
    settings = (repository / "hubops.yaml").read_text()
    write("hubops.yaml", settings.replace("    local: true", '    local: true\n    kubernetes: "1.99"'))
    note = "note: judged by Kubernetes 1.37: hubops does not know 1.99, which local runs\n"
    assert check(repository, "--render").stdout == f"{note}no problems\n"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--kubernetes", "1.34"], "without --render"),
        (["--render", "--kubernetes", "1.5"], "there is no Kubernetes 1.5 to judge by"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], part: str, repository: Path) -> None:
    error = check(repository, *words).exception
    assert part in str(error)
    assert getattr(error, "exit_code", 0) == 2


# --- what cannot be looked at


def test_custom_resources_are_told_and_not_judged(repository: Path, write: Write) -> None:
    custom = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nwhatever: 1\n"
    write("hub-charts/staginghub/templates/x.yaml", custom)
    findings = find_problems(repository, render=render())
    why = "only the cluster has the schemas of custom resources"
    assert findings == Findings((), (f"not checked: cert-manager.io/v1 Certificate of staginghub; {why}",))


def test_a_chart_that_wants_another_kubernetes(repository: Path) -> None:
    file = repository / "hub-charts/staginghub/Chart.yaml"
    file.write_text(f'kubeVersion: ">=1.36.0"\n{file.read_text()}')
    found = only(find_problems(repository, render=render()))
    assert (found.rule, found.where) == ("render-failed", "hub-charts/staginghub/Chart.yaml")
    assert "requires kubeVersion: >=1.36.0 which is incompatible with Kubernetes v1.34" in found.what
    assert found.why == ""


def test_with_wrong_values_a_hub_is_not_rendered(repository: Path, write: Write) -> None:
    write(OWN, "jupyterhub: {hub: {resourcs: {}}}\n")
    findings = find_problems(repository, render=render())
    assert only(findings).rule == "unknown-chart-key"
    assert findings.notes == ("not rendered: staginghub, until its values are right",)


def test_without_its_chart_neither(repository: Path, write: Write) -> None:
    head = "apiVersion: v2\nname: staginghub\nversion: 0.1.0\ndependencies:\n"
    away = "  - {name: other, version: 1.0.0, repository: https://charts.example.org, condition: other.enabled}\n"
    write("hub-charts/staginghub/Chart.yaml", head + away)
    write(OWN, "other: {enabled: false}\n")
    findings = find_problems(repository, render=render())
    assert {each.rule for each in findings.problems} == {"stale-lock"}
    (note,) = findings.notes
    assert note.startswith("not checked: the chart other 1.0.0 of staginghub is not here;")


def test_what_helm_misses_may_be_among_secrets_that_cannot_be_seen(repository: Path, write: Write) -> None:
    settings = (repository / "hubops.yaml").read_text()
    away = '  campus:\n    kubeconfig-context: campus\n    url: "https://h.example.org"\n'
    write("hubops.yaml", settings.replace("clusters:\n", f"clusters:\n{away}"))
    hub = (repository / "hub-charts/staginghub/hub.yaml").read_text().replace("cluster: local", "")
    write("hub-charts/staginghub/hub.yaml", f"{hub}\ncluster: campus\n")
    write(
        "hub-charts/staginghub/templates/x.yaml", MAP + 'data: {a: {{ required "a is needed" .Values.a }}}\n'
    )
    findings = find_problems(repository, ["staginghub"], render=render())
    assert "missing-secrets" in {each.rule for each in findings.problems}
    assert "render-failed" not in {each.rule for each in findings.problems}
    assert findings.notes == (
        "not rendered: staginghub, whose secrets cannot be seen; helm says: a is needed",
    )


# --- switches, and another form


def test_a_rule_can_be_left_out_with_a_reason(repository: Path, write: Write) -> None:
    write("hub-charts/staginghub/templates/x.yaml", MAP + "---\n" + MAP)
    switch = "check: {ignore: {duplicate-object: They are the same.}}\n"
    write(
        "hub-charts/staginghub/hub.yaml",
        f"{(repository / 'hub-charts/staginghub/hub.yaml').read_text()}\n{switch}",
    )
    findings = find_problems(repository, render=render())
    assert findings.problems == ()
    assert findings.notes[0].startswith("ignored: 1 of duplicate-object (hub-charts/staginghub/hub.yaml:")


def test_only_who_renders_can_tell_that_a_switch_is_idle(repository: Path, write: Write) -> None:
    switch = "check: {ignore: {duplicate-object: They are the same.}}\n"
    write(
        "hub-charts/staginghub/hub.yaml",
        f"{(repository / 'hub-charts/staginghub/hub.yaml').read_text()}\n{switch}",
    )
    assert find_problems(repository) == Findings()
    assert only(find_problems(repository, render=render())).rule == "idle-switch"


def test_a_forge_shows_it_at_the_line(repository: Path, write: Write) -> None:
    write(OWN, WRONG_MEMORY)
    github = check(repository, "--render", "--format", "github").stdout
    assert github.startswith(
        f"::error file={OWN},line=4,col=16,title=hubops check%3A manifest::Deployment hub"
    )
