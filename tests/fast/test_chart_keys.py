"""Every key of the embedded chart does something, nothing is read that is no key, and what comes out is Kubernetes'."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from charts import (
    HUB_FILES,
    JUPYTERHUB,
    Objects,
    Values,
    given_values,
    hub_module,
    leaves,
    load_schema,
    merged,
    nested,
    render,
    render_many,
    required_values,
    secret_of,
    settings_of,
    template,
)
from hubops.desired.manifests.api import known_minors, load_api
from hubops.desired.manifests.judge import find_wrong
from hubops.desired.manifests.model import Manifest
from hubops.desired.manifests.reading import read_manifests

KEYS = dict(leaves(load_schema()))
PROFILE = {"display_name": "R", "kubespawner_override": {"image": "r/r:4"}}
# What must be so for the keys that begin so to mean anything.
CONTEXTS: dict[str, Values] = {
    "ingress.": nested("ingress.enabled", value=True),
    "ingress.enabled": {},
    "singleuser.storage.static.": nested("singleuser.storage", {"type": "static", "static": {"pvcName": "h"}}),
    "hub.db.url": nested("hub.db", {"type": "postgres", "url": "postgresql://other.example.org/hub"}),
    "hub.db.upgrade": nested("hub.db", {"type": "postgres", "url": "postgresql://db.example.org/hub"}),
    "scheduling.podPriority.": nested("scheduling.podPriority.enabled", value=True)
    | nested("prePuller.continuous.enabled", value=True),
    "scheduling.podPriority.enabled": {},
    "scheduling.userPlaceholder.": nested("scheduling.userPlaceholder", {"replicas": 2, "image": {"name": "r/pause"}}),
    "scheduling.userPlaceholder.image.name": nested("scheduling.userPlaceholder", {"replicas": 2}),
    "prePuller.": nested("prePuller", {"continuous": {"enabled": True}, "pause": {"image": {"name": "r/pause"}}})
    | nested("singleuser.profileList", [PROFILE]),
    "prePuller.continuous.enabled": {},
}  # fmt: skip
# helm reads it, or no value but the default is taken.
NOT_READ = {"enabled"} | {path for path, node in KEYS.items() if node.get("enum") == [False]}
# Shared by all charts of a release: it cannot be set for one of many.
SHARED = {"global"}


def context(path: str) -> Values:
    """The values below which a key is looked at: of the longest beginning that fits."""
    fitting = [beginning for beginning in CONTEXTS if path.startswith(beginning)]
    return merged(required_values(), CONTEXTS[max(fitting, key=len)] if fitting else {})


def essence(objects: Objects) -> Values:
    """All that a release is: its objects, without sums of them, and the hub's settings in place of its values."""
    found: Values = {}
    for (kind, name), item in objects.items():
        own = item
        if (kind, name) == ("Secret", "hub"):
            own = {**item, "data": {**item["data"], "values.yaml": ""}}
        if (kind, name) == ("Deployment", "hub"):
            pod = item["spec"]["template"]
            annotations = {k: v for k, v in pod["metadata"]["annotations"].items() if "checksum/" not in k}
            metadata = {**pod["metadata"], "annotations": annotations}
            own = {**item, "spec": {**item["spec"], "template": {**pod, "metadata": metadata}}}
        found[f"{kind} {name}"] = own
    given = given_values(objects)
    snippets = {key: given.get("hub", {}).get(key) for key in ("extraConfig",)}
    return {**found, "settings": settings_of(objects), "snippets": snippets, "custom": given.get("custom")}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Values, Values]]:
    """By key, what the chart makes without it, and with its example."""
    paths = [path for path in KEYS if path not in SHARED]
    without = {f"without{n:03}": context(path) for n, path in enumerate(paths)}
    example = {
        f"with{n:03}": merged(context(path), nested(path, KEYS[path]["examples"][0]))
        for n, path in enumerate(paths)
    }
    # Few contexts are different.
    same = {name: next(k for k, v in without.items() if v == values) for name, values in without.items()}
    base = render_many(
        JUPYTERHUB, {name: without[name] for name in {*same.values()}}, tmp_path_factory.mktemp("without")
    )
    made = render_many(JUPYTERHUB, example, tmp_path_factory.mktemp("with"))
    before = {name: essence(objects) for name, objects in base.items()}
    return {
        path: (before[same[f"without{n:03}"]], essence(made[f"with{n:03}"])) for n, path in enumerate(paths)
    }


def test_every_key_changes_something(found: dict[str, tuple[Values, Values]]) -> None:
    idle = {path for path, (without, example) in found.items() if without == example}
    assert idle == NOT_READ


def test_what_is_shared_reaches_the_hub() -> None:
    objects = render(JUPYTERHUB, required_values() | {"global": {"a": 1}})
    assert given_values(objects)["global"] == {"a": 1}


# --- and the reverse

READ = re.compile(r"\.Values\.([A-Za-z0-9.]*[A-Za-z0-9])|\$user\.([A-Za-z.]*[A-Za-z])")


def is_known(path: str) -> bool:
    """Whether a path is a key, above keys, or below a key whose own keys are the operator's."""
    return any(
        key == path or key.startswith(f"{path}.") or path.startswith(f"{key}.") for key in KEYS
    ) or path.startswith("hub.config")


def test_templates_read_keys_and_nothing_else() -> None:
    read = {
        found[1] or f"singleuser.{found[2]}"
        for file in (JUPYTERHUB / "templates").rglob("*")
        if file.is_file()
        for found in READ.finditer(file.read_text())
    }
    assert len(read) > 60
    assert [path for path in sorted(read) if not is_known(path)] == []


class Seen(dict[str, Any]):
    """Values that note each path at which they are read."""

    def __init__(self, values: Mapping[str, Any], seen: set[str], path: str = "") -> None:
        super().__init__(values)
        self.seen, self.path = seen, path

    def _note(self, key: str, value: Any) -> Any:
        path = f"{self.path}.{key}".removeprefix(".")
        self.seen.add(path)
        return Seen(value, self.seen, path) if isinstance(value, dict) else value

    def get(self, key: str, default: Any = None) -> Any:
        return self._note(key, super().get(key, default))

    def __getitem__(self, key: str) -> Any:
        return self._note(key, super().__getitem__(key))


def test_the_hub_reads_keys_and_nothing_else() -> None:
    objects = render(JUPYTERHUB, required_values())
    seen: set[str] = set()
    for kind in ("dynamic", "static", "none"):
        values = merged(given_values(objects), nested("singleuser.storage.type", kind))
        read_settings(Seen(values, seen), objects)
    own = {path for path in seen if path.split(".")[0] not in {"Chart", "Release", "Names"}}
    assert len(own) > 50
    assert [path for path in sorted(own) if not is_known(path)] == []


def read_settings(values: Seen, objects: Objects) -> None:
    hub_module("settings").render_settings(values, secret_of(objects).get, "earth-ns")


def test_what_is_left_out_of_the_hubs_values_is_not_read_by_the_hub() -> None:
    """It would find nothing, and take a default."""
    objects = render(JUPYTERHUB, required_values())
    hidden = given_values(objects)["NotGiven"]
    assert all(is_known(path) for path in hidden)
    seen: set[str] = set()
    read_settings(Seen(given_values(objects), seen), objects)
    assert {path for path in seen for each in hidden if f"{path}.".startswith(f"{each}.")} == set()


def test_every_python_file_is_mounted() -> None:
    data = render(JUPYTERHUB, required_values())["ConfigMap", "hub"]["data"]
    assert {file.name for file in HUB_FILES.glob("*.py")} == {*data} - {"cull.json"}


# --- a hub that is there is upgraded in place


def test_what_a_deployed_hub_has_stays_as_it_is() -> None:
    """Kubernetes refuses another selector or another claim; by another name a hub would be empty."""
    objects = render(JUPYTERHUB, merged(required_values(), nested("singleuser.extraFiles", FILES)))
    selectors = {
        name: item["spec"]["selector"]["matchLabels"]
        for (kind, name), item in objects.items()
        if kind == "Deployment"
    }
    assert selectors == {
        name: {"app": "jupyterhub", "component": name, "release": "earth"} for name in ("hub", "proxy")
    }
    claim = objects["PersistentVolumeClaim", "hub-db-dir"]["spec"]
    assert claim == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert {name for kind, name in objects if kind == "Secret"} == {"hub", "singleuser"}
    assert {name for kind, name in objects if kind == "Service"} == {"hub", "proxy-api", "proxy-public"}
    assert {*secret_of(objects)} == {
        "values.yaml",
        "hub.config.ConfigurableHTTPProxy.auth_token",
        "hub.config.JupyterHub.cookie_secret",
        "hub.config.CryptKeeper.keys",
    }
    spawner = settings_of(objects)["KubeSpawner"]
    assert {"pvc_name_template", "pod_name_template", "slug_scheme"}.isdisjoint(spawner)
    assert settings_of(objects)["JupyterHub"]["db_url"] == "sqlite:///jupyterhub.sqlite"


FILES = {"motd": {"mountPath": "/etc/motd", "stringData": "Welcome"}}


# --- Kubernetes takes it


def everything() -> Iterator[tuple[str, Values]]:
    """Values that make every object, and every kind of storage and database."""
    switches = {
        path for path, node in KEYS.items() if path.rpartition(".")[2] in {"enabled", "type", "create"}
    }
    values = required_values()
    for path in KEYS.keys() - switches:
        values = merged(values, nested(path, KEYS[path]["examples"][0]))
    on = ("ingress.enabled", "scheduling.podPriority.enabled", "prePuller.continuous.enabled")
    for path in on:
        values = merged(values, nested(path, value=True))
    yield "dynamic homes", values
    static = {"singleuser": {"storage": {"type": "static"}}, "hub": {"db": {"type": "postgres"}}}
    yield "static homes and PostgreSQL", merged(values, static)


CASES = dict(everything()) | {"what every hub sets": required_values()}
MINORS = sorted(known_minors())[-3:]


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("values", CASES.values(), ids=CASES.keys())
def test_manifests_are_valid(values: Values, minor: int) -> None:
    rendered = list(read_manifests(template(JUPYTERHUB, values, minor=minor)))
    manifests = [each for each in rendered if isinstance(each, Manifest)]
    assert len(manifests) == len(rendered)
    assert list(find_wrong(manifests, load_api(minor), "earth-ns")) == []


def test_a_manifest_that_is_not_valid_would_be_found() -> None:
    wrong = merged(required_values(), nested("hub.resources", {"limits": {"memory": "1GiB"}}))
    manifests = [each for each in read_manifests(template(JUPYTERHUB, wrong)) if isinstance(each, Manifest)]
    [found_wrong] = find_wrong(manifests, load_api(MINORS[-1]), "earth-ns")
    assert found_wrong.path[-1] == "memory"


def without(values: Values, path: str) -> Values:
    """The values as helm has them where somebody wrote null."""
    name, _, below = path.partition(".")
    left = {key: value for key, value in values.items() if key != name}
    return {**left, name: without(values.get(name) or {}, below)} if below else left


@pytest.mark.long
def test_a_null_is_refused_or_leaves_what_works(tmp_path: Path) -> None:
    """Null takes a default away: then the schema must say that it is missing, or the rest must do without."""
    defaults = yaml.safe_load((JUPYTERHUB / "values.yaml").read_text())
    validator = jsonschema_rs.validator_for(load_schema())
    accepted = [
        path
        for path in KEYS
        if path not in SHARED and validator.is_valid(without(merged(defaults, context(path)), path))
    ]
    assert len(accepted) > 100
    cases = {f"case{n:03}": merged(context(path), nested(path, None)) for n, path in enumerate(accepted)}
    needed = {f"case{n:03}" for n, path in enumerate(accepted) if path in REQUIRED}
    cases = {name: values for name, values in cases.items() if name not in needed}
    for objects in render_many(JUPYTERHUB, cases, tmp_path).values():
        manifests = [Manifest("", item) for item in objects.values()]
        assert list(find_wrong(manifests, load_api(MINORS[-1]), "earth-ns")) == []
        settings_of(objects)


# A template asks for these with words of its own.
REQUIRED = {
    "hub.cookieSecret", "hub.config.CryptKeeper.keys", "proxy.secretToken", "singleuser.storage.static.pvcName",
    "hub.db.url",
}  # fmt: skip


@pytest.mark.parametrize("values", CASES.values(), ids=CASES.keys())
def test_two_renders_are_the_same_bytes(values: Values) -> None:
    assert template(JUPYTERHUB, values) == template(JUPYTERHUB, values)


def test_cluster_wide_names_are_safe_for_many_hubs() -> None:
    values = merged(required_values(), nested("scheduling.podPriority.enabled", value=True))

    def names(release: str, namespace: str) -> set[str]:
        objects = render(JUPYTERHUB, values, release=release, namespace=namespace)
        hub = objects["Deployment", "hub"]["spec"]["template"]["spec"]
        found = {name for kind, name in objects if kind == "PriorityClass"}
        assert hub["priorityClassName"] in found
        assert settings_of(objects)["KubeSpawner"]["priority_class_name"] == hub["priorityClassName"]
        return found

    assert names("earth", "earth") == {"earth-default-priority", "earth-user-placeholder-priority"}
    assert names("hub", "a").isdisjoint(names("hub", "b"))
    assert names("hub", "earth").isdisjoint(names("earth-hub", "earth-hub"))
