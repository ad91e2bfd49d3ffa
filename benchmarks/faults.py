"""What bare `helm upgrade --install --wait --timeout 180s` says of the faults of tests/cluster/test_faults.py.

Each in a namespace of its own on a local cluster, all at once. Run it in the project's development environment:
    PYTHONPATH=src:tests python benchmarks/faults.py
"""

import asyncio
import json
import os
import tempfile
from pathlib import Path
from time import monotonic

from cluster.conftest import NAME
from cluster.test_faults import FAULTS, HUB, Fault, faulty_fleet
from hubops import run
from hubops.cli.machine import load_machine
from hubops.clients import process
from hubops.desired.model import Hub
from hubops.desired.people import with_people
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names, merge, prefixed
from hubops.execute.bundle import Bundle
from hubops.run.hub import wanted_bundle
from hubops.secret import Redactor

TIMEOUT = "180s"


async def main() -> None:
    os.environ["HUBOPS_LOCAL"] = NAME
    with tempfile.TemporaryDirectory() as directory:
        async with asyncio.TaskGroup() as group:
            for number, (name, fault) in enumerate(FAULTS.items()):
                group.create_task(measure(name, fault, Path(directory) / str(number), f"fault-{number}"))


async def measure(name: str, fault: Fault, directory: Path, namespace: str) -> None:
    """Deploy one fault with bare helm; print seconds, exit code and its last line."""
    directory.mkdir()
    fleet = load_fleet(faulty_fleet(directory, fault))
    hub = fleet.hubs[HUB]
    machine = await load_machine(fleet, hub.cluster, lambda _: None)
    await run.build_images(
        fleet, image_names(hub, *machine.top), machine.registry, machine.workshop, lambda _: None, push=True
    )
    async with run.open_session(machine, lambda _: None, Redactor()) as session:
        bundle = await wanted_bundle(fleet, hub, session)
        await process.run([machine.helm, "dependency", "build", bundle.chart])
        values = write_values(bundle, hub, machine)
        words: list[str | Path] = [
            "upgrade",
            "--install",
            HUB,
            bundle.chart,
            "-n",
            namespace,
            "--create-namespace",
            "--wait",
        ]
        began = monotonic()
        done = await process.attempt(
            [machine.helm, *words, "--timeout", TIMEOUT, "-f", values, f"--kubeconfig={machine.kubeconfig}"]
        )
        took_s = monotonic() - began
        last = done.tail.strip().rpartition("\n")[2]
        print(f"| {name} | {took_s:.0f} s, exit {done.code}: {last[:160]} |", flush=True)
        kubectl: list[str | Path] = [machine.kubectl, f"--kubeconfig={machine.kubeconfig}"]
        await process.run([*kubectl, "delete", "namespace", namespace, "--wait=false"])


def write_values(bundle: Bundle, hub: Hub, machine: run.Machine) -> Path:
    """Plain values and secrets in one file, for bare helm."""
    file = bundle.directory / "all.json"
    secrets = prefixed(hub, run.secret_values(hub, machine))
    file.touch(mode=0o600)
    file.write_text(json.dumps(merge(with_people(hub, bundle.content.values), secrets)))
    return file


if __name__ == "__main__":
    asyncio.run(main())
