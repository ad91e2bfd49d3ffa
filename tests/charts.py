"""The embedded chart for tests: its schema, what Helm makes of it, and its Python files."""

import asyncio
import base64
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from hubops.local.toolchain import require_tool

ROOT = Path(__file__).parents[1]
JUPYTERHUB = ROOT / "charts/jupyterhub"
EDGE = ROOT / "charts/edge"
HUB_FILES = JUPYTERHUB / "files/hub"
UPSTREAM = Path(os.environ.get("HUBOPS_UPSTREAM_CHART", ROOT.parent / "shared/charts/jupyterhub-4.4.0.tgz"))
TOKEN, COOKIE, CRYPT = "a" * 64, "b" * 64, "c" * 64

Values = dict[str, Any]
Objects = dict[tuple[str, str], Values]


def required_values() -> Values:
    """What every hub must set; a fresh copy, which a test may change."""
    return {
        "hub": {
            "image": {"name": "r/hub", "tag": "v1"},
            "cookieSecret": COOKIE,
            "config": {"CryptKeeper": {"keys": [CRYPT]}},
        },
        "proxy": {"secretToken": TOKEN, "chp": {"image": {"name": "r/proxy", "tag": "v1"}}},
        "singleuser": {"image": {"name": "r/earth", "tag": "v1"}},
    }


def merged(values: Values, changes: Values) -> Values:
    """Both, key by key at any depth; the changes win."""
    result = values | changes
    for key in values.keys() & changes.keys():
        if isinstance(values[key], dict) and isinstance(changes[key], dict):
            result[key] = merged(values[key], changes[key])
    return result


def nested(path: str, value: Any) -> Values:
    """Values with one key, at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    found: Values = value
    return found


@cache
def helm() -> Path:
    """The pinned helm."""
    return asyncio.run(require_tool("helm", lambda _event: None))


def upstream() -> Path:
    """The upstream chart, which is test data beside the checkout and not part of it."""
    if not UPSTREAM.exists():
        pytest.skip(f"the upstream chart is not at {UPSTREAM}; HUBOPS_UPSTREAM_CHART may name it")
    return UPSTREAM


def run_helm(
    chart: Path, values: Values, *, release: str = "earth", namespace: str = "earth-ns", minor: int = 34
) -> "subprocess.CompletedProcess[str]":
    """Helm template, whatever comes of it."""
    place = [f"--namespace={namespace}", f"--kube-version=1.{minor}.0", "--values=-"]
    argv: list[str | Path] = [helm(), "template", release, chart, *place]
    return subprocess.run(argv, input=json.dumps(values), capture_output=True, text=True, check=False)


def template(chart: Path, values: Values, **place: Any) -> str:
    """What helm template prints."""
    done = run_helm(chart, values, **place)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(chart: Path, values: Values, **place: Any) -> Objects:
    """The objects by kind and name."""
    loaded = yaml.load_all(template(chart, values, **place), yaml.CSafeLoader)
    return {(item["kind"], item["metadata"]["name"]): item for item in loaded if item}


def render_many(chart: Path, cases: dict[str, Values], directory: Path) -> dict[str, Objects]:
    """What a chart makes of many values, by one helm: a chart that depends on it once for each, by another name.

    The keys of `cases` are of letters and digits, and in nothing that is rendered.
    """
    directory.mkdir(exist_ok=True)
    target = directory / "charts/jupyterhub"
    if chart.is_dir():
        shutil.copytree(chart, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        with tarfile.open(chart) as archive:
            archive.extractall(directory / "charts", filter="data")
    version = yaml.safe_load((target / "Chart.yaml").read_text())["version"]
    wanted = [{"name": "jupyterhub", "version": version, "alias": name} for name in cases]
    about = {"apiVersion": "v2", "name": "many", "version": "0.1.0", "dependencies": wanted}
    (directory / "Chart.yaml").write_text(json.dumps(about))
    found: dict[str, Objects] = {name: {} for name in cases}
    for text in template(directory, cases).split("\n---\n"):
        source = re.search(r"^# Source: many/charts/(\w+)/", text, re.MULTILINE)
        for item in yaml.load_all(text, yaml.CSafeLoader):
            if item and source:
                own = _without_alias(item, source[1])
                found[source[1]][own["kind"], own["metadata"]["name"]] = own
    return found


def _without_alias(item: Values, alias: str) -> Values:
    """An object as it is where the chart has its own name."""
    if item["kind"] == "Secret":
        for key, value in item.get("data", {}).items():
            text = base64.b64decode(value).decode(errors="surrogateescape").replace(alias, "jupyterhub")
            item["data"][key] = base64.b64encode(text.encode(errors="surrogateescape")).decode()
    renamed: Values = json.loads(json.dumps(item).replace(alias, "jupyterhub"))
    return renamed


def secret_of(objects: Objects, name: str = "hub") -> dict[str, str]:
    """What a Secret has, decoded."""
    item = objects["Secret", name]
    data = {key: base64.b64decode(value).decode() for key, value in item.get("data", {}).items()}
    return {**data, **item.get("stringData", {})}


def given_values(objects: Objects) -> Values:
    """The values that the hub reads."""
    values: Values = yaml.load(secret_of(objects)["values.yaml"], yaml.CSafeLoader)
    return values


def hub_module(name: str) -> ModuleType:
    """One of the chart's Python files, with those beside it, as the hub imports it."""
    with patch.object(sys, "path", [str(HUB_FILES), *sys.path]), patch.dict(sys.modules):
        return importlib.import_module(name)


def settings_of(objects: Objects) -> dict[str, Values]:
    """JupyterHub's settings that the chart makes of what it rendered."""
    settings: dict[str, Values] = hub_module("settings").render_settings(
        given_values(objects), secret_of(objects).get, "earth-ns"
    )
    return settings


# --- the schema


def load_schema(chart: Path = JUPYTERHUB) -> Values:
    """The chart's values.schema.json."""
    schema: Values = json.loads((chart / "values.schema.json").read_text())
    return schema


def leaves(node: Values, path: str = "") -> Iterator[tuple[str, Values]]:
    """Every key that has a value of its own, by dotted path; what an operator names himself is not entered."""
    for name, child in node.get("properties", {}).items():
        below = f"{path}.{name}".removeprefix(".")
        if "properties" in child:
            yield from leaves(child, below)
        else:
            yield below, child
