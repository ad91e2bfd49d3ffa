"""Valid operations repositories of any size, varied by a seed: with nothing in them that a check may find."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubops.desired.chart_lock import helm_digest

PROJECT = Path(__file__).parents[1]
CHART = "charts/jupyterhub"
# `hubops check` as a command of its own, which tells its CPU time and its peak memory (VmHWM, proc(5)) on standard error.
MEASURED_CHECK = """
import atexit, re, sys, time
def tell():
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
    print(time.process_time(), peak[1], file=sys.stderr)
atexit.register(tell)
sys.argv = ["hubops", "check"]
from hubops.cli.main import main
main()
"""
SETTINGS = """registry: registry.example.org
image-name: "hubs/{name}"
clusters:
  local: {local: true}
  campus: {kubeconfig-context: campus-admin, url: "https://hubs.example.org"}
  cloud:
    gke: {project: p, location: europe-west1, cluster: c}
    url: https://cloud.example.org/
"""
ORGANISATION = """jupyterhub:
  hub:
    config:
      Authenticator: {allow_existing_users: false}
    image: {hubops-image: hub}
  proxy:
    chp:
      image: {hubops-image: proxy}
"""
DOCKERFILE = """FROM quay.io/jupyter/base-notebook:2026-01-05
RUN pip install --no-cache-dir "numpy>=2" 'pandas<4' > /tmp/log 2>&1
USER 1000
"""
ENCRYPTED = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"
CLUSTERS = {"campus": "https://hubs.example.org", "cloud": "https://cloud.example.org"}
# Names that somebody without Helm's rules would read as numbers, dates or booleans.
UGLY = ("0604373", "3228e95", "22:22", "2020-01-01", "yes", "null", "1_000", "é")


def write_fleet(root: Path, hubs: int, seed: int = 0) -> list[str]:
    """Write a fleet below `root`; gives the names of its hubs: five files for each, six off the local cluster."""
    chance = random.Random(seed)
    for name in ("Chart.yaml", "values.yaml", "values.schema.json"):
        (root / CHART).mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / CHART / name, root / CHART)
    put(root, "hubops.yaml", SETTINGS)
    put(root, "values/organisation.yaml", ORGANISATION)
    put(root, "values/clusters/cloud.yaml", "jupyterhub: {cull: {every: 300}}\n")
    put(root, "values/stages/staging.yaml", "jupyterhub: {cull: {timeout: 900}}\n")
    put(root, "values/local.yaml", "jupyterhub: {singleuser: {storage: {capacity: 1Gi}}}\n")
    for image in ("images/hub", "images/proxy", "user-images/shared"):
        put(root, f"{image}/Dockerfile", DOCKERFILE)
    names = [f"hub-{number}" for number in range(hubs)]
    provers: dict[bool, str] = {}
    for name in names:
        _write_hub(root, name, chance, provers)
    return names


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def to_yaml(value: Any, indent: int = 0) -> str:
    """Block style with every text quoted, so that it is what it looks like to everybody."""
    return "".join(f"{line}\n" for line in _lines(value, " " * indent))


def _write_hub(root: Path, name: str, chance: random.Random, provers: dict[bool, str]) -> None:
    """The first on the local cluster, and the first elsewhere, is a staging hub and proves those after it."""
    cluster = chance.choice(["local", *CLUSTERS])
    prover = provers.get(cluster == "local", "")
    provers.setdefault(cluster == "local", name)
    alias = chance.choice(["jupyterhub", "jupyterhub", "hubs"])
    own_image, own_path = chance.random() < 1 / 4, chance.random() < 1 / 4
    path = f"/teaching/{name}/" if own_path else f"/{name}/"
    settings: dict[str, Any] = {
        "stage": "production" if prover else "staging",
        "cluster": cluster,
        "image": name if own_image and prover else "shared",
        **({"proved-by": prover} if prover else {}),
        **({"url": CLUSTERS.get(cluster, "http://localhost:8080") + path} if own_path else {}),
    }
    dependency = {"name": "jupyterhub", "version": "0.1.0", "repository": f"file://../../{CHART}"}
    wanted = [{**dependency, **({"alias": alias} if alias != "jupyterhub" else {})}]
    chart: dict[str, Any] = {"apiVersion": "v2", "name": name, "version": "0.1.0", "dependencies": wanted}
    lock: dict[str, Any] = {"dependencies": [dependency], "digest": helm_digest(wanted, [dependency])}
    people = chance.sample([*UGLY, *(f"person-{number}" for number in range(20))], 8)
    directory = f"hub-charts/{name}"
    put(root, f"{directory}/Chart.yaml", to_yaml(chart))
    put(root, f"{directory}/Chart.lock", to_yaml(lock))
    put(root, f"{directory}/hub.yaml", to_yaml(settings))
    put(root, f"{directory}/people.yaml", to_yaml({"admins": people[:2], "allowed": people[2:]}))
    values = _values(chance, cluster, path)
    put(root, f"{directory}/values.yaml", to_yaml({alias: values}))
    if settings["image"] == name:
        put(root, f"user-images/{name}/Dockerfile", DOCKERFILE)
    if cluster != "local":
        put(root, f"secrets/{name}.yaml", to_yaml({alias: _secrets(values), "sops": {"mac": ENCRYPTED}}))


def _secrets(values: dict[str, Any]) -> dict[str, Any]:
    """All that the embedded chart and the hub's login need."""
    needed = {
        "shared-password": ("SharedPasswordAuthenticator", "user_password", "admin_password"),
        "github": ("GitHubOAuthenticator", "client_id", "client_secret"),
        "google": ("GoogleOAuthenticator", "client_id", "client_secret"),
    }
    section, *keys = needed.get(
        values["hub"]["config"]["JupyterHub"]["authenticator_class"], ("CryptKeeper",)
    )
    config = {section: dict.fromkeys(keys, ENCRYPTED)} if keys else {}
    return {
        "hub": {
            "cookieSecret": ENCRYPTED,
            "config": {"CryptKeeper": {"keys": [ENCRYPTED]}, **config},
            "services": {"hubops": {"apiToken": ENCRYPTED}},
        },
        "proxy": {"secretToken": ENCRYPTED},
    }


def _values(chance: random.Random, cluster: str, path: str) -> dict[str, Any]:
    user: dict[str, Any] = {"defaultUrl": chance.choice(["/lab", "/tree", "/rstudio"])}
    user["memory"] = {"limit": chance.choice(["2G", "512M", 3000000000])}
    if chance.random() < 1 / 2:
        user["extraEnv"] = {"COURSE": chance.choice(UGLY)}
    if chance.random() < 1 / 3:
        script = "timeout 60 git -C ~ clone https://example.org/course.git || true"
        user["lifecycleHooks"] = {"postStart": {"exec": {"command": ["sh", "-c", script]}}}
    if chance.random() < 1 / 3:
        override = {"mem_limit": "4G", "image": {"hubops-image": "shared"}}
        user["profileList"] = [{"display_name": "More memory", "kubespawner_override": override}]
    values: dict[str, Any]
    values = {"singleuser": user, "hub": {"config": _login(chance, cluster, path)}}
    if cluster != "local" and chance.random() < 1 / 2:
        values["ingress"] = {"enabled": True, "hosts": [CLUSTERS[cluster].removeprefix("https://")]}
        values["ingress"]["annotations"] = {"nginx.ingress.kubernetes.io/proxy-body-size": "64m"}
    return values


def _login(chance: random.Random, cluster: str, path: str) -> dict[str, Any]:
    kind = chance.choice(["shared-password", "github", "google", "native"])
    callback = f"{CLUSTERS.get(cluster, 'https://hubs.example.org')}{path}hub/oauth_callback"
    google = {"oauth_callback_url": callback, "hosted_domain": ["example.org"], "allow_all": True}
    more: dict[str, dict[str, Any]] = {
        "shared-password": {},
        "github": {"GitHubOAuthenticator": {"oauth_callback_url": callback}},
        "google": {"GoogleOAuthenticator": google},
        "native": {"NativeAuthenticator": {"minimum_password_length": 12, "allow_all": True}},
    }
    return {"JupyterHub": {"authenticator_class": kind}, **more[kind]}


def _lines(value: Any, indent: str) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        head = f"{indent}- " if key is None else f"{indent}{key}:"
        if isinstance(item, (dict, list)) and item:
            yield head.rstrip()
            yield from _lines(item, indent + "  ")
        else:
            yield f"{head.rstrip()} {json.dumps(item, ensure_ascii=False)}"
