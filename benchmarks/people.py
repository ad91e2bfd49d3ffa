"""A hundred people who log in and thirty servers at once: on the embedded chart, and on the upstream chart beside it.

Needs the local cluster (./start) and an archive of the upstream chart. Writes people.md beside this file.
"""
# ruff: noqa: E402 - what is imported lies in the project's environment, which the first lines change to

import importlib.util
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("pytest") is None:
    sys.path.insert(0, str(PROJECT / "toolchain"))
    import bootstrap

    os.chdir(PROJECT)
    bootstrap.run("benchmarks.people", sys.argv[1:], lock="dev")

import argparse
import asyncio
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median, quantiles
from time import monotonic
from typing import Any

import httpx2
import yaml
from benchmarks.deploy import describe_machine

from hubops.local.instance import local_instance

os.environ["HUBOPS_TEST_INSTANCE"] = local_instance().name  # what the tests' helpers take for their cluster
from cluster.commands import forget_hub, run_hubops
from cluster.conftest import Cluster
from cluster.own_hub import Browser, Door, Operator
from cluster.test_deploy import UPSTREAM_VALUES, make_upstream_fleet
from hubops.clients import process
from hubops.desired.values import merge
from hubops.local.toolchain import require_tool

OURS, THEIRS = HUBS = ("embedded", "upstream")
PEOPLE = [f"person{number:03}" for number in range(100)]
AT_ONCE = 30  # servers; and as many people log in at a time as a browser opens connections
LOGINS_AT_ONCE = 6
# The kubelet counts what a pod uses about every ten seconds.
SETTLE_S = 25
VISIT_LIMIT_S = 600
POLL_S = 0.05
DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
RUN useradd --uid 1000 --create-home jovyan
ENV PATH=/opt/small/bin:$PATH
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \\
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt python3 -m venv /opt/small \\
    && PIP_CERT=/etc/ssl/certs/ca-certificates.crt pip install -q jupyterhub==5.5.* jupyter_server ipykernel \\
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/small/lib
USER 1000:1000
WORKDIR /home/jovyan
CMD ["jupyterhub-singleuser"]
"""
DEFAULTS = yaml.safe_load((PROJECT / "charts/jupyterhub/values.yaml").read_text())
VALUES: dict[str, Any] = {
    # JupyterHub gives up a server that does not answer half a minute after its container runs, and with it most of these.
    "hub": {
        "concurrentSpawnLimit": 64,
        "config": {"KubeSpawner": {"http_timeout": 300}},
        # What the embedded chart asks for by itself. Upstream asks for none; its hub, and its people, then wait for processors
        # behind the servers, and use fewer.
        "resources": DEFAULTS["hub"]["resources"],
    },
    "proxy": {"chp": {"resources": DEFAULTS["proxy"]["chp"]["resources"]}},
    "singleuser": {"memory": {"guarantee": "64M"}, "storage": {"type": "none"}, "defaultUrl": "/tree"},
}
Samples = defaultdict[str, list[float]]


@dataclass(frozen=True)
class Machine:
    """The fleet of this run, and the cluster."""

    root: Path
    cluster: Cluster

    def operator(self, hub: str) -> Operator:
        return Operator(self.root, self.cluster, hub)

    async def usage(self, hub: str) -> dict[str, tuple[float, float]]:
        """MiB in use and seconds of CPU so far, of hub and proxy."""
        path = f"/api/v1/nodes/{local_instance().node}/proxy/stats/summary"
        pods = json.loads(await self.cluster.run("get", "--raw", path))["pods"]
        return {
            part: (pod["memory"]["workingSetBytes"] / 2**20, pod["cpu"]["usageCoreNanoSeconds"] / 1e9)
            for pod in pods
            for part in ("hub", "proxy")
            if pod["podRef"]["namespace"] == hub and pod["podRef"]["name"].startswith(f"{part}-")
        }


def make_fleet(directory: Path, archive: Path) -> Path:
    """Ours with two hubs more, alike but for their charts."""
    root = make_upstream_fleet(directory, archive)
    theirs, ours = root / "hub-charts" / "upstreamhub", root / "hub-charts" / OURS
    theirs.rename(root / "hub-charts" / THEIRS)
    theirs = root / "hub-charts" / THEIRS
    shutil.copytree(root / "hub-charts" / "staginghub", ours)
    for hub in (ours, theirs):
        chart = (hub / "Chart.yaml").read_text().replace("upstreamhub", THEIRS).replace("staginghub", OURS)
        (hub / "Chart.yaml").write_text(chart)
        (hub / "hub.yaml").write_text("stage: staging\nimage: small\n")
        (hub / "people.yaml").write_text(json.dumps({"admins": ["teacher"], "allowed": PEOPLE}))
    (ours / "values.yaml").write_text(json.dumps({"jupyterhub": VALUES}))
    (theirs / "values.yaml").write_text(json.dumps({"jupyterhub": merged(UPSTREAM_VALUES)}))
    image = root / "user-images" / "small"
    image.mkdir()
    (image / "Dockerfile").write_text(DOCKERFILE)
    return root


def merged(text: str) -> Any:
    """Upstream's values for this cluster, with ours above them."""
    return merge(yaml.safe_load(text)["jupyterhub"], VALUES)


async def time_to_serving(machine: Machine, hub: str) -> float:
    """Seconds from helm's start to the hub's first answer at the common address."""
    began = serving = 0.0

    def on_line(line: str) -> None:
        nonlocal began
        if "helm upgrade" in line and f" {hub} " in line:
            began = monotonic()

    async def watch() -> None:
        nonlocal serving
        # On a new connection each time: one that is kept leads to the edge from before.
        afresh = {"Connection": "close"}
        async with httpx2.AsyncClient(base_url=local_instance().url, timeout=2, headers=afresh) as http:
            while not serving:
                try:
                    if (await http.get(f"/{hub}/hub/health")).is_success and began:
                        serving = monotonic()
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(POLL_S)

    watching = asyncio.create_task(watch())
    words = [sys.executable, "-m", "hubops.cli.main", "--verbose", "deploy", hub]
    await process.run(words, cwd=machine.root, on_line=on_line)
    await asyncio.wait_for(watching, 60)
    return serving - began


async def start(browser: Browser) -> bool:
    """A server, until it answers itself; False where the hub gives up."""
    server = f"hub/api/users/{browser.name}/server"
    # A hub that is busy may be silent for long; the visit's own limit counts.
    browser.http.timeout = httpx2.Timeout(VISIT_LIMIT_S)
    (await browser.http.post(server, json={}, headers=browser.xsrf())).raise_for_status()
    async with browser.http.stream("GET", f"{server}/progress") as answer:
        async for line in answer.aiter_lines():
            event = json.loads(line[5:]) if line.startswith("data:") else {}
            if event.get("failed"):
                print(browser.name, event["message"])
                return False
            if event.get("ready"):
                break
    while not (await browser.http.get(f"user/{browser.name}/api")).is_success:
        await asyncio.sleep(POLL_S)
    return True


async def visit(machine: Machine, hub: str, samples: Samples) -> None:
    """Everybody logs in, some start a server, all of them at once."""

    async def timed(key: str, work: Awaitable[Any]) -> Any:
        began = monotonic()
        done = await work
        samples[f"{hub} {key}"].append(monotonic() - began)
        return done

    async def spawn(browser: Browser) -> None:
        began = monotonic()
        if await start(browser):
            samples[f"{hub} spawn"].append(monotonic() - began)

    async with AsyncExitStack() as stack, asyncio.timeout(VISIT_LIMIT_S):
        door, queue = Door(machine.operator(hub), stack), asyncio.Semaphore(LOGINS_AT_ONCE)

        async def log_in(name: str) -> Browser:
            async with queue:
                browser: Browser = await timed("login", door.log_in(name))
                return browser

        before = await machine.usage(hub)
        browsers = await timed("all logged in", asyncio.gather(*map(log_in, PEOPLE)))
        await asyncio.gather(*map(spawn, browsers[:AT_ONCE]))
        await asyncio.sleep(SETTLE_S)
        for part, (memory, cpu_s) in (await machine.usage(hub)).items():
            samples[f"{hub} {part} memory"].append(memory)
            samples[f"{hub} {part} cpu"].append(cpu_s - before[part][1])
        running = await machine.operator(hub).kube(
            "get", "pods", "-l", "component=singleuser-server", "-o", "name"
        )
        samples[f"{hub} running"].append(len(running.split()))


ROWS = {
    "from helm's start to the hub's first answer": ("serving", "s"),
    f"{len(PEOPLE)} people logged in, {LOGINS_AT_ONCE} at a time": ("all logged in", "s"),
    "one login": ("login", "s"),
    f"one of {AT_ONCE} servers started at once, until it answers": ("spawn", "s"),
    f"servers that ran then, of {AT_ONCE}": ("running", ""),
    "memory of the hub with them": ("hub memory", "MiB"),
    "memory of the proxy": ("proxy memory", "MiB"),
    "CPU time of the hub for all of it": ("hub cpu", "s"),
    "CPU time of the proxy": ("proxy cpu", "s"),
}
# What a row may be above the upstream chart's: two runs of one chart differ by as much.
NOISE = 1.1


def find_faults(samples: Samples) -> list[str]:
    """What is lost, slower or larger than on the upstream chart."""
    lost = [
        f"{hub}: of {AT_ONCE} servers {min(ran):.0f} ran"
        for hub in HUBS
        if min(ran := samples[f"{hub} running"]) < AT_ONCE
    ]
    keys = [key for key, _ in ROWS.values() if key != "running"]
    ratios = {key: median(samples[f"{OURS} {key}"]) / median(samples[f"{THEIRS} {key}"]) for key in keys}
    return lost + [f"{key}: {ratio:.2f} times upstream's" for key, ratio in ratios.items() if ratio > NOISE]


def format_results(samples: Samples, about: str) -> str:
    alike = "Both hubs ask for the same CPU and memory, and give a server 300 s to answer."
    lines = ["# People", "", about, "", f"Median (95th percentile, number). {alike}", ""]
    lines += ["| | embedded chart | upstream chart | ratio |", "| --- | --- | --- | --- |"]
    for text, (key, unit) in ROWS.items():
        ours, theirs = (samples[f"{hub} {key}"] for hub in HUBS)
        cells = [
            f"{median(each):.2f} {unit} ({percentile(each):.2f}, n={len(each)})" for each in (ours, theirs)
        ]
        lines.append(f"| {text} | {' | '.join(cells)} | {median(ours) / median(theirs):.2f} |")
    return "\n".join(lines) + "\n"


def percentile(values: list[float]) -> float:
    """The 95th, of at least two; else the one there is."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


async def benchmark(archive: Path, rounds: int) -> None:
    samples, about, hubs = Samples(list), describe_machine(), list(HUBS)
    with tempfile.TemporaryDirectory(prefix="hubops-people-") as directory:
        instance = local_instance()
        kubectl, helm = [await require_tool(name, lambda _: None) for name in ("kubectl", "helm")]
        cluster = Cluster(kubectl, helm, instance.kubeconfig, instance.context)
        machine = Machine(make_fleet(Path(directory), archive), cluster)
        await process.run([helm, "dependency", "update", machine.root / "hub-charts" / THEIRS])
        try:
            for number in range(rounds):
                for hub in hubs:
                    await forget_hub(cluster, hub)
                    await run_hubops(machine.root, "build", "small", "hub", "proxy", "--push")
                    samples[f"{hub} serving"].append(await time_to_serving(machine, hub))
                    await asyncio.sleep(SETTLE_S)
                    await visit(machine, hub, samples)
                    await forget_hub(cluster, hub)
                hubs.reverse()
                print(f"round {number + 1} of {rounds}")
        finally:
            for hub in HUBS:
                await forget_hub(cluster, hub)
            await run_hubops(PROJECT, "deploy", "staginghub")  # and the common address without them
    text = format_results(samples, about)
    (PROJECT / "benchmarks" / "people.md").write_text(text)
    print(text)
    if faults := find_faults(samples):
        sys.exit("error: " + "; ".join(faults))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = PROJECT.parent / "shared" / "charts" / "jupyterhub-4.4.0.tgz"
    parser.add_argument("--upstream", type=Path, default=os.environ.get("HUBOPS_UPSTREAM_CHART") or beside)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    asyncio.run(benchmark(Path(options.upstream), options.rounds))


if __name__ == "__main__":
    main()
