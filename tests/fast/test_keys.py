"""The schemas that editors use say what our reader says, and the documentation says it too."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubops.cli.schema import command, format_markdown
from hubops.desired.keys import SCHEMAS, load_schema
from hubops.desired.repository import load_fleet
from hubops.desired.schema import Rules
from hubops.errors import RepositoryError

PROJECT = Path(__file__).parents[2]
WRONG = st.sampled_from(
    [True, False, 5, 0, 1.5, "", "x", "X", "a.b", "{name}", [], ["x"], [5], [""], [None], {}, {"a": 1}]
)
GKE = {"project": "p", "location": "l", "cluster": "c"}
RIGHT: dict[str, dict[str, list[Any]]] = {
    "hub": {
        "stage": ["staging", "production"],
        "cluster": ["there"],
        "image": ["one"],
        "release": ["r", "r-1"],
        "namespace": ["n" * 63],
        "url": ["https://h/x"],
        "timeout": [1, 900],
        "people-may-leave": [0, 45],
        "disabled": ["moved", ""],
        "check": [{"ignore": {"person-twice": "they are two"}}, {"ignore": None}],
    },
    "people": {
        "admins": [["a"], ["1", "é b"]],
        "allowed": [["a"]],
        "blocked": [["a"]],
        "teams": [["a"]],
        "sops": [{}],
    },
    "image": {
        "arguments": [{"A": "1"}, {"A": ""}],
        "target": ["last"],
        "platforms": [["linux/amd64", "linux/arm/v7"], []],
        "secrets": [["index-token", "A.b_1"], []],
        "contexts": [{"data": "user-images/one"}],
    },
    "hubops": {
        "registry": ["r.example.org"],
        "image-name": ["x/{name}", "{name}-{name}"],
        "clusters": [{"there": {"local": True}}],
        "prune": [{"rollback-days": 30, "grace-hours": 0}, {"grace-hours": None}, {}],
        "check": [{"ignore": {"person-twice": "they are two"}}],
    },
}
PLACES = {"hubops": "hubops.yaml", "image": "user-images/one/image.yaml"}
CLUSTERS = st.fixed_dictionaries(
    {},
    optional={
        "local": st.sampled_from([True]) | WRONG,
        "kubeconfig-context": st.just("x") | WRONG,
        "gke": st.just(GKE)
        | st.fixed_dictionaries({}, optional=dict.fromkeys(GKE, st.just("x") | WRONG))
        | WRONG,
        "url": st.just("https://h") | WRONG,
        "kubernetes": st.sampled_from(["1.34", "1.5", "1.34.1", "v1.34", 1.34]) | WRONG,
        "lokal": st.just(1),
    },
)


def contents(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """What may stand in a file: mostly right, of every type, null, and a key that nobody knows."""
    keys = {key: st.sampled_from(values) | st.none() | WRONG for key, values in RIGHT[name].items()}
    # These name what else there is, which no schema knows: only their types are looked at.
    for key in {"cluster", "image"} & keys.keys():
        keys[key] = (
            st.sampled_from(RIGHT[name][key])
            | st.none()
            | WRONG.filter(lambda value: not isinstance(value, str))
        )
    if "check" in keys:  # rules of their own look into it
        right = st.sampled_from(RIGHT[name]["check"])
        keys["check"] = right | st.none() | WRONG.filter(lambda value: not isinstance(value, dict))
    if name == "hubops":
        keys["clusters"] |= st.dictionaries(st.sampled_from("ab"), CLUSTERS | WRONG | st.none(), max_size=2)
    return st.fixed_dictionaries({}, optional={**keys, "unknown": st.just(1)})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "hubops.yaml").write_text(
        "clusters: {there: {local: true}, local: {kubeconfig-context: x}}\n"
    )
    (tmp_path / "user-images/one").mkdir(parents=True)
    (tmp_path / "user-images/one/Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def refuses(root: Path, name: str, value: Any) -> bool:
    """Whether our reader has something against a file."""
    file = root / PLACES.get(name, f"hub-charts/h/{name}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    if name not in PLACES:
        (file.parent / "Chart.yaml").write_text("apiVersion: v2\nname: h\nversion: 0.1.0\n")
    file.write_text(json.dumps(value))
    where = ""
    try:
        load_fleet(root)
    except RepositoryError as error:
        where = error.where
    assert not where or where.startswith(str(file.relative_to(root)))
    return bool(where)


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_schema_refuses_what_we_refuse(name: str, root: Path, data: st.DataObject) -> None:
    value = data.draw(contents(name))
    faults = [fault.what for fault in Rules(load_schema(name)).find_faults(value)]
    assert bool(faults) == refuses(root, name, value), (value, faults)


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_published_is_a_schema_with_words_for_people(name: str) -> None:
    schema = json.loads(CliRunner().invoke(command, [name]).output)
    assert jsonschema_rs.meta.is_valid(schema)
    found = [schema]
    while found:
        rules = found.pop()
        found += rules.get("properties", {}).values()
        assert rules["description"].endswith(".")


def test_every_key_of_a_file_is_in_these_tests() -> None:
    for name in set(SCHEMAS) - {"hub"}:
        assert load_schema(name)["properties"].keys() == RIGHT[name].keys()
    assert load_schema("hub")["properties"].keys() == {*RIGHT["hub"], "proved-by"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_page_has_the_keys_as_they_are(name: str) -> None:
    """When it has not: hubops schema NAME --format markdown prints what belongs there."""
    page = (PROJECT / "docs/files.md").read_text()
    part = re.search(rf"<!-- hubops schema {name} -->\n\n(.*?)\n\n<!-- end -->", page, re.DOTALL)
    assert part
    assert part[1] == format_markdown(load_schema(name))
