"""The embedded charts as files: schema, values, and the hub's settings made from values."""

import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHARTS = [ROOT / "charts/jupyterhub", ROOT / "charts/edge"]
JUPYTERHUB = CHARTS[0]
HUB_FILES = JUPYTERHUB / "files/hub"

# Maps whose keys are the operator's own: names, labels, traits, or parts of Kubernetes' objects.
OPEN = {
    "hub.config.*", "hub.config.CryptKeeper", "hub.config.JupyterHub", "hub.db.pvc.annotations",
    "hub.db.pvc.selector", "hub.annotations", "hub.extraConfig", "hub.extraEnv", "hub.labels", "hub.loadRoles",
    "hub.loadRoles.*", "hub.nodeSelector", "hub.resources", "hub.services", "hub.services.*", "hub.templateVars",
    "proxy.service.annotations", "proxy.chp.nodeSelector", "proxy.chp.resources", "ingress.annotations",
    "singleuser.extraAnnotations", "singleuser.extraEnv", "singleuser.extraLabels", "singleuser.nodeSelector",
    "singleuser.lifecycleHooks.postStart", "singleuser.lifecycleHooks.preStop",
    "singleuser.storage.extraVolumeMounts", "singleuser.storage.extraVolumes", "custom", "global",
    "service.annotations", "nodeSelector", "resources",
}  # fmt: skip

Values = dict[str, Any]


def load_schema(chart: Path) -> Values:
    schema: Values = json.loads((chart / "values.schema.json").read_text())
    return schema


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
        and node.get("additionalProperties") is not False
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


SECRETS = {
    "hub.config.JupyterHub.cookie_secret": "c0",
    "hub.config.CryptKeeper.keys": "k1;k2",
    "hub.services.probe.apiToken": "t",
}


def render(changes: Values | None = None) -> dict[str, Values]:
    """The settings from the default values with `changes`, as the hub's pod makes them."""
    values = yaml.safe_load((JUPYTERHUB / "values.yaml").read_text())
    values |= {"Chart": {"Name": "jupyterhub", "Version": "1.2.3+4"}, "Release": {"Name": "earth"}}
    merge(values, changes or {})
    render_settings: Callable[..., dict[str, Values]] = runpy.run_path(str(HUB_FILES / "settings.py"))[
        "render_settings"
    ]
    return render_settings(values, SECRETS.get, "earth-ns")


def merge(values: Values, changes: Values) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = value


def test_user_servers_are_restricted_and_keep_their_homes() -> None:
    spawner = render()["KubeSpawner"]
    assert spawner["pod_security_context"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spawner["container_security_context"] == {"capabilities": {"drop": ["ALL"]}}
    assert spawner["allow_privilege_escalation"] is False
    assert spawner["automount_service_account_token"] is False
    assert spawner["extra_pod_config"] == {"enableServiceLinks": False}
    assert (spawner["uid"], spawner["fs_gid"]) == (1000, 100)
    assert spawner["delete_pvc"] is False
    # Left to KubeSpawner, as upstream leaves them: claim-{user_server}, jupyter-{user_server}, slugs "safe".
    assert {"pvc_name_template", "pod_name_template", "slug_scheme"}.isdisjoint(spawner)


def test_home_is_mounted_from_the_persons_claim() -> None:
    extra = [{"name": "scratch", "emptyDir": {}}]
    mounts = [{"name": "scratch", "mountPath": "/b"}, {"name": "scratch", "mountPath": "/a"}]
    spawner = render({"singleuser": {"storage": {"extraVolumes": extra, "extraVolumeMounts": mounts}}})[
        "KubeSpawner"
    ]
    claim = {"name": "volume-{user_server}", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
    assert [spawner["volumes"][key] for key in sorted(spawner["volumes"])] == [claim, *extra]
    assert [spawner["volume_mounts"][key] for key in sorted(spawner["volume_mounts"])] == [
        {"name": "volume-{user_server}", "mountPath": "/home/jovyan"},
        *mounts,
    ]
    assert spawner["storage_pvc_ensure"] is True
    assert spawner["storage_capacity"] == "10Gi"


def test_without_storage_there_is_no_claim() -> None:
    spawner = render({"singleuser": {"storage": {"type": "none"}}})["KubeSpawner"]
    assert (spawner["volumes"], spawner["volume_mounts"]) == ({}, {})
    assert "storage_pvc_ensure" not in spawner


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"name": "r/earth", "tag": "v1"}, "r/earth:v1"),
        ({"name": "r/earth", "tag": "v1@sha256:00"}, "r/earth:v1@sha256:00"),
        ({"name": "r/earth", "tag": ""}, "r/earth"),
    ],
)
def test_image(image: Values, expected: str) -> None:
    assert render({"singleuser": {"image": image}})["KubeSpawner"]["image"] == expected


def test_labels_are_those_by_which_upstream_finds_user_servers() -> None:
    assert render()["KubeSpawner"]["common_labels"] == {
        "app": "jupyterhub",
        "release": "earth",
        "chart": "jupyterhub-1.2.3_4",
        "app.kubernetes.io/name": "jupyterhub",
        "app.kubernetes.io/instance": "earth",
        "helm.sh/chart": "jupyterhub-1.2.3_4",
        "app.kubernetes.io/managed-by": "kubespawner",
    }


def test_null_leaves_the_default_and_false_does_not() -> None:
    hub = render({"hub": {"activeServerLimit": None, "redirectToServer": False}})["JupyterHub"]
    assert "active_server_limit" not in hub
    assert hub["redirect_to_server"] is False


@pytest.mark.parametrize(
    ("base_url", "api"), [("/", "/hub/api"), ("/earth/", "/earth/hub/api"), ("/earth", "/earth/hub/api")]
)
def test_culler_asks_below_the_base_url(base_url: str, api: str) -> None:
    hub = render({"hub": {"baseUrl": base_url}})["JupyterHub"]
    [service] = hub["services"]
    assert f"--url=http://localhost:8081{api}" in service["command"]
    assert "--timeout=3600" in service["command"]
    assert "--cull-admin-users=true" in service["command"]


def test_culler_may_delete_people_only_when_told_to() -> None:
    assert "admin:users" not in render()["JupyterHub"]["load_roles"][0]["scopes"]
    assert "admin:users" in render({"cull": {"users": True}})["JupyterHub"]["load_roles"][0]["scopes"]


def test_services_and_roles_come_by_name_with_the_token_from_the_secret() -> None:
    hub = render(
        {
            "cull": {"enabled": False},
            "hub": {
                "services": {"probe": {"apiToken": "t"}, "local": {"command": ["true"]}},
                "loadRoles": {"probe": {"services": ["probe"], "scopes": ["list:users"]}},
            },
        }
    )["JupyterHub"]
    assert hub["services"] == [{"name": "probe", "api_token": "t"}, {"name": "local", "command": ["true"]}]
    assert hub["load_roles"] == [{"name": "probe", "services": ["probe"], "scopes": ["list:users"]}]


def test_configured_traits_win_but_secrets_come_from_the_secret() -> None:
    settings = render(
        {
            "hub": {
                "config": {
                    "JupyterHub": {"concurrent_spawn_limit": 3, "cookie_secret": "other"},
                    "SharedPasswordAuthenticator": {"user_password": "p"},
                    "ConfigurableHTTPProxy": {"auth_token": "x"},
                    "CryptKeeper": {"keys": ["other"], "n_threads": 1},
                }
            }
        }
    )
    assert settings["JupyterHub"]["concurrent_spawn_limit"] == 3
    assert settings["JupyterHub"]["cookie_secret"] == "c0"
    assert settings["SharedPasswordAuthenticator"] == {"user_password": "p"}
    assert "auth_token" not in settings["ConfigurableHTTPProxy"]
    assert settings["CryptKeeper"] == {"keys": ["k1", "k2"], "n_threads": 1}


def test_hub_and_proxy_find_each_other_by_name() -> None:
    settings = render()
    assert settings["JupyterHub"]["hub_connect_url"] == "http://hub:8081"
    assert settings["ConfigurableHTTPProxy"] == {"api_url": "http://proxy-api:8001", "should_start": False}
    assert settings["JupyterHub"]["db_url"] == "sqlite:///jupyterhub.sqlite"


class Section(dict[str, Any]):
    """As much of a traitlets configuration as jupyterhub_config.py uses."""

    def __missing__(self, key: str) -> "Section":
        self[key] = section = Section()
        return section

    def __getattr__(self, key: str) -> Any:
        return self[key]

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value


def test_snippets_run_last_in_the_order_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = yaml.safe_load((JUPYTERHUB / "values.yaml").read_text())
    values |= {"Chart": {"Name": "jupyterhub", "Version": "1"}, "Release": {"Name": "earth"}}
    values["custom"] = {"limit": 1_000_000}
    values["hub"]["extraConfig"] = {
        "b": "c.JupyterHub.active_server_limit = limit + 1",
        "a": "limit = get_config('custom.limit')\nassert c.JupyterHub.db_url",
    }
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    monkeypatch.setenv("HUB_SECRET_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("POD_NAMESPACE", "earth-ns")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    config = Section()
    with patch.dict(sys.modules):  # the modules beside the file must not outlive the test
        runpy.run_path(str(HUB_FILES / "jupyterhub_config.py"), {"get_config": lambda: config})
    assert config["JupyterHub"]["active_server_limit"] == 1_000_001
    assert config["KubeSpawner"]["namespace"] == "earth-ns"
