"""A service of a hub that runs beside it: people reach it through the proxy, and their servers where a rule lets them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cluster.conftest import Cluster, Fleet
from cluster.network import Pod, knock
from cluster.own_database import POD_SECURITY, SECURITY
from cluster.own_hub import Browser, Door, Operator, own_hub
from hubops.desired.values import merge

pytestmark = pytest.mark.long
HUB = "servicehub"
PORT = 8080
VALUES: dict[str, Any] = {
    "hub": {
        "services": {"grader": {"url": f"http://grader:{PORT}"}},
        "loadRoles": {"grader": {"scopes": ["list:users", "read:users:name"], "services": ["grader"]}},
    }
}
TO_GRADER = {"to": [{"podSelector": {"matchLabels": {"app": "grader"}}}], "ports": [{"port": PORT}]}
OPENED = merge(VALUES, {"singleuser": {"networkPolicy": {"egress": [TO_GRADER]}}})
# Tells whom the hub knows, by the service's own token.
GRADER = f"""
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import Request, urlopen

class Grader(BaseHTTPRequestHandler):
    def do_GET(self):
        bearer = {{"Authorization": "token " + os.environ["TOKEN"]}}
        people = urlopen(Request("http://hub:8081/{HUB}/hub/api/users", headers=bearer)).read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(people)

HTTPServer(("", {PORT}), Grader).serve_forever()
"""
ASK = f"python3 -c \"from urllib.request import urlopen as u; print(u('http://proxy-public/{HUB}/services/grader/').status)\""


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    async with own_hub(fleet, cluster, tmp_path_factory.mktemp("services"), HUB, ("ada",)) as operator:
        operator.keep({"hub": {"services": {"grader": {"apiToken": "9a" * 32}}}})
        await operator.bring(VALUES)
        yield operator


@pytest.fixture
async def ada(operator: Operator) -> AsyncIterator[Browser]:
    async with AsyncExitStack() as stack:
        browser = await Door(operator, stack).let_in("ada")
        await browser.start()
        yield browser
        await browser.stop()


async def test_people_and_their_servers_reach_a_service_as_far_as_its_hub_says(
    operator: Operator, ada: Browser
) -> None:
    image = (await operator.server("jupyter-ada"))["image"]
    for thing in grader(image):
        await operator.kube("apply", "-f", "-", stdin=json.dumps(thing))
    await operator.kube("wait", "pod/grader", "--for=condition=Ready", "--timeout=60s")

    # The hub, which was there first, asked for its name: the cluster's DNS remembers half a minute that there was none.
    async with asyncio.timeout(60):
        while not (answer := await ada.http.get("services/grader/")).is_success:
            await asyncio.sleep(1)
    assert {"ada", "teacher"} <= {person["name"] for person in answer.json()}
    assert await operator.inside("jupyter-ada", ASK) == "200\n", "as people do, through the proxy"
    address = await operator.kube("get", "pod", "grader", "-o", "jsonpath={.status.podIP}")
    server = Pod(HUB, "jupyter-ada")
    assert await knock(operator.cluster, server, [(address, PORT)]) == [False]

    before = await operator.pods()
    await operator.bring(OPENED)
    assert await knock(operator.cluster, server, [(address, PORT)]) == [True]
    assert await operator.pods() == before, "a policy restarts nobody"


def grader(image: str) -> list[Mapping[str, Any]]:
    token = {"secretKeyRef": {"name": "hub", "key": "hub.services.grader.apiToken"}}
    container = {
        "name": "grader",
        "image": image,
        "command": ["python3", "-c", GRADER],
        "env": [{"name": "TOKEN", "valueFrom": token}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": SECURITY,
    }
    labels = {"app": "grader", "component": "grader", "hub.jupyter.org/network-access-hub": "true"}
    named = {"name": "grader", "labels": labels}
    pod = {"securityContext": POD_SECURITY, "containers": [container]}
    service = {"selector": {"app": "grader"}, "ports": [{"port": PORT}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": service},
    ]
