"""What hubops costs: its deploys beside bare helm's, its proof, start-up and memory, and the cluster's memory.

Run beside a local cluster that ./start made. Writes results.md beside this file. Its own hub, `benchhub`,
is removed at the end; of the cluster's other hubs only `staginghub` is touched, by one proof a round.
"""
# ruff: noqa: E402 - what is imported lies in the project's environment, which the first lines change to

import importlib.util
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("hubops") is None:
    sys.path.insert(0, str(PROJECT / "toolchain"))
    import bootstrap

    os.chdir(PROJECT)
    bootstrap.run("benchmarks.deploy", sys.argv[1:])

import argparse
import asyncio
import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from time import monotonic
from typing import Any

from hubops import run
from hubops.cli.machine import load_machine
from hubops.clients import process
from hubops.clients.helm import Upgrade
from hubops.desired.model import Fleet
from hubops.desired.people import with_people
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names, prefixed, render_values
from hubops.events import Event, StepEnded, StepStarted
from hubops.execute.chart_copy import copy_chart
from hubops.local.docker import find_docker
from hubops.local.instance import local_instance
from hubops.local.secrets import load_or_create
from hubops.secret import Redactor

HUB, PROVED = "benchhub", "staginghub"
HELP_RUNS = 20
UNCHANGED, UNKNOWN, CHANGED = KINDS = ("unchanged", "unchanged, last by plain helm", "changed")
KIB_PER_MIB = 1024
# Groups of the processes in the node's container, by their arguments.
GROUPS = {
    "hub (its Python process)": r"\S*python\S* \S*/jupyterhub ",
    "proxy (its Node process)": r"node \S*configurable-http-proxy ",
    "user server": r"\S*python\S* \S*/jupyterhub-singleuser",
}
Samples = defaultdict[str, list[float]]


@dataclass(frozen=True)
class Bare:
    """Bare helm's way: the same chart copy, values files (by the setting's value) and secrets."""

    machine: run.Machine
    chart: Path
    values: dict[str, Path]
    secrets: Path
    env: dict[str, str]

    async def time(self, *argv: str | Path) -> float:
        began = monotonic()
        await process.run(argv, env=self.env)
        return monotonic() - began

    async def kubectl(self, *words: str) -> str:
        return await process.run([self.machine.kubectl, *words], env=self.env)

    async def deploy(self, setting: str) -> float:
        words = ["upgrade", "--install", "--namespace", HUB, "--create-namespace", HUB, str(self.chart)]
        words += ["--wait", "--cleanup-on-fail", "-f", str(self.values[setting]), "-f", str(self.secrets)]
        took_s = await self.time(self.machine.helm, *words)
        for name in ("hub", "proxy"):
            status = ["rollout", "status", "--namespace", HUB, "--watch", f"deployment.apps/{name}"]
            took_s += await self.time(self.machine.kubectl, *status)
        return took_s

    async def generation(self) -> int:
        words = ["get", "deployment", "hub", "--namespace", HUB, "-o", "jsonpath={.metadata.generation}"]
        return int(await self.kubectl(*words))

    async def remove(self) -> None:
        """Remove all that belongs to our hub; what is not there is no error."""
        words = ["uninstall", HUB, "--namespace", HUB, "--ignore-not-found", "--wait"]
        await process.run([self.machine.helm, *words], env=self.env)
        await self.kubectl("delete", "namespace", HUB, "--ignore-not-found")
        await self.kubectl("delete", "lease", f"deploy-{HUB}", "--namespace", "hubops", "--ignore-not-found")


def make_fleet(root: Path) -> None:
    """Write the repository's files as they are now, with one hub more: `staginghub` under our name."""
    for name in ("hub-charts", "user-images", "images", "values", "charts"):
        shutil.copytree(PROJECT / name, root / name)
    shutil.copy(PROJECT / "hubops.yaml", root)
    shutil.copytree(root / "hub-charts" / PROVED, root / "hub-charts" / HUB)
    chart = root / "hub-charts" / HUB / "Chart.yaml"
    chart.write_text(chart.read_text().replace(PROVED, HUB))


async def load(root: Path, setting: str, emit: Callable[[Event], None]) -> tuple[Fleet, run.Machine]:
    """The fleet, and the machine with our hub's secrets in `root` and its setting as the highest layer."""
    fleet = load_fleet(root)
    machine = await load_machine(fleet, fleet.hubs[HUB].cluster, emit)
    top = {"jupyterhub": {"hub": {"extraEnv": {"BENCHMARK_SETTING": setting}}}}
    known = machine.secrets
    return fleet, replace(
        machine,
        secrets=lambda hub: load_or_create(root / "secrets", HUB) if hub.name == HUB else known(hub),
        top=(*machine.top, top),
    )


async def render(fleet: Fleet, machine: run.Machine, directory: Path) -> Upgrade:
    """What bare helm is given: the same chart, values and secrets."""
    hub = fleet.hubs[HUB]
    images = await run.find_images(fleet, image_names(hub, *machine.top), machine)
    values = directory / "values.yaml"
    values.write_text(json.dumps(with_people(hub, render_values(hub, images, *machine.top)), indent=2))
    secrets = prefixed(hub, run.secret_values(hub, machine))
    chart = copy_chart(fleet.root, hub.directory, directory / "charts")
    return Upgrade(HUB, HUB, chart, [values], secrets, 600)


async def deploy_as_hubops(root: Path, setting: str, began: float, *, prove: bool) -> None:
    """The child's part: deploy our hub, perhaps prove the other, and print the figures as JSON.

    A proof of our own hub would need an edge that knows it. Peak memory is VmHWM (proc(5)); ru_maxrss
    would begin with what the parent had.
    """
    at: dict[str, float] = {}

    def emit(event: Event) -> None:
        if isinstance(event, (StepStarted, StepEnded)):
            at[f"{type(event).__name__} {event.title}"] = monotonic()

    fleet, machine = await load(root, setting, emit)
    async with run.open_session(machine, emit, Redactor()) as session:
        await run.deploy(fleet, fleet.hubs[HUB], session, run.Terms(prove=False))
        if prove:
            from hubops.run.verify import verify_hub  # noqa: PLC0415 - as a deploy imports it: when it is proved

            await verify_hub(fleet.hubs[PROVED], session)
    started, ended = at[f"StepStarted deploy {HUB}"], at[f"StepEnded deploy {HUB}"]
    figures = {"before": started - began, "total": ended - began}
    if prove:
        figures["proof"] = at[f"StepEnded verify {PROVED}"] - at[f"StepStarted verify {PROVED}"]
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak  # noqa: S101 - Linux has it since 2.6
    print(json.dumps({**figures, "peak": int(peak[1]) / KIB_PER_MIB}))


async def hubops_child(root: Path, setting: str, *options: str) -> dict[str, float]:
    """Deploy in a process of its own, as a command does; its figures count from before its start."""
    words = ["-m", "benchmarks.deploy", "--child", str(root), setting, str(monotonic()), *options]
    output = await process.run([sys.executable, *words], cwd=PROJECT)
    return dict(json.loads(output.splitlines()[-1]))


def show(event: Event) -> None:
    if isinstance(event, StepStarted):
        print(event.title)


async def make_bare(root: Path) -> Bare:
    """Render for bare helm once, before anything is timed; builds the images that the registry lacks."""
    values = {}
    for setting in ("0", "1"):
        fleet, machine = await load(root, setting, show)
        names = image_names(fleet.hubs[HUB], *machine.top)
        await run.build_images(fleet, names, machine.registry, machine.workshop, show, push=True)
        (root / f"bare-{setting}").mkdir()
        upgrade = await render(fleet, machine, root / f"bare-{setting}")
        values[setting] = upgrade.values[0]
    secrets = root / "secrets.json"
    secrets.touch(mode=0o600)
    secrets.write_text(json.dumps(upgrade.secret_values))
    home = root / "helm"
    env = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    env = {**os.environ, **env, "KUBECONFIG": str(machine.kubeconfig)}
    return Bare(machine, upgrade.chart, values, secrets, env)


async def measure_rounds(bare: Bare, root: Path, rounds: int, samples: Samples) -> None:
    """Each round: both kinds of deploy by both tools, which take turns in being first, and one proof."""
    setting, generation = "0", await bare.generation()

    async def by_hubops(kind: str) -> None:
        # Who deployed last decides whether hubops knows that nothing changed.
        if kind == UNCHANGED:
            await hubops_child(root, setting)
        if kind == UNKNOWN:
            await bare.deploy(setting)
        figures = await hubops_child(root, setting)
        samples[f"{kind} hubops"].append(figures["total"])
        samples["before"].append(figures["before"])

    async def by_helm(kind: str) -> None:
        samples[f"{kind} helm"].append(await bare.deploy(setting))

    tools: list[Callable[[str], Coroutine[Any, Any, None]]] = [by_hubops, by_helm]
    for number in range(rounds):
        for kind in KINDS:
            for tool in tools:
                if kind == CHANGED:
                    setting, generation = "1" if setting == "0" else "0", generation + 1
                await tool(kind)
                if await bare.generation() != generation:
                    raise SystemExit(f"the {kind} deploy was none: the hub's Deployment tells otherwise")
        whole = await hubops_child(root, setting, "--prove")
        samples["proof"].append(whole["proof"])
        samples["peak"].append(whole["peak"])
        tools.reverse()
        print(f"round {number + 1} of {rounds}")


async def measure_start(samples: Samples) -> None:
    for _ in range(HELP_RUNS):
        for name, words in (("help", ["-m", "hubops.cli.main", "--help"]), ("python", ["-c", "pass"])):
            began = monotonic()
            await process.run([sys.executable, *words])
            samples[name].append(monotonic() - began)


async def measure_cluster(samples: Samples) -> None:
    """Memory of the processes in the node's container; PSS counts pages that several share only once."""
    docker = await find_docker()
    if docker is None:
        raise SystemExit("Docker does not answer")
    listed = await docker("exec", local_instance().node, "ps", "-ww", "-eo", "rss=,pss=,args=")
    for row in listed.splitlines():
        rss, pss, args = row.split(None, 2)
        samples["node's processes"].append(int(pss) / KIB_PER_MIB)
        for name, pattern in GROUPS.items():
            if re.match(pattern, args):
                samples[name].append(int(rss) / KIB_PER_MIB)
    samples["node"].append(sum(samples["node's processes"]))


def span(values: list[float], unit: str = "s") -> str:
    """Median, minimum and maximum, and of how many."""
    digits = 2 if unit == "s" else 0
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} {unit} ({low} to {high}, n={len(values)})"


def format_results(samples: Samples, about: str) -> str:
    lines = ["# Results", "", about, "", "Median (minimum to maximum, number of measurements).", ""]
    lines += [
        "| deploy, to the end of the rollout | hubops | bare helm | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for kind in KINDS:
        ours, bare = samples[f"{kind} hubops"], samples[f"{kind} helm"]
        lines.append(f"| {kind} | {span(ours)} | {span(bare)} | {median(ours) / median(bare):.2f} |")
    lines += ["", "| other figures | |", "| --- | --- |"]
    rows = {
        "the part of hubops' deploys before helm": ("before", "s"),
        f"proof of {PROVED}, which follows a deploy": ("proof", "s"),
        "`hubops --help`": ("help", "s"),
        "`python -c pass`, part of it": ("python", "s"),
        "peak memory of hubops' process, deploy and proof": ("peak", "MiB"),
        "the local cluster's node, all processes together (PSS)": ("node", "MiB"),
        **{f"in it each {name} (RSS)": (name, "MiB") for name in GROUPS},
    }
    lines += [
        f"| {text} | {span(samples[key], unit)} |" for text, (key, unit) in rows.items() if samples[key]
    ]
    return "\n".join(lines) + "\n"


def describe_machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {memory_gib:.0f} GiB of memory, "
        f"load {load:.1f} before the first measurement, Python {sys.version.split()[0]}."
    )


async def benchmark(rounds: int) -> None:
    samples, about = Samples(list), describe_machine()
    with tempfile.TemporaryDirectory(prefix="hubops-bench-") as directory:
        root = Path(directory)
        make_fleet(root)
        bare = await make_bare(root)
        await bare.remove()
        await measure_start(samples)
        await measure_cluster(samples)
        try:
            await process.run([bare.machine.helm, "dependency", "build", bare.chart], env=bare.env)
            await hubops_child(root, "0")
            await bare.deploy("0")  # what is read from disk for the first time counts for neither
            await measure_rounds(bare, root, rounds, samples)
        finally:
            await bare.remove()
    text = format_results(samples, about)
    (PROJECT / "benchmarks" / "results.md").write_text(text)
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--prove", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        root, setting, began = options.child
        asyncio.run(deploy_as_hubops(Path(root), setting, float(began), prove=options.prove))
    else:
        asyncio.run(benchmark(options.rounds))


if __name__ == "__main__":
    main()
