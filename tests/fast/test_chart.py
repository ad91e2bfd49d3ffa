"""The embedded charts' schemas and values, and that the one is made of the other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

import chart_values
from charts import EDGE, JUPYTERHUB, ROOT, Values, leaves, load_schema, merged, nested, required_values
from hubops.desired.charts import _chart, _in_directory

CHARTS = [JUPYTERHUB, EDGE]

# Maps whose keys are the operator's own: names, labels, traits, or parts of Kubernetes' objects.
OPEN = {
    "hub.config.*", "hub.config.CryptKeeper", "hub.config.JupyterHub", "hub.db.pvc.annotations",
    "hub.db.pvc.selector", "hub.annotations", "hub.extraConfig", "hub.extraEnv", "hub.extraFiles", "hub.labels",
    "hub.loadRoles", "hub.loadRoles.*", "hub.nodeSelector", "hub.resources", "hub.services", "hub.services.*",
    "hub.templateVars", "hub.extraFiles.*.data", "proxy.service.annotations", "proxy.chp.nodeSelector",
    "proxy.chp.resources", "ingress.annotations", "singleuser.extraAnnotations", "singleuser.extraEnv",
    "singleuser.extraFiles", "singleuser.extraFiles.*.data", "singleuser.extraLabels", "singleuser.nodeSelector",
    "singleuser.lifecycleHooks.postStart", "singleuser.lifecycleHooks.preStop",
    "singleuser.storage.extraVolumeMounts", "singleuser.storage.extraVolumes", "custom", "global",
    "scheduling.userPlaceholder.resources", "prePuller.extraImages", "prePuller.resources",
    "service.annotations", "nodeSelector", "resources",
}  # fmt: skip
UNKNOWN = {"$ref": "#/$defs/unknown"}


def nodes(node: Values, definitions: Values, path: str = "") -> Iterator[tuple[str, Values]]:
    """Every key's schema by dotted path; `*` stands for a key of the operator's own, `[]` for an item."""
    node = {**definitions.get(node.get("$ref", "").removeprefix("#/$defs/"), {}), **node}
    yield path, node
    children = {**node.get("properties", {})}
    for child in node.get("patternProperties", {}).values():
        children["*"] = child
    if isinstance(node.get("additionalProperties"), dict) and "object" in types(node["additionalProperties"]):
        children["*"] = {"description": "by name", **node["additionalProperties"]}
    if "properties" in node.get("items", {}):
        children["[]"] = node["items"]
    for name, child in children.items():
        yield from nodes(child, definitions, f"{path}.{name}".removeprefix("."))


def types(node: Values) -> list[str]:
    found = node.get("type", [])
    return found if isinstance(found, list) else [found]


@pytest.fixture(params=CHARTS, ids=lambda chart: str(chart.name))
def chart(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_schema_is_closed_but_for_the_operators_own_maps(chart: Path) -> None:
    schema = load_schema(chart)
    open_maps = {
        path
        for path, node in nodes(schema, schema["$defs"])
        if "object" in types(node)
        and node.get("additionalProperties") not in (False, UNKNOWN)
        # A single entry of a map of texts or of Kubernetes' objects is theirs as well.
        and not (path.endswith(".*") and "properties" not in node and path.removesuffix(".*") in OPEN)
    }
    assert open_maps <= OPEN


def test_schema_describes_every_key(chart: Path) -> None:
    schema = load_schema(chart)
    bare = [path for path, node in nodes(schema, schema["$defs"]) if not node.get("description")]
    assert bare == []


def test_values_and_schema_have_the_same_keys(chart: Path) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text())
    compare_keys(values, load_schema(chart), "")


def compare_keys(values: Values, schema: Values, path: str) -> None:
    if path in OPEN or "properties" not in schema:
        return
    if not values and path == "singleuser.lifecycleHooks":  # both its keys are absent by default
        return
    if path != "hub.config":
        assert set(values) == set(schema["properties"]), path
    for name, value in values.items():
        if isinstance(value, dict):
            compare_keys(value, schema["properties"][name], f"{path}.{name}".removeprefix("."))


def test_chart_and_image_have_the_same_jupyterhub() -> None:
    chart = yaml.safe_load((JUPYTERHUB / "Chart.yaml").read_text())
    locked = (ROOT / "images/hub/requirements.txt").read_text()
    assert re.findall(r"^jupyterhub==(\S+)", locked, re.MULTILINE) == [chart["appVersion"]]


# --- the embedded chart's schema is the one source


def test_values_and_page_are_as_the_schema_has_them() -> None:
    """When they are not: run toolchain/chart_values.py."""
    schema = load_schema()
    assert (JUPYTERHUB / "values.yaml").read_text() == chart_values.format_values(schema)
    page = chart_values.PAGE.read_text()
    assert page == chart_values.format_page(page, schema)


def test_the_page_has_every_section() -> None:
    page = chart_values.PAGE.read_text()
    missing = [path for path, _ in leaves(load_schema()) if f"| `{path}` |" not in page]
    assert missing == []


def test_every_key_has_a_default_and_an_example() -> None:
    bare = [path for path, node in leaves(load_schema()) if "default" not in node or not node.get("examples")]
    assert bare == []


# Numbers that count things which their words name, or are names themselves.
COUNTS = {
    "hub.concurrentSpawnLimit", "hub.consecutiveFailureLimit", "hub.activeServerLimit", "hub.namedServerLimitPerUser",
    "proxy.service.nodePorts.http", "singleuser.uid", "singleuser.fsGid", "cull.concurrency",
    "scheduling.podPriority.defaultPriority", "scheduling.podPriority.imagePullerPriority",
    "scheduling.podPriority.userPlaceholderPriority", "scheduling.userPlaceholder.replicas",
}  # fmt: skip


def test_every_amount_has_its_unit() -> None:
    numbers = {path: node for path, node in leaves(load_schema()) if {"integer", "number"} & {*types(node)}}
    assert {path for path, node in numbers.items() if "unit" not in node} == COUNTS
    silent = [
        path
        for path, node in numbers.items()
        if node.get("unit", "").lower() not in node["description"].lower()
    ]
    assert silent == []


def test_defaults_and_examples_are_valid() -> None:
    validator = jsonschema_rs.validator_for(load_schema())
    defaults = yaml.safe_load((JUPYTERHUB / "values.yaml").read_text())
    validator.validate(merged(defaults, required_values()))
    for path, node in leaves(load_schema()):
        for example in node["examples"]:
            assert validator.is_valid(merged(defaults, nested(path, example))), path


def test_a_key_that_is_not_there_is_refused_with_what_to_do() -> None:
    """By any validator; hubops says more, and where (tests/fast/test_check.py)."""
    validator = jsonschema_rs.validator_for(load_schema())
    defaults = yaml.safe_load((JUPYTERHUB / "values.yaml").read_text())
    for path in ("nameOverride", "hub.extraVolumes", "singleuser.extraPodConfig", "hub.config.jupyterHub"):
        [error] = validator.iter_errors(merged(defaults, nested(path, {"a": 1})))
        assert list(error.instance_path) == path.split(".")
        assert "version: 4.4.0 and repository: https://hub.jupyter.org/helm-chart/" in str(error)


def test_hubops_reads_it_as_a_schema_that_takes_nothing_else() -> None:
    chart = _chart(JUPYTERHUB, _in_directory(JUPYTERHUB))
    assert chart.rules
    values = merged(merged(chart.values, required_values()), {"hub": {"extraVolumes": []}})
    [fault] = chart.rules.find_faults(values)
    assert (fault.rule, fault.path) == ("unknown", ("hub", "extraVolumes"))


def test_schema_is_json_that_people_can_read() -> None:
    text = (JUPYTERHUB / "values.schema.json").read_text()
    assert jsonschema_rs.meta.is_valid(json.loads(text))
    assert text.endswith("}\n")
