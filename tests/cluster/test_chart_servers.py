"""The same values on the embedded chart and on the upstream one: people's servers, as Kubernetes and people see them."""

import json
import re
import tarfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.conftest import Cluster, Fleet
from cluster.own_hub import Door, Operator, own_hub
from cluster.test_chart_move import depend
from drop_in import differences, flat
from hubops.clients.hub import open_hub
from hubops.secret import Secret

pytestmark = pytest.mark.long
HUB = "serverhub"
HOME = "/home/jovyan"
# What a person chooses; the second kind is an option of a profile.
CHOICES = {"ada": {"profile": "small"}, "ben": {"profile": "own", "profile-option-own--cpu": "half"}}
# Every key of the servers that does something on a cluster of one node.
VALUES: dict[str, Any] = {
    "cull": {"enabled": False},
    "debug": {"enabled": True},
    "imagePullSecrets": [{"name": "registry"}],
    "prePuller": {"hook": {"enabled": False}, "continuous": {"enabled": False}},
    "scheduling": {
        "podPriority": {"enabled": True},
        "userPods": {"nodeAffinity": {"matchNodePurpose": "prefer"}},
        "userScheduler": {"enabled": False},
    },
    "singleuser": {
        "cloudMetadata": {"blockWithIptables": False},
        "cmd": ["start-with-course", "jupyterhub-singleuser"],
        "cpu": {"guarantee": 0.05, "limit": 2},
        "defaultUrl": "/tree/earth-course",
        "extraAnnotations": {"example.org/person": "{username}"},
        "extraEnv": {
            "COURSE": "geology",
            "NODE": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            "PERSON": "{username}",
        },
        "extraFiles": {
            "motd": {"mountPath": "/etc/motd.course", "stringData": "Welcome", "mode": 0o440},
            "settings": {"mountPath": "/etc/course/settings.json", "data": {"term": 2}},
            "logo": {"mountPath": "/etc/course/logo", "binaryData": "iVBORw=="},
        },
        "extraLabels": {"hub.jupyter.org/network-access-hub": "true", "team": "geo"},
        "extraTolerations": [{"key": "dedicated", "operator": "Equal", "value": "x", "effect": "NoSchedule"}],
        "fsGid": 1001,
        "image": {"pullPolicy": "IfNotPresent"},
        "initContainers": [
            {
                "name": "prepare",
                "image": {"hubops-image": "earth"},
                "command": ["sh", "-ec", "echo {username} > /home/prepared"],
                "securityContext": {"runAsUser": 1000},
                "volumeMounts": [{"name": "work-{username}", "mountPath": "/home", "subPath": "inner"}],
            },
            {"name": "second", "image": {"hubops-image": "earth"}, "command": ["true"]},
        ],
        "lifecycleHooks": {
            "postStart": {"exec": {"command": ["sh", "-c", "echo $COURSE > /scratch/started || true"]}},
            "preStop": {"exec": {"command": ["sh", "-c", "echo $PERSON >> ~/stopped || true"]}},
        },
        "memory": {"guarantee": "100M", "limit": "1G"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "profileList": [
            {"display_name": "Small", "slug": "small", "default": True},
            {
                "display_name": "Own",
                "slug": "own",
                "kubespawner_override": {"mem_limit": "512M", "environment": {"SIZE": "own"}},
                "profile_options": {
                    "cpu": {
                        "display_name": "Processors",
                        "choices": {
                            "half": {"display_name": "half", "kubespawner_override": {"cpu_limit": 0.5}},
                        },
                    }
                },
            },
        ],
        "startTimeout": 200,
        "storage": {
            "capacity": "2Gi",
            "homeMountPath": HOME,
            "dynamic": {"volumeNameTemplate": "work-{username}", "subPath": "inner"},
            "extraVolumes": {"scratch": {"name": "scratch", "emptyDir": {"sizeLimit": "8Mi"}}},
            "extraVolumeMounts": {"scratch": {"name": "scratch", "mountPath": "/scratch"}},
        },
        "uid": 1000,
    },
}

# What somebody sees in a server. Upstream ends each file with a line's end, whether the values say so or not.
SCRIPT = """\
line() { sed '$a\\' "$1"; }
cd; cat prepared; ls -d earth-course; cat stopped 2>/dev/null || true
line /etc/motd.course; line /etc/course/settings.json; base64 /etc/course/logo
stat -Lc '%a %g' /etc/motd.course
echo $COURSE $PERSON ${SIZE-}; test "$NODE"
cat /scratch/started; touch /scratch/mine
id -u; id -G
ls /var/run/secrets 2>/dev/null | wc -l
echo $CPU_LIMIT $CPU_GUARANTEE $MEM_LIMIT $MEM_GUARANTEE $JUPYTERHUB_DEFAULT_URL
"""
INSIDE = """\
{who}
earth-course
{stopped}Welcome
{{"term":2}}
iVBORw==
440 1001
geology {who}{size}
geology
1000
1000 1001
0
{limits} /tree/earth-course
"""
SEEN = {
    "ada": INSIDE.format(who="ada", stopped="ada\n", size="", limits="2.0 0.05 1073741824 104857600"),
    "ben": INSIDE.format(who="ben", stopped="", size=" own", limits="0.5 0.05 536870912 104857600"),
}

SERVER = r"pod\.spec\.containers\[notebook\]"
# Fields as a regular expression, and why they differ.
REASONS = {
    r"(pod|claim)\.metadata\.labels\.(chart|helm\.sh/chart)": "Each chart has a version of its own.",
    r"pod\.spec\.enableServiceLinks": "Variables of every Service are of use to nobody here.",
    r"pod\.spec\.securityContext\.(runAsNonRoot|seccompProfile\.type)": "As pod security `restricted` asks.",
    rf"{SERVER}\.env\[JUPYTERHUB_ADMIN_ACCESS\]\..*": (
        "JupyterHub has roles for this; the setting does nothing since version 2."
    ),
    rf"{SERVER}\.securityContext\.capabilities\.drop": "As pod security `restricted` asks.",
}
# Given out by the cluster, or by the hub for one server.
OWN = re.compile(
    r"(pod|claim)\.metadata\.(creationTimestamp|generation|managedFields.*|resourceVersion|uid)"
    r"|claim\.metadata\.annotations\.volume.*|claim\.spec\.volumeName|(pod|claim)\.status\..*|pod\.spec\.nodeName"
    rf"|{SERVER}\.env\[(JUPYTERHUB_API_TOKEN|JPY_API_TOKEN)\]\.value"
)


@dataclass
class Servers:
    """People's servers on one chart: their fields by person, and what somebody sees within."""

    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, upstream_chart: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    directory = tmp_path_factory.mktemp("servers")
    # Above everything else it says sizes for a small machine.
    async with own_hub(fleet, cluster, directory, HUB, CHOICES, unset="singleuser") as operator:
        with tarfile.open(upstream_chart) as packed:
            packed.extractall(operator.root / "upstream")  # noqa: S202 - the upstream chart
        yield operator


@pytest.fixture(scope="module")
async def theirs(operator: Operator) -> Servers:
    return await start_all(operator, operator.root / "upstream" / "jupyterhub")


@pytest.fixture(scope="module")
async def ours(operator: Operator, theirs: Servers) -> Servers:
    assert theirs.seen, "first the other chart, so that the same hub moves"
    return await start_all(operator, operator.root / "charts" / "jupyterhub")


async def start_all(operator: Operator, chart: Path) -> Servers:
    """Everybody's server with a new home, and the first person's once more."""
    await depend(operator, chart)
    await operator.bring(VALUES)
    found = Servers()
    async with AsyncExitStack() as stack:
        door = Door(operator, stack)
        for name, choice in CHOICES.items():
            person = await door.let_in(name)
            await person.start(**choice)
            found.fields[name] = await fields_of(operator, name)
            if name == "ada":
                await person.stop()
                await person.start(**choice)
            found.seen[name] = await operator.inside(f"jupyter-{name}", SCRIPT)
            await person.stop()
    # KubeSpawner remembers of a person that there is a claim, and would not make it again.
    async with open_hub(operator.access.url, Secret(operator.access.token)) as hub:
        for name in CHOICES:
            await hub.delete_user(name)
    await operator.kube("delete", "pvc", *(f"claim-{name}" for name in CHOICES))
    return found


async def fields_of(operator: Operator, name: str) -> dict[str, Any]:
    pod = json.loads(await operator.kube("get", "pod", f"jupyter-{name}", "-o", "json"))
    claim = json.loads(await operator.kube("get", "pvc", f"claim-{name}", "-o", "json"))
    found = dict(flat({"pod": pod, "claim": claim}, "")).items()
    return {path[1:]: value for path, value in found if not OWN.fullmatch(path[1:])}


def reasons_for(path: str) -> list[str]:
    return [pattern for pattern in REASONS if re.fullmatch(pattern, path)]


def test_people_see_the_same_and_what_the_values_say(ours: Servers, theirs: Servers) -> None:
    assert theirs.seen == SEEN
    assert ours.seen == SEEN


@pytest.mark.parametrize("name", CHOICES)
def test_each_field_that_differs_has_its_reason(ours: Servers, theirs: Servers, name: str) -> None:
    found = differences(ours.fields[name], theirs.fields[name])
    assert {path: pair for path, pair in found.items() if not reasons_for(path)} == {}


def test_no_reason_is_idle_and_a_server_has_the_fields_of_the_values(ours: Servers, theirs: Servers) -> None:
    found = {path for name in CHOICES for path in differences(ours.fields[name], theirs.fields[name])}
    assert {pattern for path in found for pattern in reasons_for(path)} == {*REASONS}
    ada = ours.fields["ada"]
    assert len(ada) > 100
    assert ada["pod.metadata.labels.team"] == "geo"
    assert ada["pod.metadata.annotations.example.org/person"] == "ada"
    assert ada["pod.spec.tolerations[dedicated].value"] == "x"
    assert ada["pod.spec.initContainers[prepare].volumeMounts[/home].subPath"] == "inner"
    assert ada["pod.spec.volumes[work-ada].persistentVolumeClaim.claimName"] == "claim-ada"
    assert ada["claim.spec.resources.requests.storage"] == "2Gi"
