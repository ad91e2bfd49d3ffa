"""A hub of the embedded chart as its people see it: choices, storage, files, rights; and what survives what."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import httpx2
import pytest
from httpx2.websockets import HTTPXWSException

from cluster import own_database
from cluster.conftest import Cluster, Fleet
from cluster.own_database import SECURITY, bring_database, build_database, in_database
from cluster.own_hub import Browser, Door, Operator, own_hub
from hubops.clients.buildctl import Buildctl
from hubops.clients.hub import log_in, open_hub
from hubops.clients.jupyter import Kernel
from hubops.desired.values import merge
from hubops.errors import HubError, OutOfReachError, ProgramError
from hubops.secret import Secret

HUB = "charthub"
# A new proxy starts in a few seconds, and has its routes two seconds later.
LONGEST_GAP_S = 30
PEOPLE = ("ada", "ben", "cem", "student")
VALUES = {
    "hub": {
        "allowNamedServers": True,
        "namedServerLimitPerUser": 1,
        "extraConfig": {"greet": "c.JupyterHub.template_vars = {'announcement': get_config('custom.motd')}"},
        "loadRoles": {
            "graders": {"users": ["cem"], "scopes": ["list:users", "read:users:name"]},
        },
    },
    "custom": {"motd": "Exams begin on Monday"},
    "prePuller": {"continuous": {"enabled": True}},
    "scheduling": {
        "podPriority": {"enabled": True},
        "userPlaceholder": {"enabled": True, "replicas": 1, "resources": {"requests": {"memory": "16Mi"}}},
    },
    "singleuser": {
        "initContainers": [
            {
                "name": "prepare",
                "image": {"hubops-image": "earth"},
                "command": ["sh", "-ec", "echo for {username} > /scratch/prepared"],
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                "securityContext": SECURITY,
            }
        ],
        "extraEnv": {
            "COURSE": "geology",
            "NODE": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        },
        "extraFiles": {
            "motd": {"mountPath": "/etc/motd.course", "stringData": "Welcome\n", "mode": 0o444},
            "settings": {"mountPath": "/etc/course/settings.json", "data": {"term": 2}},
        },
        "storage": {
            "extraVolumes": {"scratch": {"name": "scratch", "emptyDir": {}}},
            "extraVolumeMounts": {"scratch": {"name": "scratch", "mountPath": "/scratch"}},
        },
        "profileList": [
            {
                "display_name": "Small",
                "slug": "small",
                "default": True,
                "kubespawner_override": {"mem_limit": "512M"},
            },
            {
                "display_name": "Large",
                "slug": "large",
                "kubespawner_override": {
                    "mem_limit": "1G",
                    "environment": {"SIZE": "large"},
                    "default_url": "/tree",
                },
            },
            {
                "display_name": "Own",
                "slug": "own",
                "profile_options": {
                    "cpu": {
                        "display_name": "Processors",
                        "choices": {
                            "half": {"display_name": "half", "kubespawner_override": {"cpu_limit": 0.5}},
                            "one": {"display_name": "one", "kubespawner_override": {"cpu_limit": 1}},
                        },
                    }
                },
            },
        ],
    },
}


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    async with own_hub(fleet, cluster, tmp_path_factory.mktemp("chart"), HUB, PEOPLE) as operator:
        await operator.kube("create", "namespace", HUB)
        await operator.kube("label", "namespace", HUB, "pod-security.kubernetes.io/enforce=restricted")
        await operator.deploy(VALUES)
        yield operator


@pytest.fixture
async def door(operator: Operator) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        yield Door(operator, stack)


async def test_a_namespace_for_restricted_pods_takes_all_of_them(operator: Operator, door: Door) -> None:
    with pytest.raises(ProgramError) as caught:
        await operator.kube("run", "somebody", "--image=nothing")
    assert "violates PodSecurity" in str(caught.value)

    ada = await door.let_in("ada")
    await ada.start(profile="small")
    assert await operator.inside("jupyter-ada", "cat /scratch/prepared") == "for ada\n"
    await operator.kube("rollout", "status", "daemonset/continuous-image-puller")
    await operator.kube("wait", "statefulset/user-placeholder", "--for=jsonpath={.status.readyReplicas}=1")
    parts = {"hub", "proxy", "singleuser-server", "continuous-image-puller", "user-placeholder"}
    assert (await operator.pods()).keys() == parts
    fields = "jsonpath={.items[*].spec.priorityClassName}"
    classes = set((await operator.kube("get", "pods", "-o", fields)).split())
    assert classes == {f"{HUB}-{name}-priority" for name in ("default", "image-puller", "user-placeholder")}
    await ada.stop()


async def test_people_choose_and_find_what_the_values_say(operator: Operator, door: Door) -> None:
    ada = await door.let_in("ada")
    page = (await ada.http.get("hub/spawn/ada")).text
    assert all(title in page for title in ("Small", "Large", "Own", "Processors"))
    assert "Exams begin on Monday" in page

    await ada.start(profile="small")
    assert (await operator.server("jupyter-ada"))["resources"]["limits"]["memory"] == "536870912"
    found = await operator.inside(
        "jupyter-ada",
        "cat /etc/motd.course /etc/course/settings.json; echo $COURSE $NODE; id -u; touch /scratch/a ~/kept; ls /scratch;"
        " ls /var/run/secrets 2>&1 | wc -l; stat -Lc %a /etc/motd.course",
    )
    node = (await operator.cluster.run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")).strip()
    expected = ["Welcome", '{"term":2}', f"geology {node}", "1000", "a", "prepared", "1", "444"]
    assert found.splitlines() == expected
    await ada.stop()

    await ada.start(profile="large")
    assert (await operator.server("jupyter-ada"))["resources"]["limits"]["memory"] == "1073741824"
    assert "large geology" in await operator.inside("jupyter-ada", "ls ~/kept; echo $SIZE $COURSE")
    front = await ada.http.get("user/ada/", headers={"Authorization": f"token {ada.token.reveal()}"})
    assert "/user/ada/tree" in front.headers["location"]
    await ada.stop()

    await ada.start(**{"profile": "own", "profile-option-own--cpu": "half"})
    assert (await operator.server("jupyter-ada"))["resources"]["limits"]["cpu"] == "500m"

    await ada.start("second", profile="small")
    claims = await operator.kube("get", "pvc", "-o", "jsonpath={.items[*].metadata.name}")
    assert {"claim-ada", "claim-ada--second"} <= set(claims.split())
    refused = await ada.http.post("hub/api/users/ada/servers/third", json={}, headers=ada.xsrf())
    assert refused.status_code == 400, "one named server, and no more"
    await ada.stop()

    await operator.kube("delete", "pvc", "claim-ada--second")
    await ada.start("second", profile="small")
    assert await operator.kube("get", "pvc", "claim-ada--second"), "as on a cluster that was made anew"
    await ada.stop()


async def test_a_token_and_a_role_give_what_they_name_and_no_more(operator: Operator, door: Door) -> None:
    cem, ben = await door.let_in("cem"), await door.let_in("ben")
    async with open_hub(operator.access.url, cem.token) as hub:
        assert "teacher" in {person.name for person in await hub.list_people()}, "by the role"
        with pytest.raises(HubError):
            await hub.start_server("ben", {})
    asked = {"scopes": ["read:users:name!user"]}
    made = await ben.http.post("hub/api/users/ben/tokens", json=asked, headers=ben.xsrf())
    async with open_hub(operator.access.url, Secret(made.json()["token"])) as hub:
        assert (await hub.find_person("ben")) is not None
        with pytest.raises(HubError):
            await hub.start_server("ben", {})


async def test_kernels_survive_the_hub_its_upgrade_and_the_proxy(operator: Operator, door: Door) -> None:
    ben = await door.let_in("ben")
    await ben.start(profile="small")
    kernel = await ben.make_kernel()
    async with ben.open(kernel) as opened:
        await require_survival(operator, opened)
    gap_s = await restart_proxy(operator, ben, kernel)
    print(f"FIGURE: {gap_s:.1f} s without a web socket while the proxy restarted")  # noqa: T201
    assert await log_in(operator.access.url, "cem", Secret(operator.access.password))


async def require_survival(operator: Operator, kernel: Kernel) -> None:
    """On one web socket, while the hub restarts and is upgraded."""
    await kernel.run("kept = 41")
    first, proxy = await operator.pod("hub"), await operator.pod("proxy")
    await operator.restart_hub()
    second = await operator.pod("hub")
    assert (await kernel.run("print(kept + 1)")).stdout == "42\n"
    await operator.deploy(merge(VALUES, {"hub": {"extraEnv": {"CHANGED": "1"}}}))
    assert (await kernel.run("print(kept + 2)")).stdout == "43\n"
    assert len({first, second, await operator.pod("hub")}) == 3
    assert await operator.pod("proxy") == proxy, "nothing restarts the proxy but its own settings"


async def restart_proxy(operator: Operator, person: Browser, kernel: str) -> float:
    """Seconds from the end of an open web socket to what the kernel kept, on a new one."""
    try:
        async with asyncio.timeout(LONGEST_GAP_S), person.open(kernel) as opened:
            await operator.kube("delete", "pod", "-l", "component=proxy", "--wait=false")
            while True:
                await opened.run("")
                await asyncio.sleep(0.1)
    except* OutOfReachError:
        pass
    began = monotonic()
    async with asyncio.timeout(LONGEST_GAP_S):
        while await ask(person, kernel) != "41\n":
            await asyncio.sleep(0.1)
    return monotonic() - began


async def ask(person: Browser, kernel: str) -> str:
    """What the kernel kept; "" while it cannot be reached."""
    kept = ""
    try:
        async with asyncio.timeout(3):
            kept = await person.run(kernel, "print(kept)")
    except* (httpx2.HTTPError, HTTPXWSException, OutOfReachError, TimeoutError):
        pass
    return kept


@pytest.mark.long
async def test_what_nobody_uses_is_stopped_and_the_hub_stays(operator: Operator, door: Door) -> None:
    await operator.deploy(VALUES)
    cem = await door.let_in("cem")
    await cem.start(profile="small")
    hub = await operator.pod("hub")
    await operator.deploy(merge(VALUES, {"cull": {"timeout": 5, "every": 5}}))
    assert await operator.pod("hub") == hub, "another timeout is no reason to restart the hub"
    async with asyncio.timeout(180):
        while await operator.kube("get", "pod", "jupyter-cem", "--ignore-not-found"):
            await asyncio.sleep(1)
    await operator.deploy(VALUES)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["none", "static"])
async def test_storage(operator: Operator, door: Door, kind: str) -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "homes"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await operator.kube("apply", "-f", "-", stdin=json.dumps({**claim, "spec": spec}))
    await operator.deploy(
        merge(VALUES, {"singleuser": {"storage": {"type": kind, "static": {"pvcName": "homes"}}}})
    )
    cem = await door.let_in("cem")
    await cem.start(profile="small")
    await operator.inside("jupyter-cem", "echo work > ~/paper")
    await cem.stop()
    await cem.start(profile="small")
    kept = await operator.inside("jupyter-cem", "cat ~/paper 2>/dev/null || true")
    assert kept == ("work\n" if kind == "static" else "")
    await cem.stop()
    await operator.deploy(VALUES)


@pytest.fixture
async def postgres(builder: Buildctl, base: dict[str, Path], registry: str, tmp_path: Path) -> str:
    return await build_database(builder, base, registry, tmp_path)


@pytest.mark.long
async def test_the_hub_keeps_its_people_in_a_postgresql(
    operator: Operator, door: Door, postgres: str
) -> None:
    await bring_database(operator, postgres)
    await operator.deploy(merge(VALUES, own_database.VALUES))
    ada = await door.let_in("ada")
    await ada.start(profile="small")
    await operator.restart_hub()
    assert (await ada.http.get("hub/home")).is_success, "still logged in"
    assert (await ada.http.get("user/ada/api")).is_success, "the server runs, and the hub knows it"
    assert "ada" in (await in_database(operator, "psql hub -Atc 'SELECT name FROM users'")).split()
    await ada.stop()
    await operator.deploy(VALUES)
