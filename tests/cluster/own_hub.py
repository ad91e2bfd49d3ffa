"""A hub of a test's own, as its operator and its people use it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import yaml

from cluster.commands import deploy_unproved, forgotten, run_hubops
from cluster.conftest import NAME, Access, Cluster, Fleet, access
from cluster.test_deploy import make_fleet
from cluster.test_people import make_token, xsrf
from hubops.checks.notebook import wait_answer
from hubops.clients.hub import open_hub
from hubops.clients.jupyter import Kernel
from hubops.clients.site import make_client
from hubops.deadline import Deadline
from hubops.desired.values import merge
from hubops.local.instance import load_instance
from hubops.local.secrets import load_or_create
from hubops.secret import Secret


@dataclass
class Operator:
    """Somebody with a repository of one hub."""

    root: Path
    cluster: Cluster
    hub: str

    @property
    def access(self) -> Access:
        """By the secrets that the hub has now; whoever forgets the hub makes others."""
        return access(load_instance(NAME), self.hub)

    async def deploy(self, values: Mapping[str, Any]) -> None:
        self._write(values)
        assert (await run_hubops(self.root, "deploy", self.hub)).code == 0

    async def bring(self, values: Mapping[str, Any]) -> None:
        """Deploy without the proof."""
        self._write(values)
        await deploy_unproved(self.root, self.hub, edge=True)

    def keep(self, secrets: Mapping[str, Any]) -> None:
        """Secrets of the hub beside those that were generated, from its next deploy on."""
        directory = load_instance(NAME).directory / "secrets"
        known = load_or_create(directory, self.hub)
        (directory / f"{self.hub}.json").write_text(json.dumps(merge(known, dict(secrets))))

    def _write(self, values: Mapping[str, Any]) -> None:
        file = self.root / f"hub-charts/{self.hub}/values.yaml"
        file.write_text(yaml.safe_dump({"jupyterhub": dict(values)}))

    async def kube(self, *words: str, stdin: str = "") -> str:
        """A kubectl command in the hub's namespace."""
        return await self.cluster.run("-n", self.hub, *words, stdin=stdin)

    async def restart_hub(self) -> None:
        """Until it answers: its Service leads to it a moment after it is ready."""
        await self.kube("delete", "pod", "-l", "component=hub")
        await self.kube("rollout", "status", "deployment/hub")
        async with open_hub(self.access.url, Secret(self.access.token)) as hub:
            await wait_answer(hub, Deadline(30))

    async def pods(self) -> dict[str, str]:
        """The uid of each component's pod."""
        fields = "jsonpath={range .items[*]}{.metadata.labels.component} {.metadata.uid}{'\\n'}{end}"
        found = await self.kube("get", "pods", "-o", fields)
        return dict(line.split() for line in found.splitlines())

    async def pod(self, component: str) -> str:
        fields = "jsonpath={.items[*].metadata.uid}"
        return await self.kube("get", "pods", "-l", f"component={component}", "-o", fields)

    async def pulled(self) -> dict[str, str]:
        """The digest of the image that each component's pod runs, as its node has pulled it."""
        components = "component in (hub,proxy,singleuser-server)"
        pods = json.loads(await self.kube("get", "pods", "-l", components, "-o", "json"))["items"]
        return {
            pod["metadata"]["labels"]["component"]: pod["status"]["containerStatuses"][0][
                "imageID"
            ].rpartition("@")[2]
            for pod in pods
        }

    async def server(self, pod: str) -> Mapping[str, Any]:
        found = json.loads(await self.kube("get", "pod", pod, "-o", "json"))
        containers: list[Mapping[str, Any]] = found["spec"]["containers"]
        return containers[0]

    async def inside(self, pod: str, script: str) -> str:
        return await self.kube("exec", pod, "-c", "notebook", "--", "sh", "-ec", script)


@dataclass
class Browser:
    """Somebody who is logged in."""

    name: str
    http: httpx2.AsyncClient
    token: Secret = Secret("")  # noqa: RUF009 - it cannot be changed

    def xsrf(self) -> dict[str, str]:
        return {"X-XSRFToken": xsrf(self.http)}

    async def start(self, server: str = "", **options: str) -> None:
        """Ask for a server as the page of choices does, and wait until it answers."""
        path = f"hub/spawn/{self.name}" + (f"/{server}" if server else "")
        data = {**options, "_xsrf": self.xsrf()["X-XSRFToken"]}
        answer = await self.http.post(path, data=data)
        assert answer.is_redirect, answer.text
        async with asyncio.timeout(180):
            while not (await self.http.get(f"user/{self.name}/{server and server + '/'}api")).is_success:
                await asyncio.sleep(0.3)

    async def stop(self) -> None:
        """All servers, to their end."""
        async with asyncio.timeout(90):
            while servers := await self._servers():
                for name, server in servers.items():
                    path = f"servers/{name}" if name else "server"
                    if server["ready"]:
                        await self.http.delete(f"hub/api/users/{self.name}/{path}", headers=self.xsrf())
                await asyncio.sleep(0.3)

    async def make_kernel(self) -> str:
        """A kernel in the person's server that goes on without a web socket."""
        return str((await self._jupyter("POST", "api/kernels", json={})).json()["id"])

    async def run(self, kernel: str, code: str) -> str:
        """What the code prints in a kernel, on a web socket of its own."""
        async with self.open(kernel) as opened:
            return (await opened.run(code)).stdout

    @asynccontextmanager
    async def open(self, kernel: str) -> AsyncIterator[Kernel]:
        """A web socket to a kernel, for many cells."""
        session = uuid4().hex
        path = f"user/{self.name}/api/kernels/{kernel}/channels?session_id={session}"
        url = self.http.base_url.join(path).copy_with(scheme="ws")
        async with self.http.websocket(url, headers=self._bearer()) as socket:
            yield Kernel(socket, session, path)

    async def _jupyter(self, method: str, path: str, **more: Any) -> httpx2.Response:
        answer = await self.http.request(method, f"user/{self.name}/{path}", headers=self._bearer(), **more)
        answer.raise_for_status()
        return answer

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token.reveal()}"}

    async def _servers(self) -> Mapping[str, Any]:
        answer = await self.http.get(f"hub/api/users/{self.name}", headers=self.xsrf())
        known: Mapping[str, Any] = answer.json()["servers"]
        return {name: each for name, each in known.items() if each["ready"] or each["pending"]}


@dataclass
class Door:
    """People come in here; their browsers are closed with `stack`."""

    operator: Operator
    stack: AsyncExitStack

    async def log_in(self, name: str, password: str = "") -> Browser:
        """An administrator has a password of their own."""
        client = make_client(self.operator.access.url, {})
        client.timeout = httpx2.Timeout(60)
        http = await self.stack.enter_async_context(client)
        await http.get("hub/login")
        browser = Browser(name, http)
        fields = {
            "username": name,
            "password": password or self.operator.access.password,
            "_xsrf": browser.xsrf()["X-XSRFToken"],
        }
        await http.post("hub/login", data=fields)
        assert (await http.get("hub/home")).is_success
        return browser

    async def let_in(self, name: str, password: str = "") -> Browser:
        """Logged in, with a token for the person's servers."""
        browser = await self.log_in(name, password)
        browser.token = Secret(await make_token(browser.http, name))
        return browser


@asynccontextmanager
async def own_hub(
    fleet: Fleet, cluster: Cluster, directory: Path, name: str, people: Iterable[str], *, unset: str = ""
) -> AsyncIterator[Operator]:
    """A repository like ours with this one hub, which has the files of staginghub.

    Nobody knows it before, and nobody after. Of the values that the local cluster sets above all others, `unset` are not.
    """
    assert fleet.hubs, "their images and the cluster's address are there"
    root = make_fleet(directory)
    hub = root / "hub-charts" / name
    (root / "hub-charts" / "staginghub").rename(hub)
    shutil.rmtree(root / "hub-charts" / "earthhub")
    (hub / "Chart.yaml").write_text((hub / "Chart.yaml").read_text().replace("staginghub", name))
    (hub / "people.yaml").write_text(f"admins: [teacher]\nallowed: [{', '.join(people)}]\n")
    top = root / "values/local.yaml"
    values = yaml.safe_load(top.read_text())
    values["jupyterhub"].pop(unset, None)
    top.write_text(yaml.safe_dump(values))
    async with forgotten(cluster, name):
        yield Operator(root, cluster, name)
