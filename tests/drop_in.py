"""The embedded chart beside the upstream one: what of a hub differs, field by field."""

import json
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from unittest.mock import patch

from charts import Objects, Values, hub_module, secret_of

_CULLER = "jupyterhub-idle-culler"
_HOME = "/usr/local/etc/jupyterhub"
# What names an item of a list, by which two lists are compared.
_NAMES = ("mountPath", "name", "key", "path", "host", "port")
# The objects of a hub itself. Policies are compared by what they allow, and the rest is not of a hub's life.
_KINDS = {
    "Deployment", "Ingress", "PersistentVolumeClaim", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"
}  # fmt: skip
# Services that the hub's pod finds by variables of Kubernetes, which ours does without.
_VARIABLES = {"HUB_SERVICE_PORT": "8081", "PROXY_API_SERVICE_PORT": "8001", "POD_NAMESPACE": "earth-ns"}


class Section(dict[str, Any]):
    """As much of a traitlets configuration as both charts use: sections by capital names, else a list to add to."""

    def __missing__(self, key: str) -> Any:
        self[key] = found = Section() if key[0].isupper() else []
        return found

    def __getattr__(self, key: str) -> Any:
        return self[key]

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value


def run_configuration(objects: Objects) -> dict[str, Values]:
    """JupyterHub's settings that either chart makes of what it rendered: its own Python, run here.

    JupyterHub, Kubernetes' client and tornado are stood in for.
    """
    config = Section()
    with TemporaryDirectory() as home, ExitStack() as stack:
        for directory, files in (
            ("config", objects["ConfigMap", "hub"]["data"]),
            ("secret", secret_of(objects)),
        ):
            (Path(home) / directory).mkdir()
            for name, text in files.items():
                (Path(home) / directory / name).write_text(text.replace(_HOME, home))
        stack.enter_context(patch.dict(os.environ, _VARIABLES | {"HUB_SECRET_DIRECTORY": f"{home}/secret"}))
        stack.enter_context(patch.dict(sys.modules, _stand_ins()))
        stack.enter_context(patch.object(sys, "path", sys.path.copy()))
        stack.enter_context(redirect_stdout(StringIO()))
        runpy.run_path(f"{home}/config/jupyterhub_config.py", {"get_config": lambda: config})
        found: dict[str, Values] = json.loads(json.dumps(config).replace(home, _HOME))
    return found


def _stand_ins() -> dict[str, ModuleType]:
    utils, client, http = ModuleType("jupyterhub.utils"), ModuleType("client"), ModuleType("httpclient")
    vars(utils)["url_path_join"] = lambda *parts: "/" + "/".join(p.strip("/") for p in parts if p.strip("/"))
    vars(http)["AsyncHTTPClient"] = type("AsyncHTTPClient", (), {"configure": lambda *_: None})
    kubernetes = ModuleType("kubernetes_asyncio")
    vars(kubernetes)["client"] = client
    names = {"jupyterhub.utils": utils, "kubernetes_asyncio": kubernetes, "tornado.httpclient": http}
    return {**names, "jupyterhub": ModuleType("jupyterhub"), "tornado": ModuleType("tornado")}


# --- what is compared


def facts(objects: Objects) -> dict[str, Any]:
    """A hub by dotted paths: its objects, and what a person's server is made of."""
    found: dict[str, Any] = {}
    for (kind, name), item in objects.items():
        if kind == "Secret":
            item = {key: value for key, value in item.items() if key != "stringData"}  # noqa: PLW2901 - in one form
            item["data"] = _content(objects, name)
        if kind == "Deployment":
            item = _one_command(item)  # noqa: PLW2901 - in one form
        if kind in _KINDS:
            found |= dict(flat(item, f"{kind} {name}"))
    settings = _servers(run_configuration(objects))
    options = objects["ConfigMap", "hub"]["data"].get("cull.json")
    if options and (culler := settings["JupyterHub"]["services"].get(_CULLER)):
        culler["command"] += hub_module("follow").switches(json.loads(options))
    return found | dict(flat(settings, "settings"))


def _one_command(item: Values) -> Values:
    """A Deployment whose containers have the words of `args` behind those of `command`."""
    own: Values = deepcopy(item)
    for container in own["spec"]["template"]["spec"]["containers"]:
        container["command"] = [*(container.get("command") or ()), *(container.pop("args", None) or ())]
    return own


def _content(objects: Objects, name: str) -> Values:
    return {key: text for key, text in secret_of(objects, name).items() if key != "values.yaml"}


def _servers(settings: dict[str, Values]) -> Values:
    """The settings, with what is a list by names."""
    hub, spawner = {**settings["JupyterHub"]}, {**settings["KubeSpawner"]}
    for trait in ("services", "load_roles"):
        hub[trait] = {each["name"]: each for each in hub.get(trait) or ()}
    # Those of Spawner are KubeSpawner's as well, whose own win (traitlets).
    spawner = settings.get("Spawner", {}) | spawner
    others = {name: traits for name, traits in settings.items() if name not in {"JupyterHub", "Spawner"}}
    return {**others, "JupyterHub": hub, "KubeSpawner": spawner}


def flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Leaves by path; nothing, in any form, is left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}")
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            name = str(next((item[key] for key in _NAMES if key in item), index)).rstrip("/")
            yield from flat(item, f"{path}[{name}]")
    elif isinstance(value, list) and any(str(item).startswith("--") for item in value):
        words = [item for item in value if not str(item).startswith("--")]
        yield f"{path}[words]", words
        for switch in (str(item) for item in value if item not in words):
            name, _, argument = switch.partition("=")
            yield f"{path}[{name}]", argument if "=" in switch else "true"
    elif value not in (None, "", [], {}):
        yield path, value


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, by path: ours and theirs, None where one has nothing."""
    return {
        path: (ours.get(path), theirs.get(path))
        for path in sorted({*ours, *theirs})
        if ours.get(path) != theirs.get(path)
    }


def compare(ours: Objects, theirs: Objects) -> dict[str, tuple[Any, Any]]:
    """What differs between the two charts for the same values."""
    return differences(facts(ours), facts(theirs))
