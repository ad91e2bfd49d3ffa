"""What Helm makes of the embedded charts. `helm` is a built tool; no test here needs a cluster."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import COOKIE, CRYPT, EDGE, JUPYTERHUB, TOKEN, Objects, Values, merged
from charts import required_values as hub_values
from hubops.clients import process
from hubops.errors import ProgramError

EDGE_VALUES: Values = {
    "image": {"name": "r/edge", "tag": "v1"},
    "hubs": [{"name": "earth", "path": "/earth/", "namespace": "earth-ns"}],
}


async def template(helm: Path, chart: Path, values: Values) -> str:
    # The upstream chart asks for a newer Kubernetes than Helm assumes without a cluster.
    arguments = ["template", "earth", str(chart), "--namespace=earth-ns", "--kube-version=1.34.0"]
    return await process.run([helm, *arguments, "--values=-"], stdin=json.dumps(values).encode())


async def render(helm: Path, chart: Path, values: Values) -> Objects:
    loaded = yaml.safe_load_all(await template(helm, chart, values))
    return {(item["kind"], item["metadata"]["name"]): item for item in loaded if item}


def pods(objects: Objects) -> dict[str, Values]:
    return {name: item["spec"]["template"] for (kind, name), item in objects.items() if kind == "Deployment"}


def secret(objects: Objects) -> dict[str, str]:
    data = objects["Secret", "hub"]["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@pytest.mark.parametrize(("chart", "values"), [(JUPYTERHUB, hub_values()), (EDGE, EDGE_VALUES)])
async def test_lint_has_nothing_to_say(helm: Path, chart: Path, values: Values) -> None:
    arguments = ["lint", str(chart), "--strict", "--values=-"]
    assert "0 chart(s) failed" in await process.run([helm, *arguments], stdin=json.dumps(values).encode())


@pytest.mark.parametrize(("chart", "values"), [(JUPYTERHUB, hub_values()), (EDGE, EDGE_VALUES)])
async def test_two_renders_are_identical(helm: Path, chart: Path, values: Values) -> None:
    assert await template(helm, chart, values) == await template(helm, chart, values)


async def test_same_objects_and_selectors_as_upstream(helm: Path, upstream_chart: Path) -> None:
    values = hub_values() | {"ingress": {"enabled": True, "hosts": ["hub.example.org"]}}
    values["hub"]["services"] = {"probe": {"apiToken": "t" * 32}}
    ours, theirs = await render(helm, JUPYTERHUB, values), await render(helm, upstream_chart, values)
    assert set(ours) <= set(theirs)
    for key, item in ours.items():
        assert essence(item) == essence(theirs[key]), key


def essence(item: Values) -> Values:
    """What must not differ for a hub to move between the charts: the immutable, and what others go by."""
    spec = item.get("spec", {})
    labels = item["metadata"]["labels"]
    kept: Values = {"labels": {key: labels[key] for key in labels if "chart" not in key}}
    match item["kind"]:
        case "Deployment":
            kept |= {"selector": spec["selector"], "strategy": spec["strategy"]["type"]}
            kept |= {"pod": spec["template"]["metadata"]["labels"], "volumes": claims(spec["template"])}
        case "Service":
            kept |= {"selector": spec["selector"]}
            kept |= {"ports": [(port["port"], port["targetPort"]) for port in spec["ports"]]}
        case "PersistentVolumeClaim" | "Ingress":
            kept |= {"spec": spec}
        case "Role" | "RoleBinding":
            kept |= {key: item.get(key) for key in ("rules", "subjects", "roleRef")}
        case "Secret":
            kept |= {"keys": set(item["data"])}
    return kept


def claims(template: Values) -> list[Values]:
    return [volume for volume in template["spec"].get("volumes", []) if "persistentVolumeClaim" in volume]


async def test_secrets_are_those_of_the_values(helm: Path) -> None:
    values = hub_values()
    values["hub"]["services"] = {"probe": {"apiToken": "t" * 32}}
    data = secret(await render(helm, JUPYTERHUB, values))
    assert data.pop("values.yaml")
    assert data == {
        "hub.config.ConfigurableHTTPProxy.auth_token": TOKEN,
        "hub.config.JupyterHub.cookie_secret": COOKIE,
        "hub.config.CryptKeeper.keys": CRYPT,
        "hub.services.probe.apiToken": "t" * 32,
    }


async def test_numbers_reach_the_hub_as_they_are_written(helm: Path) -> None:
    values = hub_values() | {"custom": {"million": 1_000_000, "text": "3228e95", "clock": "12:30:45"}}
    data = passed(await render(helm, JUPYTERHUB, values))
    assert data["custom"] == values["custom"]
    assert "proxy" not in data


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("proxy.secretToken", "proxy.secretToken is required"),
        ("hub.cookieSecret", "hub.cookieSecret is required"),
        ("hub.config", "hub.config.CryptKeeper.keys is required"),
        ("hub.image", "hub.image.name is required"),
        ("proxy.chp", "proxy.chp.image.name is required"),
        ("singleuser.image", "singleuser.image.name is required"),
    ],
)
async def test_missing_value_is_named_with_what_to_do(helm: Path, path: str, says: str) -> None:
    values = hub_values()
    section, key = path.split(".")
    del values[section][key]
    with pytest.raises(ProgramError, match=says):
        await template(helm, JUPYTERHUB, values)


async def test_everything_missing_is_named_at_once(helm: Path) -> None:
    with pytest.raises(ProgramError) as caught:
        await template(helm, JUPYTERHUB, {"hub": {"services": {"probe": {"url": "http://probe"}}}})
    assert str(caught.value).count("is required") == 7


REFUSED = {
    "unknown at the top": ({"huub": {}}, "huub"),
    "unknown below": ({"hub": {"config": {"jupyterHub": {}}}}, "jupyterHub"),
    "upstream's, not supported": ({"nameOverride": "x"}, "nameOverride"),
    "static storage without a claim": (
        {"singleuser": {"storage": {"type": "static"}}},
        "singleuser.storage.static.pvcName is required",
    ),
    "postgres without an address": ({"hub": {"db": {"type": "postgres"}}}, "hub.db.url is required"),
    "upstream's, with the two lines": (
        {"hub": {"extraVolumes": []}},
        "/hub/extraVolumes.*version: 4.4.0 and repository: https://hub.jupyter.org/helm-chart/",
    ),
    "a privileged container": (
        {"singleuser": {"cloudMetadata": {"blockWithIptables": True}}},
        "/singleuser/cloudMetadata/blockWithIptables",
    ),
    "a file with two contents": (
        {"hub": {"extraFiles": {"a": {"mountPath": "/a", "stringData": "x", "binaryData": "eA=="}}}},
        "hub.extraFiles.a needs exactly one of data, stringData, binaryData",
    ),
    "data in a file of no known form": (
        {"singleuser": {"extraFiles": {"a": {"mountPath": "/a.conf", "data": {"x": 1}}}}},
        "singleuser.extraFiles.a.data is written in the form",
    ),
    "a file in the place of the hub's values": (
        {"hub": {"extraFiles": {"values.yaml": {"mountPath": "/a", "stringData": "x"}}}},
        "invalid propertyName 'values.yaml'",
    ),
    "root in user servers": ({"singleuser": {"uid": 0}}, "/singleuser/uid"),
    "weak token": ({"proxy": {"secretToken": "short"}}, "/proxy/secretToken"),
    "cookie secret that is not hexadecimal": ({"hub": {"cookieSecret": "x" * 64}}, "/hub/cookieSecret"),
    "services by another way": (
        {"hub": {"config": {"JupyterHub": {"services": []}}}},
        "use hub.services",
    ),
}


@pytest.mark.parametrize(("changes", "says"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused(helm: Path, changes: Values, says: str) -> None:
    with pytest.raises(ProgramError, match=says):
        await template(helm, JUPYTERHUB, merged(hub_values(), changes))


async def test_edge_refuses_unknown_key(helm: Path) -> None:
    with pytest.raises(ProgramError, match="hosts"):
        await template(helm, EDGE, EDGE_VALUES | {"hosts": []})


async def test_every_pod_satisfies_restricted(helm: Path) -> None:
    """The pod security standard "restricted", field by field; user servers' are in tests/fast/test_chart_hub.py."""
    more = {
        "scheduling": {"userPlaceholder": {"replicas": 1}},
        "prePuller": {"continuous": {"enabled": True}},
    }
    objects = await render(helm, JUPYTERHUB, merged(hub_values(), more))
    found = pods(objects) | pods(await render(helm, EDGE, EDGE_VALUES))
    found |= {"edge with host": pods(await render(helm, EDGE, EDGE_VALUES | {"host": "a.org"}))["edge"]}
    sleeping = {("StatefulSet", "user-placeholder"), ("DaemonSet", "continuous-image-puller")}
    found |= {name: objects[kind, name]["spec"]["template"] for kind, name in sleeping}
    assert set(found) == {"hub", "proxy", "edge", "edge with host", *(name for _, name in sleeping)}
    for name, pod in found.items():
        assert list(violations(pod["spec"])) == [], name


VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip


def violations(spec: Values) -> Iterator[str]:
    security = spec["securityContext"]
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield "runs as root"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "seccomp"
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    yield from (volume["name"] for volume in spec.get("volumes", []) if not VOLUMES & set(volume))
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container["securityContext"]
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield "privilege escalation"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield "capabilities"
        if {"runAsUser", "runAsNonRoot", "seccompProfile"} & set(own):
            yield "the container overrides the pod"
        yield from ("host port" for port in container.get("ports", ()) if "hostPort" in port)


async def test_only_the_hub_has_a_service_account_token(helm: Path) -> None:
    found = pods(await render(helm, JUPYTERHUB, hub_values())) | pods(await render(helm, EDGE, EDGE_VALUES))
    mounted = {name for name, pod in found.items() if pod["spec"].get("automountServiceAccountToken", True)}
    assert mounted == {"hub"}


def people(**lists: list[str]) -> Values:
    return {"hub": {"config": {"Authenticator": lists}}}


# With what is there before, besides what every hub has.
RESTARTS = {
    "nothing": ({}, set()),
    "hub settings": ({"hub": {"allowNamedServers": True}}, {"hub"}),
    "user image": ({"singleuser": {"image": {"tag": "v2"}}}, {"hub"}),
    "a snippet": ({"hub": {"extraConfig": {"a": "pass"}}}, {"hub"}),
    "a file of the hub": ({"hub": {"extraFiles": {"a": {"mountPath": "/a", "stringData": "y"}}}}, {"hub"}),
    "what a file of the servers says": (
        {"singleuser": {"extraFiles": {"a": {"mountPath": "/a", "stringData": "y"}}}},
        set(),
    ),
    "where a file of the servers is": ({"singleuser": {"extraFiles": {"a": {"mountPath": "/b"}}}}, {"hub"}),
    "how long a server may be idle": ({"cull": {"timeout": 60, "maxAge": 9, "adminUsers": False}}, set()),
    "whether people are deleted": ({"cull": {"users": True}}, {"hub"}),
    "the entrance": ({"proxy": {"service": {"type": "NodePort"}}}, set()),
    "an ingress": ({"ingress": {"enabled": True, "hosts": ["a.example.org"]}}, set()),
    "who may connect": (
        {
            "hub": {"networkPolicy": {"enabled": False}},
            "proxy": {"chp": {"networkPolicy": {"enabled": False}}},
            "singleuser": {"networkPolicy": {"enabled": False}, "cloudMetadata": {"ip": "169.254.1.1"}},
        },
        set(),
    ),
    "placeholders and pullers": (
        {"scheduling": {"userPlaceholder": {"replicas": 3}}, "prePuller": {"continuous": {"enabled": True}}},
        set(),
    ),
    "the size of the database's volume": ({"hub": {"db": {"pvc": {"storage": "2Gi"}}}}, set()),
    "where on that volume it is": ({"hub": {"db": {"pvc": {"subPath": "b"}}}}, {"hub"}),
    "the path of everything": ({"hub": {"baseUrl": "/b/"}}, {"hub", "proxy"}),
    "addresses of people's own": (
        {"hub": {"config": {"JupyterHub": {"subdomain_host": "https://a.example.org"}}}},
        {"hub", "proxy"},
    ),
    "more in the logs": ({"debug": {"enabled": True}}, {"hub", "proxy"}),
    "where both run": (
        {"scheduling": {"corePods": {"nodeAffinity": {"matchNodePurpose": "require"}}}},
        {"hub", "proxy"},
    ),
    "keys of a registry": ({"imagePullSecrets": [{"name": "a"}]}, {"hub", "proxy"}),
    "priorities": ({"scheduling": {"podPriority": {"enabled": True}}}, {"hub", "proxy"}),
    "a priority's number": ({"scheduling": {"podPriority": {"defaultPriority": 5}}}, set()),
    "what user servers tolerate": ({"singleuser": {"extraTolerations": [{"key": "x"}]}}, {"hub"}),
    "memory of the hub": ({"hub": {"resources": {"limits": {"memory": "1Gi"}}}}, {"hub"}),
    "the password of the database": ({"hub": {"db": {"password": "q"}}}, {"hub"}),
    "the token of a service": ({"hub": {"services": {"s": {"apiToken": "u" * 32}}}}, {"hub"}),
    "one more person": (people(allowed_users=["ann", "ben", "cy"]), set()),
    "one person fewer": (people(allowed_users=["ann"]), set()),
    "the last person by name": (people(allowed_users=[]), {"hub"}),
    "another admin": (people(admin_users=["ben"]), {"hub"}),
    "somebody blocked": (people(blocked_users=["dot"]), {"hub"}),
    "the proxy's image": ({"proxy": {"chp": {"image": {"tag": "v2"}}}}, {"proxy"}),
    "the proxy's token": ({"proxy": {"secretToken": "d" * 64}}, {"hub", "proxy"}),
}
BEFORE: Values = {
    "hub": {
        **people(admin_users=["ann"], allowed_users=["ann", "ben"])["hub"],
        "extraFiles": {"a": {"mountPath": "/a", "stringData": "x"}},
        "services": {"s": {"apiToken": "t" * 32}},
    },
    "singleuser": {"extraFiles": {"a": {"mountPath": "/a", "stringData": "x"}}},
}


@pytest.mark.parametrize(("changes", "restarted"), RESTARTS.values(), ids=RESTARTS.keys())
async def test_restarts_what_changed_and_nothing_else(
    helm: Path, changes: Values, restarted: set[str]
) -> None:
    values = merged(hub_values(), BEFORE)
    before = pods(await render(helm, JUPYTERHUB, values))
    after = pods(await render(helm, JUPYTERHUB, merged(values, changes)))
    assert {name for name in before if before[name] != after[name]} == restarted


@pytest.mark.parametrize(
    "others",
    [
        {"extraConfig": {"a": "print(c.Authenticator.allowed_users)"}},
        {"extraConfig": {"a": "for name in get_config('hub.config'): print(name)"}},
        {"config": {"GitHubOAuthenticator": {"allowed_users": ["ann"]}}},
        {"config": {"Authenticator": {"username_map": {"ben": "benjamin"}}}},
        {"existingSecret": "kept-elsewhere"},
    ],
    ids=str,
)
async def test_people_restart_a_hub_whose_list_may_not_be_the_only_word(helm: Path, others: Values) -> None:
    values = merged(merged(hub_values(), BEFORE), {"hub": others})
    before = await render(helm, JUPYTERHUB, values)
    after = await render(helm, JUPYTERHUB, merged(values, people(allowed_users=["ann", "ben", "cy"])))
    assert pods(before)["hub"] != pods(after)["hub"]
    assert "FollowsPeople" not in json.loads(secret(after)["values.yaml"])


async def test_a_new_version_of_the_chart_alone_restarts_nothing(helm: Path, tmp_path: Path) -> None:
    newer = shutil.copytree(JUPYTERHUB, tmp_path / "jupyterhub")
    about = (newer / "Chart.yaml").read_text()
    (newer / "Chart.yaml").write_text(about.replace("version: 0.1.0", "version: 0.2.0", 1))
    before, after = await render(helm, JUPYTERHUB, hub_values()), await render(helm, newer, hub_values())
    assert after["Deployment", "hub"]["metadata"]["labels"]["chart"] == "jupyterhub-0.2.0"
    assert pods(before) == pods(after)


async def test_other_python_files_restart_the_hub(helm: Path, tmp_path: Path) -> None:
    newer = shutil.copytree(JUPYTERHUB, tmp_path / "jupyterhub")
    (newer / "files/hub/settings.py").write_text("# another\n")
    before = pods(await render(helm, JUPYTERHUB, hub_values()))
    after = pods(await render(helm, newer, hub_values()))
    assert {name for name in before if before[name] != after[name]} == {"hub"}


async def test_edge_restarts_when_a_hub_comes(helm: Path) -> None:
    more = EDGE_VALUES | {
        "hubs": [*EDGE_VALUES["hubs"], {"name": "sky", "path": "/sky/", "namespace": "sky"}]
    }
    before, after = await render(helm, EDGE, EDGE_VALUES), await render(helm, EDGE, more)
    assert pods(before) != pods(after)
    assert "proxy-public.sky.svc:80" in after["ConfigMap", "edge"]["data"]["Caddyfile"]


async def test_edge_shows_a_page_in_place_of_a_disabled_hub(helm: Path) -> None:
    closed = {"name": "sky", "path": "/sky/", "namespace": "sky", "disabled": "Until <b>winter</b>: {{ x }}"}
    found = await render(helm, EDGE, EDGE_VALUES | {"hubs": [*EDGE_VALUES["hubs"], closed]})
    data = found["ConfigMap", "edge"]["data"]
    assert "sky.svc" not in data["Caddyfile"]
    assert "rewrite * /disabled-sky.html" in data["Caddyfile"]
    assert "<p>Until &lt;b&gt;winter&lt;/b&gt;: {{ x }}</p>" in data["disabled-sky.html"]
    volume = pods(found)["edge"]["spec"]["volumes"][0]["configMap"]
    assert {item["key"] for item in volume["items"]} == set(data)


async def test_database_claim_is_kept(helm: Path) -> None:
    values = merged(hub_values(), {"hub": {"db": {"pvc": {"annotations": {"a": "b"}}}}})
    claim = (await render(helm, JUPYTERHUB, values))["PersistentVolumeClaim", "hub-db-dir"]
    assert claim["metadata"]["annotations"] == {"a": "b", "helm.sh/resource-policy": "keep"}


async def test_below_a_wrapper_chart_it_is_the_same(helm: Path, tmp_path: Path) -> None:
    shutil.copytree(JUPYTERHUB, tmp_path / "charts/jupyterhub")
    dependency = {"name": "jupyterhub", "version": "0.1.0"}
    wrapper = {"apiVersion": "v2", "name": "earthhub", "version": "0.1.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(wrapper))
    wrapped = await render(helm, tmp_path, {"jupyterhub": hub_values()})
    alone = await render(helm, JUPYTERHUB, hub_values())
    assert without_nulls(passed(wrapped)) == without_nulls(passed(alone))
    for objects in (wrapped, alone):  # of a dependency's defaults Helm drops the nulls, which mean nothing
        del objects["Secret", "hub"]["data"]["values.yaml"]
        del pods(objects)["hub"]["metadata"]["annotations"]["checksum/secret"]
        objects["ConfigMap", "hub"]["data"]["cull.json"] = {
            key: value
            for key, value in json.loads(objects["ConfigMap", "hub"]["data"]["cull.json"]).items()
            if value is not None
        }
    assert wrapped == alone


def passed(objects: Objects) -> Values:
    values: Values = json.loads(secret(objects)["values.yaml"])
    return values


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


async def test_probes_go_below_the_base_url(helm: Path) -> None:
    found = pods(await render(helm, JUPYTERHUB, merged(hub_values(), {"hub": {"baseUrl": "/earth/"}})))
    [hub], [proxy] = found["hub"]["spec"]["containers"], found["proxy"]["spec"]["containers"]
    assert hub["readinessProbe"]["httpGet"]["path"] == "/earth/hub/health"
    assert "--error-target=http://hub:8081/earth/hub/error" in proxy["command"]
