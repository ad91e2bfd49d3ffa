"""The same values on the embedded chart and on the upstream one: each field that differs has its reason here.

Compared are the hub, the proxy and what belongs to them, and the settings by which KubeSpawner makes people's servers.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from charts import JUPYTERHUB, Objects, Values, merged, nested, render, render_many, required_values, upstream
from drop_in import compare
from fast.test_chart_keys import CASES, KEYS, SHARED, context
from fast.test_chart_policies import TABLE, places, policies
from policies import Place, is_allowed

# What upstream has on, and the embedded chart not at all: values for both say so.
BOTH: Values = {
    "singleuser": {"cloudMetadata": {"blockWithIptables": False}},
    "scheduling": {"userScheduler": {"enabled": False}},
    "prePuller": {"hook": {"enabled": False}},
}

POD = r"Deployment (hub|proxy)\.spec\.template"
HUB = r"Deployment hub\.spec\.template\.spec\.containers\[hub\]"
PROXY = r"Deployment proxy\.spec\.template\.spec\.containers\[chp\]"
SPAWNER = r"settings\.KubeSpawner"
CULLER = r"settings\.JupyterHub\.services\.jupyterhub-idle-culler\.command"
# Fields as a regular expression, and why they differ.
REASONS = {
    r".*\.(metadata\.labels|common_labels)\.(chart|helm\.sh/chart)": "Each chart has a version of its own.",
    rf"{POD}\.metadata\.annotations\.checksum/.*": "Sums of what each chart's pods read, which is not the same.",
    # the pods
    rf"{POD}\.spec\.enableServiceLinks": "Variables of every Service are of use to nobody here: the names are fixed.",
    rf"{POD}\.spec\.(containers\[\w+\]\.)?securityContext\.(runAs\w+|seccompProfile\.type)": (
        "Said once for the pod, so that it is true of every container in it."
    ),
    r"Deployment proxy\.spec\.template\.spec\.automountServiceAccountToken": "The proxy has no use for Kubernetes.",
    r"Deployment proxy\.spec\.template\.spec\.terminationGracePeriodSeconds": (
        "Kubernetes' 30 s: connections are cut at the end either way."
    ),
    # the hub's container
    rf"{HUB}\.command\[words\]": "The configuration is a whole directory, so that its files find each other.",
    rf"{HUB}\.command\[--debug\]": "A setting does the same.",
    rf"{HUB}\.volumeMounts\[/usr/local/etc/jupyterhub/(jupyterhub_config|z2jh)\.py\]\..*": (
        "A mounted directory follows its ConfigMap, a mounted file does not."
    ),
    rf"{HUB}\.volumeMounts\[/usr/local/etc/jupyterhub/[\w-]+\]\.mountPath": "The same, but for a slash at the end.",
    rf"{HUB}\.volumeMounts\[/usr/local/etc/jupyterhub/[\w-]+\]\.readOnly": "Nobody writes there.",
    r"Deployment hub\.spec\.template\.spec\.volumes\[(existing-)?secret\]\.secret\.defaultMode": (
        "Secrets are read by the hub's group and by nobody else."
    ),
    rf"({HUB}|{PROXY})\.resources\.requests\.(cpu|memory)": (
        "A hub without CPU of its own waits behind a class that starts its servers (benchmarks/people.md)."
    ),
    # probes
    rf"{HUB}\.(startup|readiness|liveness)Probe\..*": "What hangs is known within half a minute (docs/adr/0023).",
    rf"{PROXY}\.startupProbe\..*": "The first answer is known within a second of it.",
    rf"{PROXY}\.(readiness|liveness)Probe\.(failureThreshold|timeoutSeconds|periodSeconds|initialDelaySeconds)": (
        "What hangs is known within half a minute (docs/adr/0023)."
    ),
    rf"{PROXY}\.(readiness|liveness)Probe\.httpGet\.scheme": "HTTP is Kubernetes' default.",
    # the proxy's container
    rf"{PROXY}\.command\[--default-target\]": "The Service's port is fixed; upstream reads it from a variable.",
    rf"{PROXY}\.command\[--error-target\]": "Below the hub's path; upstream asks a page that is not there.",
    # Services and claims
    r"Service proxy-api\.spec\.ports\[(8001|api)\]\..*": "The port has a name, as those of the other Services.",
    r"Service proxy-api\.spec\.type": "ClusterIP is Kubernetes' default.",
    r"Service proxy-public\.spec\.type": "An edge or Ingress leads to it; where no cloud gives out addresses one would be awaited for ever.",
    r"PersistentVolumeClaim hub-db-dir\.metadata\.annotations\.helm\.sh/resource-policy": (
        "Uninstalling a release does not delete who its people are."
    ),
    r"Secret (hub|singleuser)\.data\.motd": "A file is as the values say; upstream takes its last line's end away.",
    r"ServiceAccount continuous-image-puller\..*": "A pod that only has images pulled needs no account.",
    # the hub's settings
    r"settings\.JupyterHub\.authenticator_class": "Nobody can log in until somebody decided how.",
    r"settings\.JupyterHub\.proxy_class": "A proxy that restarted has its routes back in seconds, not in a minute.",
    r"settings\.JupyterHub\.spawner_class": "KubeSpawner, which makes a claim again that is gone (home_spawner.py).",
    r"settings\.JupyterHub\.admin_access": "JupyterHub has roles for this; the setting does nothing since version 2.",
    rf"{CULLER}\[words\]": "The culler follows a file with its options.",
    rf"{CULLER}\[--(cull-users|cull-admin-users|remove-named-servers|max-age)\]": (
        "The culler's defaults, which upstream leaves out."
    ),
    # people's servers
    rf"{SPAWNER}\.delete_pvc": "Who is deleted as a user keeps the home.",
    rf"{SPAWNER}\.(pod|container)_security_context\..*": "People's servers satisfy the pod security standard restricted.",
    rf"{SPAWNER}\.automount_service_account_token": "People's servers have no account; this says it once more.",
    rf"{SPAWNER}\.extra_pod_config\.enableServiceLinks": "Variables of every Service are of use to nobody here.",
    rf"{SPAWNER}\.events_enabled": "KubeSpawner's default.",
    rf"{SPAWNER}\.http_timeout": "A class that starts together waits for processors, longer than JupyterHub's half minute.",
    rf"({POD}\.spec\.priorityClassName|{SPAWNER}\.priority_class_name)": (
        "The namespace is in the name where it is not the release's: the whole cluster has one of a name."
    ),
}  # fmt: skip
# Said of a switch, these are equal only if the other chart does not say it: then it is the culler's default.
DEFAULTS = {
    "cull-users": "false",
    "cull-admin-users": "true",
    "remove-named-servers": "false",
    "max-age": "0",
}


def unexplained(found: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {path: pair for path, pair in found.items() if not reasons_for(path, pair)}


def reasons_for(path: str, pair: tuple[Any, Any]) -> list[str]:
    switch = re.fullmatch(rf"{CULLER}\[--([\w-]+)\]", path)
    if switch and pair != (DEFAULTS.get(switch[1]), None):
        return []
    return [pattern for pattern in REASONS if re.fullmatch(pattern, path)]


def of_both(values: Values) -> Values:
    return merged(merged(required_values(), BOTH), values)


# Each is what a person could have on either chart.
SWITCHES = {
    "no culling": nested("cull.enabled", value=False),
    "culling of people": nested("cull", {"users": True, "adminUsers": False, "removeNamedServers": True, "maxAge": 9}),
    "no homes": nested("singleuser.storage.type", "none"),
    "a database in memory": nested("hub.db.type", "sqlite-memory"),
    "no rights": nested("rbac.create", value=False),
    "verbose": nested("debug.enabled", value=True),
    "an upgrade by hand": nested("hub.db.upgrade", value=False),
    "lists of volumes": nested(
        "singleuser.storage",
        {"extraVolumes": [{"name": "a", "emptyDir": {}}], "extraVolumeMounts": [{"name": "a", "mountPath": "/a"}]},
    ),
    "what a kind of spawner would win over": {
        "hub": {"config": {"Spawner": {"cmd": ["start.sh"], "default_url": "/lab", "http_timeout": 900}}},
        "singleuser": {"defaultUrl": "/tree"},
    },
    "a command of the image": nested("singleuser.cmd", value=None),
    "no nodes of their own": nested("scheduling.userPods.nodeAffinity.matchNodePurpose", "ignore"),
    "a login": {"hub": {"config": {"JupyterHub": {"authenticator_class": "github"}, "GitHubOAuthenticator": {"client_id": "i"}}}},
}  # fmt: skip


@pytest.fixture(scope="module", params=["", pytest.param("jupyterhub-5.*.tgz", marks=pytest.mark.long)])
def chart(request: pytest.FixtureRequest) -> Path:
    """The upstream chart, and a newer one where it lies beside."""
    known = upstream()
    found = sorted(known.parent.glob(request.param)) if request.param else [known]
    if not found:
        pytest.skip(f"a newer upstream chart is not beside {known}")
    return found[-1]


@pytest.fixture(scope="module")
def found(chart: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[Any, Any]]]:
    """By the name of the values, what differs."""
    return compared(chart, {**CASES, **SWITCHES}, tmp_path_factory)


def compared(
    chart: Path, cases: dict[str, Values], directories: pytest.TempPathFactory
) -> dict[str, dict[str, tuple[Any, Any]]]:
    named = {f"case{n:03}": of_both(values) for n, values in enumerate(cases.values())}
    ours, theirs = (render_many(each, named, directories.mktemp("many")) for each in (JUPYTERHUB, chart))
    return {case: compare(ours[name], theirs[name]) for case, name in zip(cases, named, strict=True)}


@pytest.mark.parametrize("case", [*CASES, *SWITCHES])
def test_each_difference_has_its_reason(case: str, found: dict[str, dict[str, tuple[Any, Any]]]) -> None:
    assert unexplained(found[case]) == {}


def test_no_reason_is_idle(
    found: dict[str, dict[str, tuple[Any, Any]]],
) -> None:
    used = [reasons_for(path, pair) for each in found.values() for path, pair in each.items()]
    assert {pattern for patterns in used for pattern in patterns} == {*REASONS}


def test_a_difference_without_a_reason_would_be_found() -> None:
    assert unexplained({"settings.KubeSpawner.uid": (1000, 0)})
    assert unexplained({"Deployment hub.spec.replicas": (1, 2)})
    assert unexplained({f"{CULLER}[--max-age]".replace("\\", ""): ("5", None)})
    assert unexplained({f"{CULLER}[--max-age]".replace("\\", ""): ("0", None)}) == {}


@pytest.mark.long
def test_every_key_alone_works_on_both(chart: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As the documentation shows it, and with what it needs beside it."""
    cases = {
        path: merged(context(path), nested(path, node["examples"][0]))
        for path, node in KEYS.items()
        if path not in SHARED
    }
    each = compared(chart, cases, tmp_path_factory)
    assert {path: unexplained(pairs) for path, pairs in each.items() if unexplained(pairs)} == {}


# --- what keeps nodes ready


def test_the_same_images_are_pulled_and_the_same_room_is_kept(chart: Path) -> None:
    values = of_both(CASES["dynamic homes"])
    more = {"x": {"name": "registry.example.org/x", "tag": "1"}}
    values["prePuller"] |= {"pullProfileListImages": True, "extraImages": more}
    ours, theirs = (render(each, values) for each in (JUPYTERHUB, chart))
    assert pulled(ours) == pulled(theirs)
    assert len(pulled(ours)) == 4
    assert room(ours) == room(theirs)


def test_a_placeholder_is_as_large_as_a_server(chart: Path) -> None:
    """1G is 1024³ bytes to KubeSpawner, and 1000³ to Kubernetes: upstream's placeholders hold less."""
    values = of_both(CASES["dynamic homes"])
    values["scheduling"]["userPlaceholder"].pop("resources", None)
    values["singleuser"]["memory"] = {"guarantee": "256M", "limit": "1G"}
    ours, theirs = (render(each, values) for each in (JUPYTERHUB, chart))
    assert (held(ours, "requests"), held(ours, "limits")) == ("256Mi", "1Gi")
    assert (held(theirs, "requests"), held(theirs, "limits")) == ("256M", "1G")


def pulled(objects: Objects) -> set[str]:
    pod = objects["DaemonSet", "continuous-image-puller"]["spec"]["template"]["spec"]
    return {container["image"] for container in pod["initContainers"]}


def room(objects: Objects) -> Values:
    """Where placeholders are, and how many."""
    spec = objects["StatefulSet", "user-placeholder"]["spec"]
    placed = {key: spec["template"]["spec"][key] for key in ("nodeSelector", "tolerations", "affinity")}
    return {**placed, "replicas": spec["replicas"]}


def held(objects: Objects, kind: str) -> str:
    """The memory that a placeholder holds."""
    pod = objects["StatefulSet", "user-placeholder"]["spec"]["template"]["spec"]
    return str(pod["containers"][0]["resources"][kind]["memory"])


# --- who may connect to whom

# Rows of the embedded chart's table that upstream's policies answer in another way, and why.
OTHERWISE = {
    ("proxy", "metadata"): "The proxy has no use for the node's credentials.",
    ("proxy", "metadata of containers"): "Nor for those of its own container.",
    ("ada", "internet by IPv6"): "Upstream's internet is that of IPv4.",
    ("ada", "metadata of containers"): "All of 169.254.0.0/16 is nearby, and not the internet.",
    ("ada", "metadata elsewhere"): "100.64.0.0/10 is what clouds give to pods and services of their own.",
}


def test_policies_allow_what_upstreams_do_but_for_ranges(chart: Path, tmp_path: Path) -> None:
    values = {"case000": of_both({})}
    theirs = render_many(chart, values, tmp_path / "theirs")["case000"]
    ours = render_many(JUPYTERHUB, values, tmp_path / "ours")["case000"]
    found = places(ours)
    rows = [row for row in TABLE if not row[0]]
    differing = {
        (sender, receiver)
        for _, sender, receiver, port, expected in rows
        if allows(theirs, found[sender], found[receiver], port) is not expected
    }
    assert differing == {*OTHERWISE}


def allows(objects: Objects, sender: Place, receiver: Place, port: int) -> bool:
    return is_allowed(policies(objects), sender, receiver, port, "UDP" if port == 53 else "TCP")
