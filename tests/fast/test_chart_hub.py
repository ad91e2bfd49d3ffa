"""The hub's settings made from values, by the Python files that the chart brings; JupyterHub is not needed."""

import json
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from charts import HUB_FILES, JUPYTERHUB, Values, hub_module, merged, nested

SECRETS = {
    "hub.config.JupyterHub.cookie_secret": "c0",
    "hub.config.CryptKeeper.keys": "k1;k2",
    "hub.services.probe.apiToken": "t",
}


def values_with(changes: Values) -> Values:
    values = yaml.safe_load((JUPYTERHUB / "values.yaml").read_text())
    values |= {"Chart": {"Name": "jupyterhub", "Version": "1.2.3+4"}, "Release": {"Name": "earth"}}
    return merged(values, changes)


def render(changes: Values | None = None) -> dict[str, Values]:
    """The settings from the default values with `changes`, as the hub's pod makes them."""
    settings: dict[str, Values] = hub_module("settings").render_settings(
        values_with(changes or {}), SECRETS.get, "earth-ns"
    )
    return settings


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
    home = "volume-{user_server}"
    claim = {"name": home, "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
    assert spawner["volumes"] == {home: claim, "scratch": extra[0]}
    mount = {"name": home, "mountPath": "/home/jovyan"}
    assert spawner["volume_mounts"] == {home: mount, "0-scratch": mounts[0], "1-scratch": mounts[1]}
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
    assert service["command"][-1] == f"--url=http://localhost:8081{api}"
    assert service["command"][1:3] == [
        "/usr/local/etc/jupyterhub/config/follow.py",
        "/usr/local/etc/jupyterhub/config/cull.json",
    ]


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


# --- storage, files, places


def test_homes_as_directories_on_one_volume() -> None:
    static = {"type": "static", "static": {"pvcName": "homes", "subPath": "homes/{username}"}}
    spawner = render({"singleuser": {"storage": static}})["KubeSpawner"]
    assert spawner["volumes"] == {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}}
    mount = {"name": "home", "mountPath": "/home/jovyan", "subPath": "homes/{username}"}
    assert spawner["volume_mounts"] == {"home": mount}
    assert not {key for key in spawner if key.startswith(("storage_", "pvc_"))}


def test_files_come_from_the_charts_secret() -> None:
    files = {"motd": {"mountPath": "/etc/motd", "mode": 0o444}, "a.json": {"mountPath": "/etc/a.json"}}
    spawner = render({"singleuser": {"extraFiles": files}})["KubeSpawner"]
    items = [{"key": "motd", "path": "motd", "mode": 292}, {"key": "a.json", "path": "a.json"}]
    assert spawner["volumes"]["files"]["secret"] == {"secretName": "singleuser", "items": items}
    mounts = spawner["volume_mounts"]
    assert {key: (mounts[key]["mountPath"], mounts[key]["subPath"]) for key in ("0-files", "1-files")} == {
        "0-files": ("/etc/motd", "motd"),
        "1-files": ("/etc/a.json", "a.json"),
    }


def test_servers_want_nodes_for_users() -> None:
    term = {
        "matchExpressions": [{"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]
    }
    preferred = render()["KubeSpawner"]
    assert preferred["node_affinity_preferred"] == [{"weight": 100, "preference": term}]
    assert "node_affinity_required" not in preferred
    wish = "scheduling.userPods.nodeAffinity.matchNodePurpose"
    assert render(nested(wish, "require"))["KubeSpawner"]["node_affinity_required"] == [term]
    ignored = render(nested(wish, "ignore"))["KubeSpawner"]
    assert not {key for key in ignored if key.startswith("node_affinity")}


def test_own_tolerations_stand_behind_those_of_all_user_pods() -> None:
    own = {"key": "gpu", "operator": "Exists"}
    found = render({"singleuser": {"extraTolerations": [own]}})["KubeSpawner"]["tolerations"]
    assert [each["key"] for each in found] == [
        "hub.jupyter.org/dedicated",
        "hub.jupyter.org_dedicated",
        "gpu",
    ]


def test_priority_class_is_the_one_that_the_chart_names() -> None:
    assert "priority_class_name" not in render()["KubeSpawner"]
    assert render({"Names": {"priorityClass": "p"}})["KubeSpawner"]["priority_class_name"] == "p"


# --- database


def test_postgres_by_url_with_its_password_in_the_environment() -> None:
    url = "postgresql+psycopg2://hub@db.example.org/hub"
    changes = {"hub": {"db": {"type": "postgres", "url": url}}}
    assert render(changes)["JupyterHub"]["db_url"] == url
    environment = hub_module("settings").render_environment
    secret = {"hub.db.password": "p"}.get
    assert environment(values_with(changes), secret) == {"PGPASSWORD": "p"}
    assert environment(values_with(changes), {}.get) == {}
    assert environment(values_with({}), secret) == {}


# --- values and secrets in the pod


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Values], None]:
    """Puts values where the hub's pod has them."""
    (tmp_path / "secret").mkdir()
    monkeypatch.setenv("HUB_SECRET_DIRECTORY", str(tmp_path / "secret"))
    monkeypatch.setenv("POD_NAMESPACE", "earth-ns")

    def put(values: Values) -> None:
        (tmp_path / "secret/values.yaml").write_text(json.dumps(values))

    return put


def test_a_value_is_found_by_its_path(pod: Callable[[Values], None]) -> None:
    pod({"custom": {"limit": 5, "none": None}})
    z2jh = hub_module("z2jh")
    assert z2jh.get_config("custom.limit") == 5
    assert z2jh.get_config("custom.limit.more", "d") == "d"
    assert z2jh.get_config("custom.other") is None
    assert z2jh.get_config("custom.none", "d") is None


def test_a_value_that_the_hub_is_not_given_is_an_error_and_not_a_default(
    pod: Callable[[Values], None],
) -> None:
    pod({"NotGiven": ["proxy", "hub.db.pvc"], "hub": {"db": {"type": "sqlite-pvc"}}})
    z2jh = hub_module("z2jh")
    for key in ("proxy", "proxy.service.type", "hub.db.pvc.storage"):
        with pytest.raises(LookupError, match="put what a snippet needs under custom"):
            z2jh.get_config(key, "d")
    assert z2jh.get_config("hub.db.type") == "sqlite-pvc"
    assert z2jh.get_config("proxyish", "d") == "d"


def test_the_existing_secret_wins(pod: Callable[[Values], None], tmp_path: Path) -> None:
    pod({"custom": {"a": 1, "b": 1}, "hub": {"baseUrl": "/"}})
    (tmp_path / "secret/hub.db.password").write_text("charts")
    (tmp_path / "secret/other").write_text("charts")
    (tmp_path / "existing-secret").mkdir()
    (tmp_path / "existing-secret/hub.db.password").write_text("own")
    (tmp_path / "existing-secret/values.yaml").write_text("custom: {b: 2}\n")
    z2jh = hub_module("z2jh")
    assert z2jh.load_values() == {"custom": {"a": 1, "b": 2}, "hub": {"baseUrl": "/"}}
    assert [z2jh.get_secret_value(key) for key in ("hub.db.password", "other", "none")] == [
        "own",
        "charts",
        None,
    ]


def test_names_are_those_of_the_objects(pod: Callable[[Values], None]) -> None:
    pod({"Names": {"priorityClass": "earth-default-priority"}})
    z2jh = hub_module("z2jh")
    shorts = ("hub", "hub-serviceaccount", "proxy-public", "hub-pvc", "ingress", "priority")
    assert [z2jh.get_name(short) for short in shorts] == [
        "hub",
        "hub",
        "proxy-public",
        "hub-db-dir",
        "jupyterhub",
        "earth-default-priority",
    ]
    place = [z2jh.get_name_env("proxy-public", suffix) for suffix in ("_SERVICE_HOST", "_SERVICE_PORT")]
    assert place == ["proxy-public", "80"]


# --- the configuration file


class Section(dict[str, Any]):
    """As much of a traitlets configuration as jupyterhub_config.py uses."""

    def __missing__(self, key: str) -> "Section":
        self[key] = section = Section()
        return section

    def __getattr__(self, key: str) -> Any:
        return self[key]

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value


def run_configuration() -> Section:
    """What jupyterhub_config.py makes of the values in the pod."""
    config = Section()
    with patch.dict(sys.modules), patch.object(sys, "path", sys.path.copy()), patch.dict(os.environ):
        runpy.run_path(str(HUB_FILES / "jupyterhub_config.py"), {"get_config": lambda: config})
    return config


def test_snippets_run_last_in_the_order_of_their_names(pod: Callable[[Values], None]) -> None:
    values = values_with({"custom": {"limit": 1_000_000}})
    values["hub"]["extraConfig"] = {
        "b": "c.JupyterHub.active_server_limit = limit + 1",
        "a": "limit = get_config('custom.limit')\nassert c.JupyterHub.db_url and get_name('hub') == 'hub'",
    }
    pod(values)
    config = run_configuration()
    assert config["JupyterHub"]["active_server_limit"] == 1_000_001
    assert config["KubeSpawner"]["namespace"] == "earth-ns"


def test_files_of_a_directory_run_before_snippets(pod: Callable[[Values], None], tmp_path: Path) -> None:
    directory = tmp_path / "jupyterhub_config.d"
    directory.mkdir()
    (directory / "b.py").write_text("limit += 1\nc.JupyterHub.active_server_limit = limit")
    (directory / "a.py").write_text("limit = 4")
    pod(values_with({"hub": {"extraConfig": {"a": "c.JupyterHub.active_server_limit += 1"}}}))
    assert run_configuration()["JupyterHub"]["active_server_limit"] == 6


def test_a_failing_snippet_is_named(pod: Callable[[Values], None]) -> None:
    pod(values_with({"hub": {"extraConfig": {"mine": "1 / 0"}}}))
    with pytest.raises(ZeroDivisionError) as caught:
        run_configuration()
    assert caught.traceback[-1].frame.code.raw.co_filename == "hub.extraConfig.mine"


# --- the culler's options

TELL = "import sys, time; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n'); time.sleep({})"


def follow(options: Path, said: Path, stays_s: float) -> "subprocess.Popen[bytes]":
    run = f"import sys; sys.path.insert(0, {str(HUB_FILES)!r}); import follow, signal, pathlib\n"
    run += "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    run += "sys.exit(follow.follow(pathlib.Path(sys.argv[1]), sys.argv[2:], 0.02))"
    program = [sys.executable, "-c", TELL.format(stays_s), str(said)]
    return subprocess.Popen([sys.executable, "-c", run, str(options), *program])


def wait_for_lines(file: Path, count: int) -> list[str]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{file} has not {count} lines")


def test_a_program_starts_anew_with_changed_options_and_ends_with_its_keeper(tmp_path: Path) -> None:
    options, said = tmp_path / "cull.json", tmp_path / "said"
    options.write_text('{"timeout": 3600, "max-age": null, "cull-users": false}')
    keeper = follow(options, said, stays_s=60)
    try:
        assert wait_for_lines(said, 1) == ["--timeout=3600 --cull-users=false"]
        (tmp_path / "new").write_text('{"timeout": 900}')
        (tmp_path / "new").replace(options)
        assert wait_for_lines(said, 2)[1] == "--timeout=900"
        assert keeper.poll() is None
    finally:
        keeper.terminate()
    assert keeper.wait(20) == 0


def test_a_program_that_ends_ends_its_keeper(tmp_path: Path) -> None:
    """JupyterHub starts a service again that ended."""
    (tmp_path / "cull.json").write_text("{}")
    assert follow(tmp_path / "cull.json", tmp_path / "said", stays_s=0).wait(20) == 0


@pytest.mark.parametrize("value", [(True, "--a=true"), (0, "--a=0"), ("x y", "--a=x y"), (None, "")])
def test_options_of_a_command_line(value: tuple[Any, str]) -> None:
    assert "".join(hub_module("follow").switches({"a": value[0]})) == value[1]
