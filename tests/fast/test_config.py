"""hubops config: each value that a hub's charts get, where it was set, and who else says something about it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fast.conftest import Write
from hubops.cli.config import command
from hubops.desired.chart_lock import helm_digest
from hubops.desired.explain import explain, list_values
from hubops.desired.layers import Layer
from hubops.desired.problems import find_problems
from hubops.desired.yaml import parse_yaml
from hubops.errors import UsageError

PROJECT = Path(__file__).parents[2]
CHART = """\
apiVersion: v2
name: h
version: 0.1.0
dependencies:
  - name: jupyterhub
    version: 0.1.0
    repository: file://../../charts/jupyterhub
"""
OWN = "hub-charts/h/values.yaml"
ENOUGH = """\
jupyterhub:
  hub:
    image: {hubops-image: hub}
    config: {JupyterHub: {authenticator_class: shared-password}}
  proxy:
    chp: {image: {hubops-image: proxy}}
  singleuser:
    image: {name: quay.io/stock, tag: "1"}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that has a Chart.yaml with its lock and a values.yaml, and nothing else."""
    shutil.copytree(PROJECT / "charts/jupyterhub", tmp_path / "charts/jupyterhub")
    for name in ("hub", "proxy"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").write_text("FROM scratch\n")
    wanted = parse_yaml(CHART, "f").value["dependencies"]
    lock = {"dependencies": wanted, "digest": helm_digest(wanted, wanted)}
    texts = {
        "hubops.yaml": "registry: r.example.org\nclusters: {local: {local: true}, campus: {kubeconfig-context: c}}\n",
        "hub-charts/h/Chart.yaml": CHART,
        "hub-charts/h/Chart.lock": json.dumps(lock),
        OWN: ENOUGH,
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUBOPS_LOCAL", "there-is-none")
    return tmp_path


def config(*arguments: str, hub: str = "h") -> Any:
    done = CliRunner().invoke(command, [hub, *arguments, "--format", "json"], catch_exceptions=False)
    return json.loads(done.stdout)


def values(hub: str = "h") -> dict[str, tuple[Any, str]]:
    return {each["key"]: (each["value"], each["where"]) for each in config(hub=hub)}


def said(key: str) -> list[tuple[str, str]]:
    """Who says something about a key, and what became of it."""
    return [(each["where"], each["effect"]) for each in config("--explain", key)["settings"]]


def test_a_chart_and_values_are_enough_for_a_hub(repository: Path) -> None:
    assert find_problems(repository).problems == ()
    found = values()
    assert found["jupyterhub.hub.baseUrl"] == ("/h/", "hubops, for the hub's path")
    assert found["jupyterhub.singleuser.image.name"] == ("quay.io/stock", f"{OWN}:8:13")
    assert found["jupyterhub.hub.image.name"] == ("r.example.org/hub", "hubops, for an image that it builds")
    assert found["jupyterhub.cull.timeout"] == (3600, "default of the chart jupyterhub 0.1.0")
    assert not any("hubops-image" in key for key in found)


def test_secrets_are_stand_ins_and_people_are_counted(write: Write) -> None:
    write("hub-charts/h/people.yaml", "admins: [grace]\nallowed: [hedy, kay]\n")
    write(
        "values/organisation.yaml",
        "jupyterhub: {hub: {config: {X: {client_secret: s3, users: [u], allowed_users: [kay]}}}}\n",
    )
    found = values()
    authenticator = "jupyterhub.hub.config.Authenticator"
    assert found[f"{authenticator}.admin_users"] == ("(1 person)", "hubops, for people.yaml")
    assert found[f"{authenticator}.allowed_users"] == ("(3 people)", "hubops, for people.yaml")
    assert found["jupyterhub.hub.config.X.allowed_users"][0] == "(1 person)"
    assert found["jupyterhub.hub.config.X.users"][0] == "(1 person)"
    assert found["jupyterhub.hub.config.X.client_secret"] == ("(secret)", "values/organisation.yaml:1:33")
    assert found["jupyterhub.hub.cookieSecret"] == ("(secret)", "hubops, generated on this machine")
    assert found["jupyterhub.hub.services.hubops.apiToken"] == ("(secret)", "hubops, to prove the hub")
    for name in ("grace", "hedy", "kay", "s3"):
        assert name not in json.dumps(found)
        assert name not in json.dumps(config("--explain", "hub.config"))


def test_encrypted_secrets_have_the_place_of_their_keys(write: Write) -> None:
    write("hub-charts/h/hub.yaml", "cluster: campus\n")
    write(
        "secrets/h.yaml",
        "jupyterhub:\n  hub:\n    cookieSecret: ENC[AES256_GCM,data:x,type:str]\nsops: {mac: x}\n",
    )
    found = values()
    assert found["jupyterhub.hub.cookieSecret"] == ("(secret)", "secrets/h.yaml:3:5")
    assert not any(key.startswith("sops") for key in found)


KEY = "jupyterhub.singleuser.memory.limit"
DEFAULT = "default of the chart jupyterhub 0.1.0"
ORGANISATION, STAGE, LOCAL = "values/organisation.yaml", "values/stages/production.yaml", "values/local.yaml"
LAYERS: dict[str, tuple[dict[str, str], Any, list[tuple[str, str]]]] = {
    "the default alone": ({}, None, [(DEFAULT, "null takes it away, but there is nothing below")]),
    "the topmost of several": (
        {ORGANISATION: "{memory: {limit: 1G}}", LOCAL: "{memory: {limit: 3G}}"},
        "3G",
        [
            (DEFAULT, "hidden"),
            (ORGANISATION, "hidden by values/local.yaml:1:36"),
            (LOCAL, "decides, the topmost"),
        ],
    ),
    "null takes away": (
        {ORGANISATION: "{memory: {limit: 1G}}", STAGE: "{memory: {limit: null}}"},
        None,
        [(DEFAULT, "hidden"), (ORGANISATION, "hidden"), (STAGE, "null takes it away")],
    ),
    "null above it": (
        {ORGANISATION: "{memory: {limit: 1G}}", STAGE: "{memory: null}"},
        None,
        [
            (DEFAULT, "hidden"),
            (ORGANISATION, "hidden"),
            (STAGE, "null at jupyterhub.singleuser.memory takes it away"),
        ],
    ),
    "a value in place of a map": (
        {ORGANISATION: "{memory: {limit: 1G}}", LOCAL: "{memory: 2G}"},
        None,
        [
            (DEFAULT, "hidden"),
            (ORGANISATION, "hidden"),
            (LOCAL, "jupyterhub.singleuser.memory is a value here"),
        ],
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_every_layer_is_told_lowest_first(case: str, write: Write) -> None:
    files, value, expected = LAYERS[case]
    for name, text in files.items():
        write(name, f"jupyterhub: {{singleuser: {text}}}\n")
    found = config("--explain", KEY)
    assert (found["key"], found["value"]) == (KEY, value)
    assert found["is_set"] == (value is not None)
    settings = said(KEY)
    assert len(settings) == len(expected)
    for (where, effect), (source, what) in zip(settings, expected, strict=True):
        assert where.startswith(source)
        assert effect.startswith(what)


def test_a_map_above_a_null_has_the_defaults_below_it_again(write: Write) -> None:
    write(ORGANISATION, "jupyterhub: {cull: null}\n")
    write(LOCAL, "jupyterhub: {cull: {every: 5}}\n")
    hidden = "hidden by values/local.yaml:1:14"
    assert [effect for _, effect in said("cull")] == ["adds its keys", hidden, "adds its keys"]
    assert config("--explain", "cull")["value"]["concurrency"] == 10
    assert config("--explain", "cull.concurrency")["value"] == 10
    no_effect = "has no effect: keys and values above it bring the default back"
    assert [effect for _, effect in said("cull.concurrency")] == ["decides, the only one", no_effect]


def test_shared_layers_keep_their_places_under_an_alias(write: Write) -> None:
    write("hub-charts/h/Chart.yaml", f"{CHART}    alias: hubs\n")
    write(OWN, ENOUGH.replace("jupyterhub:", "hubs:"))
    write(ORGANISATION, "jupyterhub:\n  cull:\n    every: 7\n")
    assert values()["hubs.cull.every"] == (7, f"{ORGANISATION}:3:5")
    assert config("--explain", "cull.every")["key"] == "hubs.cull.every"


def test_what_is_global_comes_from_the_chart_above(write: Write) -> None:
    write(ORGANISATION, "global:\n  place: here\n")
    assert values()["jupyterhub.global.place"] == ("here", f"{ORGANISATION}:2:3")
    assert said("global.place") == [(f"{ORGANISATION}:2:3", "decides, the only one")]
    assert said("jupyterhub.global.place") == [(f"{ORGANISATION}:2:3", "decides, the only one")]


@pytest.mark.usefixtures("repository")
def test_a_key_that_nobody_sets_is_answered_with_the_nearest() -> None:
    for key in ("singleuser.memry.limit", "jupyterhub.singleuser.memory.limt"):
        with pytest.raises(
            UsageError, match=r"nothing sets .*\n.*Did you mean jupyterhub\.singleuser\.memory\.limit\?"
        ):
            config("--explain", key)


def test_without_the_chart_there_are_no_defaults(write: Write) -> None:
    write(
        "hub-charts/h/Chart.yaml",
        CHART.replace("file://../../charts/jupyterhub", "https://charts.example.org"),
    )
    done = CliRunner().invoke(command, ["h"])
    assert "helm dependency build hub-charts/h" in done.stderr
    assert "default of" not in done.stdout


TREES = st.recursive(
    st.none() | st.integers(0, 3) | st.just([1]),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "global"]), inner, max_size=3),
    max_leaves=6,
)
MAPS = st.dictionaries(st.sampled_from(["a", "b", "c"]), TREES, max_size=3)
TOPS = st.fixed_dictionaries({}, optional={"x": MAPS, "global": MAPS, "a": TREES})


NULLS = [{"x": {"a": {"a": None}}}, {"x": {"a": None}}, {"x": {"a": {}}}]


@settings(max_examples=150, deadline=None)
@example({"a": {"a": {"a": None}}}, NULLS)
@given(MAPS, st.lists(TOPS, min_size=1, max_size=3))
def test_what_is_told_of_a_key_is_what_comes_of_it(
    defaults: dict[str, Any], files: list[dict[str, Any]]
) -> None:
    stack = [Layer("default", {"x": defaults}, is_default=True)]
    stack += [Layer(f"file {number}", each) for number, each in enumerate(files)]
    for value in list_values(stack):
        found = explain(stack, value.key, "x")
        assert (found.is_set, found.value) == (True, value.value)
        told = [each for each in found.settings if each.effect.startswith(("decides", "adds", "null"))]
        assert value.where in [each.where for each in told]
        if value.value != {}:
            assert [each.value for each in told] == [value.value]


@pytest.mark.parametrize("hub", ["earthhub", "staginghub"])
def test_every_place_leads_to_a_line_with_the_key(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    places = [(key, where) for key, (_, where) in values(hub).items() if re.search(r":\d+:\d+$", where)]
    assert len(places) > 5
    for key, where in places:
        name, line, column = where.rsplit(":", 2)
        text = (PROJECT / name).read_text().splitlines()[int(line) - 1]
        assert text[int(column) - 1 :].startswith(key.rsplit(".", 1)[-1])


def test_as_people_read_it(write: Write) -> None:
    write(ORGANISATION, "jupyterhub:\n  cull:\n    every: 7\n")
    command_line = [sys.executable, "-m", "hubops.cli.main", "config", "h"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    done = subprocess.run(
        [*command_line, "--explain", "cull.every"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "jupyterhub.cull.every: 7",
        f"  {DEFAULT}",
        "    600",
        f"    hidden by {ORGANISATION}:3:5",
        f"  {ORGANISATION}:3:5",
        "    7",
        "    decides, the topmost",
    ]
    done = subprocess.run(command_line, env=environment, capture_output=True, text=True, check=True)
    assert f"jupyterhub.cull.every: 7  # {ORGANISATION}:3:5" in done.stdout.splitlines()
