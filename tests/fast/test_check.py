"""hubops check: each rule finds its fault, says it in the operator's words, and names the place."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fast.conftest import Write
from hubops.cli.check import command
from hubops.desired.chart_lock import helm_digest
from hubops.desired.deployable import require_valid
from hubops.desired.model import Findings, Problem
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.desired.yaml import parse_yaml
from hubops.errors import RepositoryError, UsageError
from hubops.run.fleet import deploy_in_turn
from hubops.run.hub import Terms, wanted_bundle

PROJECT = Path(__file__).parents[2]
UPSTREAM = os.environ.get("HUBOPS_UPSTREAM_CHART", str(PROJECT.parent / "shared/charts/jupyterhub-4.4.0.tgz"))
OWN = "hub-charts/staginghub/values.yaml"
CHART = "hub-charts/staginghub/Chart.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The example fleet, without what a check does not read."""
    for name in ("hub-charts", "values", "charts/jupyterhub"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("templates", "files"))
    shutil.copy(PROJECT / "hubops.yaml", tmp_path)
    for name in ("user-images/earth", "images/hub", "images/proxy"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def only(findings: Findings) -> Problem:
    assert len(findings.problems) == 1, findings.problems
    return findings.problems[0]


def dependency(version: str, repository: str, more: str = "") -> str:
    head = "apiVersion: v2\nname: staginghub\nversion: 0.1.0\n"
    return f"{head}dependencies:\n  - name: jupyterhub\n    version: {version}\n    repository: {repository}\n{more}"


def lock(repository: Path, hub: str = "staginghub") -> None:
    """Chart.lock as helm makes it, for dependencies of one version."""
    file = repository / "hub-charts" / hub / "Chart.yaml"
    wanted = parse_yaml(file.read_bytes(), "f").value["dependencies"]
    locked = [{key: each[key] for key in ("name", "repository", "version")} for each in wanted]
    text = json.dumps({"dependencies": locked, "digest": helm_digest(wanted, locked)})
    (file.parent / "Chart.lock").write_text(text)


# --- nothing is found where nothing is wrong


def test_the_example_fleet_has_no_problems() -> None:
    assert find_problems(PROJECT) == Findings()


def test_a_copy_of_it_has_none(repository: Path) -> None:
    assert find_problems(repository) == Findings()


# --- the chart's schema

MEMRY = """jupyterhub:
  singleuser:
    defaultUrl: /lab
    memry:
      limit: 2G
"""


def test_an_unknown_key_is_named_with_its_place_and_the_nearest(repository: Path, write: Write) -> None:
    write(OWN, MEMRY)
    found = only(find_problems(repository))
    assert found.what == "unknown key singleuser.memry"
    assert found.where == f"{OWN}:4:5"
    assert found.why == "the chart jupyterhub 0.1.0 does not know it"
    assert found.hint.startswith(
        "Did you mean memory? For a key that only the upstream chart has, use that chart"
    )
    assert f"{CHART}:6:5 version: 4.4.0\n{CHART}:7:5 repository: https://hub.jupyter.org/" in found.hint
    assert found.hubs == ("staginghub",)


REPLACED = {
    "auth: {type: github}": ("auth", "Write hub.config, by the authenticator's class: the upstream chart took auth before 0.11.0 only."),
    "rbac: {enabled: false}": ("rbac.enabled", "Write rbac.create and serviceAccount.create of hub"),
    "hub: {fsGid: 100}": ("hub.fsGid", "Write hub.podSecurityContext.fsGroup: "),
    "singleuser: {cloudMetadata: {enabled: true}}": ("singleuser.cloudMetadata.enabled", "with the opposite value: "),
}  # fmt: skip


@pytest.mark.parametrize("text", REPLACED)
def test_a_key_that_upstream_gave_up_too_is_told_with_its_replacement(
    text: str, repository: Path, write: Write
) -> None:
    """The upstream chart would refuse it just the same."""
    write(OWN, f"jupyterhub:\n  {text}\n")
    found, (name, hint) = only(find_problems(repository)), REPLACED[text]
    assert found.what == f"unknown key {name}"
    assert hint in found.hint
    assert "use that chart" not in found.hint


@pytest.mark.parametrize("text", ["httpRoute: {gateway: {}}", "hub: {pdb: {enabled: true}}"])
def test_what_upstream_still_takes_leads_there(text: str, repository: Path, write: Write) -> None:
    write(OWN, f"jupyterhub:\n  {text}\n")
    assert "use that chart" in only(find_problems(repository)).hint


@pytest.mark.parametrize("name", ["values.yaml", "hub.db.password", "hub.config.CryptKeeper.keys", "a b"])
def test_a_file_of_the_hub_is_no_key_that_its_secret_has(name: str, repository: Path, write: Write) -> None:
    files = {name: {"mountPath": "/a", "stringData": "x"}}
    write(OWN, json.dumps({"jupyterhub": {"hub": {"extraFiles": files}}}))
    found = only(find_problems(repository))
    assert found.what == f"hub.extraFiles.{name} cannot be a key"
    assert "neither values.yaml nor hub. and more: Secret hub has these itself" in found.why
    files = {each: {"mountPath": "/a", "stringData": "x"} for each in ("values.yml", "hub", "my-values.yaml")}
    write(OWN, json.dumps({"jupyterhub": {"hub": {"extraFiles": files}}}))
    assert find_problems(repository).problems == ()


WRONG = {
    "cpu: 2": ("singleuser.cpu must be keys and values", "not 2", "Processors of a server."),
    "startTimeout: 1.5": ("singleuser.startTimeout must be a whole number or null", "not 1.5", "Seconds"),
    'startTimeout: "300"': ("singleuser.startTimeout", '"300"', "Take the quotes away."),
    "extraEnv: {A: 1}": ("singleuser.extraEnv.A must be a text or keys and values", "not 1", "Quote it."),
    "startTimeout: 0": ("singleuser.startTimeout must be at least 1", "not 0", "Seconds a server may take"),
    "storage: {type: hostPath}": ("singleuser.storage.type must be", '"dynamic", "static" or "none", not "hostPath"', "upstream"),
    "storage: {homeMountPath: home}": ("singleuser.storage.homeMountPath must match ^/", '"home"', "Where"),
    "storage: {homeMountPath: null}": ("singleuser.storage.homeMountPath is missing", "requires it", "take away the null"),
    "profileList: [{slug: a}, b]": ("singleuser.profileList[1] must be keys and values", '"b"', ""),
    "image: {pullPolicy: Sometimes}": ("singleuser.image.pullPolicy must be", '"Sometimes"', "null"),
    "lifecycleHooks: {preStart: {}}": ("unknown key singleuser.lifecycleHooks.preStart", "", "postStart"),
    "cmd: 5": ("singleuser.cmd must be a text, a list or null", "not 5", ""),
    "baseUrl: /x": ("unknown key singleuser.baseUrl", "", "The chart knows it as hub.baseUrl."),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_the_schema_refuses_is_said_in_words(text: str, repository: Path, write: Write) -> None:
    write(OWN, f"# first\njupyterhub:\n  singleuser:\n    {text}\n")
    found = only(find_problems(repository))
    for part in WRONG[text]:
        assert part in str(found)
    assert found.where.startswith(f"{OWN}:4:")


def test_the_topmost_layer_that_sets_a_key_is_named(repository: Path, write: Write) -> None:
    write("values/stages/staging.yaml", "jupyterhub:\n  cull: {timeout: never}\n")
    found = only(find_problems(repository))
    assert found.where == "values/stages/staging.yaml:2:10"
    assert found.hubs == ("staginghub",)
    write(OWN, "jupyterhub:\n  cull:\n    timeout: later\n")
    assert only(find_problems(repository)).where == f"{OWN}:3:5"
    write("values/local.yaml", "jupyterhub:\n  cull:\n\n    timeout: local\n")
    assert only(find_problems(repository)).where == "values/local.yaml:4:5"


def test_what_several_hubs_share_is_said_once(repository: Path, write: Write) -> None:
    write("values/local.yaml", "jupyterhub: {cul: {}}\n")
    found = only(find_problems(repository))
    assert (found.where, found.hubs) == ("values/local.yaml:1:14", ("earthhub", "staginghub"))


def test_a_layer_above_can_mend_one_below(repository: Path, write: Write) -> None:
    write("values/organisation.yaml", "jupyterhub: {cull: {timeout: never}}\n")
    images = "hub: {image: {hubops-image: hub}}, proxy: {chp: {image: {hubops-image: proxy}}}"
    write("values/local.yaml", f"jupyterhub: {{cull: {{timeout: 60}}, {images}}}\n")
    assert find_problems(repository) == Findings()


def test_a_chart_under_another_name_gets_the_shared_layers(repository: Path, write: Write) -> None:
    write(CHART, dependency("0.1.0", "file://../../charts/jupyterhub", "    alias: hubs\n"))
    lock(repository)
    write(OWN, "hubs:\n  debug: {enabld: true}\n")
    write("values/stages/staging.yaml", "jupyterhub:\n  debug: {enabled: maybe}\n")
    places = {each.what.split(" must")[0]: each.where for each in find_problems(repository).problems}
    assert places == {
        "unknown key debug.enabld": f"{OWN}:2:11",
        "debug.enabled": "values/stages/staging.yaml:2:11",
    }


def test_a_disabled_dependency_is_not_looked_at(repository: Path, write: Write) -> None:
    write(CHART, dependency("0.1.0", "file://../../charts/jupyterhub", "    condition: jupyterhub.enabled\n"))
    lock(repository)
    write(OWN, MEMRY)
    assert only(find_problems(repository)).what == "unknown key singleuser.memry"
    write(OWN, MEMRY + "  enabled: false\n")
    assert find_problems(repository) == Findings()


def test_keys_that_reach_no_chart_are_named(repository: Path, write: Write) -> None:
    write(OWN, "global: {}\nsingleuser: {}\njupyterhubb: {}\n")
    beside, slip = find_problems(repository).problems
    assert (beside.what, beside.where, beside.hint) == (
        "unknown key singleuser",
        f"{OWN}:2:1",
        "Put it below jupyterhub.",
    )
    assert (slip.where, slip.hint) == (f"{OWN}:3:1", "Did you mean jupyterhub?")
    write("hub-charts/staginghub/templates/x.yaml", "")
    assert find_problems(repository) == Findings()


def test_a_chart_of_ones_own_has_its_own_schema(repository: Path, write: Write) -> None:
    write("hub-charts/staginghub/values.schema.json", '{"properties": {"mine": {"type": "string"}}}')
    write(OWN, "mine: 5\n")
    found = only(find_problems(repository))
    assert (found.what, found.where) == ("mine must be a text, not 5", f"{OWN}:1:1")
    write("hub-charts/staginghub/values.schema.json", "{")
    assert only(find_problems(repository)).where == "hub-charts/staginghub/values.schema.json"


# --- where charts are


def test_a_chart_that_is_not_here_is_a_note(repository: Path, write: Write) -> None:
    write(CHART, dependency('"4.4.0"', "https://hub.jupyter.org/helm-chart/"))
    lock(repository)
    write(OWN, MEMRY)
    findings = find_problems(repository)
    assert findings.problems == ()
    (note,) = findings.notes
    assert note.startswith("not checked: the chart jupyterhub 4.4.0 of staginghub is not here;")
    assert note.endswith("run helm dependency build hub-charts/staginghub")


@pytest.fixture(params=["packed", "unpacked"])
def upstream(request: pytest.FixtureRequest, repository: Path, write: Write) -> Path:
    """The upstream chart, as `helm dependency build` or an operator puts it into the hub's charts/."""
    archive = Path(UPSTREAM)
    if not archive.exists():
        pytest.skip(f"the upstream chart is not at {archive}; HUBOPS_UPSTREAM_CHART may name it")
    charts = repository / "hub-charts/staginghub/charts"
    charts.mkdir()
    if request.param == "packed":
        shutil.copy(archive, charts)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(charts)  # noqa: S202 - the upstream chart
    write(CHART, dependency('"4.4.0"', "https://hub.jupyter.org/helm-chart/"))
    lock(repository)
    return repository


def test_the_upstream_chart_takes_the_example_fleet(upstream: Path) -> None:
    assert find_problems(upstream) == Findings()


def test_the_upstream_chart_knows_its_keys(upstream: Path, write: Write) -> None:
    write(OWN, "jupyterhub:\n  singleuser: {memry: {}}\n  proxy:\n    https: {type: acme}\n")
    unknown, wrong = sorted(find_problems(upstream).problems, key=lambda each: each.where)
    assert (unknown.where, unknown.why) == (f"{OWN}:2:16", "the chart jupyterhub 4.4.0 does not know it")
    assert unknown.hint == "Did you mean memory?"
    assert wrong.what == (
        'proxy.https.type must be null, "", "letsencrypt", "manual", "offload" or "secret", not "acme"'
    )
    assert wrong.where == f"{OWN}:4:13"


def test_of_alternatives_each_is_named(upstream: Path, write: Write) -> None:
    write(OWN, "jupyterhub:\n  hub:\n    extraFiles: {a: {mountPath: /a}}\n")
    found = only(find_problems(upstream))
    assert found.what == "hub.extraFiles.a needs one of data, stringData, binaryData"
    assert found.where == f"{OWN}:3:18"


def test_an_unpacked_chart_of_another_version_is_not_it(repository: Path, write: Write) -> None:
    shutil.copytree(repository / "charts/jupyterhub", repository / "hub-charts/staginghub/charts/jupyterhub")
    write(CHART, dependency("0.2.0", "https://charts.example.org"))
    lock(repository)
    assert "jupyterhub 0.2.0 of staginghub is not here" in find_problems(repository).notes[0]


def test_a_damaged_chart_is_named(repository: Path, write: Write) -> None:
    write(CHART, dependency("0.2.0", "https://charts.example.org"))
    lock(repository)
    write("hub-charts/staginghub/charts/jupyterhub-0.2.0.tgz", "half")
    found = only(find_problems(repository))
    assert found.what == "jupyterhub-0.2.0.tgz is no packed chart"
    assert found.where == "hub-charts/staginghub/charts/jupyterhub-0.2.0.tgz"


def test_a_path_that_leads_to_no_chart_is_named(repository: Path, write: Write) -> None:
    write(CHART, dependency("0.1.0", "file://../../charts/jupiter"))
    lock(repository)
    found = only(find_problems(repository))
    assert (found.what, found.where) == ("there is no chart at file://../../charts/jupiter", f"{CHART}:7:5")


def test_a_version_that_the_chart_there_has_not_is_named(repository: Path, write: Write) -> None:
    write(CHART, dependency("0.2.0", "file://../../charts/jupyterhub"))
    lock(repository)
    found = only(find_problems(repository))
    assert found.what == "Chart.yaml of staginghub asks for jupyterhub 0.2.0, but the chart there is 0.1.0"
    assert found.where == f"{CHART}:6:5"


def test_dependencies_that_helm_could_not_read_are_named(repository: Path, write: Write) -> None:
    write(CHART, dependency("4.4", "file://../../charts/jupyterhub"))
    found = only(find_problems(repository))
    assert (found.what, found.where) == ("this is no dependency of a chart", f"{CHART}:5:5")
    assert "quoted" in found.hint


# --- Chart.lock


def test_a_missing_lock_is_named(repository: Path) -> None:
    (repository / "hub-charts/staginghub/Chart.lock").unlink()
    found = only(find_problems(repository))
    assert (found.what, found.where) == ("staginghub has no Chart.lock", f"{CHART}:4:1")
    assert "helm dependency update hub-charts/staginghub" in found.hint


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (("version: 0.1.0\n    rep", 'version: "0.1.1"\n    rep'), "of version 0.1.1, its Chart.lock has 0.1.0", "6:5"),
        (("file://../../charts/jupyterhub", "file://../../charts/x/../jupyterhub"), "of repository file", "7:5"),
        (("name: jupyterhub", "name: hub"), "Chart.lock of staginghub lacks hub", "5:5"),
        (("version: 0.1.0\n    rep", 'version: "^0.1.0"\n    rep'), "was made for another Chart.yaml", "lock:5:1"),
    ],
)  # fmt: skip
def test_a_lock_of_another_chart_yaml_is_named(
    change: tuple[str, str], what: str, where: str, repository: Path, write: Write
) -> None:
    old, new = change
    write(CHART, (repository / CHART).read_text().replace(old, new))
    (repository / "charts/x").mkdir()
    found = find_problems(repository).problems[0]
    assert what in found.what
    assert found.where.endswith(where)
    assert (
        found.hint == "Run: helm dependency update hub-charts/staginghub; commit Chart.lock with Chart.yaml."
    )


def test_the_digest_is_helms() -> None:
    """Made by helm 3.19.5 from these dependencies."""
    wanted: list[dict[str, Any]] = [
        {
            "name": "sub",
            "alias": "s2",
            "version": ">= 1.0 < 2",
            "repository": "file://../sub",
            "condition": "s2.enabled",
            "tags": ["a", "é"],
            "import-values": ["x", {"child": "d", "parent": "e"}],
        },
        {"name": "sub", "version": "1.2.0", "repository": "file://../sub"},
    ]
    locked: list[dict[str, Any]] = [{"name": "sub", "repository": "file://../sub", "version": "1.2.0"}] * 2
    assert helm_digest(wanted, locked).endswith(
        "d13498b0340157a7b40fd8d0d0e78bade8cf78153e249addbd0e8fe4b14d3542"
    )


# --- images


def test_an_image_that_nothing_builds_is_named(repository: Path) -> None:
    (repository / "images/proxy/Dockerfile").unlink()
    found = only(find_problems(repository))
    assert (found.what, found.where) == ("nothing builds the image proxy", "values/organisation.yaml:13:9")
    assert found.why == "user-images/proxy/Dockerfile is missing"
    assert found.hubs == ("earthhub", "staginghub")


def test_a_missing_dockerfile_of_the_user_image_is_named(repository: Path) -> None:
    (repository / "user-images/earth/Dockerfile").unlink()
    places = [each.where for each in find_problems(repository).problems]
    assert places == ["hub-charts/earthhub/hub.yaml:3:1", "hub-charts/staginghub/hub.yaml:3:1"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("singleuser:\n    image: {tag: x}\n", ":3:5"),
        ("hub:\n    image: {hubops-image: hub, tag: x}\n", ":3:13"),
    ],
)
def test_an_image_set_by_hand_as_well_has_its_place(
    text: str, where: str, repository: Path, write: Write
) -> None:
    write(OWN, f"jupyterhub:\n  {text}")
    found = only(find_problems(repository))
    assert "by hand" in found.what
    assert found.where == OWN + where


# --- files: all of them, in one run


def test_everything_that_is_wrong_in_the_files_of_all_hubs_is_told(repository: Path, write: Write) -> None:
    write("hubops.yaml", "registri: x\nclusters: {local: {local: true}, far: {}}\n")
    write(OWN, "a: [\n")
    write("hub-charts/staginghub/people.yaml", "admins: [yes, 5, fine]\nguests: []\n")
    write("hub-charts/earthhub/hub.yaml", "stage: prod\ncluster: locl\nproved-by: stagninghub\n")
    (repository / "hub-charts/new").mkdir()
    found = {(each.what, each.where) for each in find_problems(repository).problems}
    assert found == {
        ("unknown key registri", "hubops.yaml:1:1"),
        ("the cluster far needs exactly one of local: true, kubeconfig-context, gke", "hubops.yaml:2:34"),
        ("this is not YAML", f"{OWN}:2:1"),
        ("unknown key guests", "hub-charts/staginghub/people.yaml:2:1"),
        ("True is not a person's name", "hub-charts/staginghub/people.yaml:1:10"),
        ("5 is not a person's name", "hub-charts/staginghub/people.yaml:1:15"),
        ("there is no stage prod", "hub-charts/earthhub/hub.yaml:1:1"),
        ("there is no cluster locl", "hub-charts/earthhub/hub.yaml:2:1"),
        ("there is no hub stagninghub", "hub-charts/earthhub/hub.yaml:3:1"),
        ("the hub new has no Chart.yaml", "hub-charts/new"),
    }
    with pytest.raises(RepositoryError, match="unknown key registri"):
        load_fleet(repository)


def test_a_shared_file_that_is_not_yaml_is_told_once_and_hides_no_other_fault(
    repository: Path, write: Write
) -> None:
    write("values/organisation.yaml", "a: [\n")
    (repository / "hub-charts/staginghub/Chart.lock").unlink()
    broken, unlocked = find_problems(repository).problems
    assert (broken.where, broken.hubs) == ("values/organisation.yaml:2:1", ())
    assert unlocked.what == "staginghub has no Chart.lock"


@pytest.mark.parametrize("name", ["hubops.yaml", "hub-charts/staginghub/Chart.lock", OWN, CHART])
def test_what_follows_from_a_file_that_is_not_yaml_is_not_told(
    name: str, repository: Path, write: Write
) -> None:
    write(name, "a: [\n")
    assert only(find_problems(repository)).where == f"{name}:2:1"


def test_of_one_hub_only_its_own_and_shared_problems_are_told(repository: Path, write: Write) -> None:
    write(OWN, MEMRY)
    (repository / "hub-charts/earthhub/Chart.lock").unlink()
    assert only(find_problems(repository, ["staginghub"])).where == f"{OWN}:4:5"
    with pytest.raises(UsageError, match="Did you mean earthhub"):
        find_problems(repository, ["earthub"])


# --- for those who deploy, and for people


def test_a_deploy_is_refused_by_the_first_problem(repository: Path, write: Write) -> None:
    fleet = load_fleet(repository)
    require_valid(fleet, fleet.require_hub("staginghub"))
    write(OWN, MEMRY + "  cull: 5\n  debug: 5\n")
    fleet = load_fleet(repository)
    with pytest.raises(RepositoryError, match="There are 2 more: hubops check staginghub"):
        require_valid(fleet, fleet.require_hub("staginghub"))
    require_valid(fleet, fleet.require_hub("earthhub"))


async def deploys(repository: Path, name: str) -> bool:
    """Whether a deploy of the hub gets past its files; the session that comes then is none."""
    session: Any = None
    fleet = load_fleet(repository)
    with pytest.raises((RepositoryError, AttributeError)) as caught:
        await wanted_bundle(fleet, fleet.require_hub(name), session)
    return caught.type is AttributeError


def copied_hub(repository: Path, settings: str) -> None:
    shutil.copytree(repository / "hub-charts/earthhub", repository / "hub-charts/autumn")
    chart = repository / "hub-charts/autumn/Chart.yaml"
    chart.write_text(chart.read_text().replace("name: earthhub", "name: autumn"))
    (repository / "hub-charts/autumn/hub.yaml").write_text(f"image: earth\n{settings}")


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ("release: earthhub\nnamespace: earthhub\n", "one-namespace"),
        ("url: http://LOCALHOST:80/earthhub\n", "one-address"),
    ],
)
async def test_a_deploy_touches_no_release_or_address_of_another_hub(
    settings: str, rule: str, repository: Path, write: Write
) -> None:
    """Neither hub is right by itself: whoever is told first need not be the one that was copied."""
    write(
        "hub-charts/earthhub/hub.yaml", "image: earth\nurl: http://localhost/earthhub/\nnamespace: earthhub\n"
    )
    assert await deploys(repository, "earthhub")
    copied_hub(repository, settings)
    assert not await deploys(repository, "autumn")
    assert not await deploys(repository, "earthhub")
    assert await deploys(repository, "staginghub")
    assert [(each.rule, {*each.hubs}) for each in find_problems(repository).problems] == [
        (rule, {"autumn", "earthhub"})
    ]
    for hub in ("autumn", "earthhub"):
        with (repository / f"hub-charts/{hub}/hub.yaml").open("a") as file:
            file.write(f"check: {{ignore: {{{rule}: One of the two is asleep.}}}}\n")
        assert await deploys(repository, hub)
    assert find_problems(repository).problems == ()


async def test_a_disabled_copy_stops_no_other_hub(repository: Path) -> None:
    copied_hub(repository, "namespace: earthhub\ndisabled: Until winter\n")
    session: Any = None
    fleet = load_fleet(repository)
    with pytest.raises(RepositoryError, match="both in the namespace earthhub"):
        await deploy_in_turn(fleet, fleet.require_hub("autumn"), session, Terms(), session)


async def test_a_deploy_is_refused_by_what_names_its_hub_in_other_files(
    repository: Path, write: Write
) -> None:
    write("hub-charts/earthhub/values-old.yaml", "")
    assert not await deploys(repository, "earthhub")
    assert await deploys(repository, "staginghub")
    write("values/old.yaml", "")
    assert await deploys(repository, "staginghub")


def check(repository: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.chdir(repository)
    result = CliRunner().invoke(command, arguments)
    return result.exit_code, result.stdout


def test_people_read_text_and_programs_json(
    repository: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(repository, monkeypatch) == (0, "no problems\n")
    write(OWN, MEMRY)
    code, text = check(repository, monkeypatch)
    assert code == 20
    assert f"error: unknown key singleuser.memry\n  where: {OWN}:4:5\n  why: the chart" in text
    assert "\n  next: Did you mean memory?" in text
    assert text.endswith("\n1 problem\n")
    code, text = check(repository, monkeypatch, "--format", "json")
    assert code == 20
    told = json.loads(text)
    assert [each["what"] for each in told["problems"]] == ["unknown key singleuser.memry"]
    assert told["problems"][0]["hubs"] == ["staginghub"]
    assert told["notes"] == []


def test_the_schema_library_is_loaded_only_by_a_check() -> None:
    loaded = "import sys, hubops.cli.main, hubops.cli.check; print('jsonschema_rs' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True, env=env) == "False\n"
