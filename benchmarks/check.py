"""What `hubops check` costs on fleets of 50 to 400 hubs, beside a loop of `helm lint` over the same hubs.

Needs no cluster. Writes check.md beside this file.
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
    bootstrap.run("benchmarks.check", sys.argv[1:])
sys.path.insert(0, str(PROJECT / "tests"))

import argparse
import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from time import monotonic

from benchmarks.deploy import describe_machine, span

from fleets import MEASURED_CHECK, write_fleet
from hubops.clients import process
from hubops.local.toolchain import require_tool

SIZES = (50, 100, 200, 400)
LINTED = 200
AT_ONCE = 2
KIB_PER_MIB = 1024


@dataclass
class Samples:
    """What was measured of one fleet: seconds on the clock, seconds of CPU, MiB."""

    root: Path
    files: int
    took_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


async def check(fleet: Samples) -> None:
    """Measure one check, from before the process starts to its end; the fleet has no problems."""
    forget(fleet.root)
    began = monotonic()
    done = await process.attempt([sys.executable, "-c", MEASURED_CHECK], cwd=fleet.root)
    fleet.took_s.append(monotonic() - began)
    if done.code or "no problems" not in done.stdout:
        raise SystemExit(done.tail)
    cpu_s, peak_kib = done.tail.split()[-2:]
    fleet.cpu_s.append(float(cpu_s))
    fleet.peak_mib.append(int(peak_kib) / KIB_PER_MIB)


def forget(root: Path) -> None:
    """Have the kernel read the fleet's files from disk the next time, as after a clone."""
    for path in root.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


async def lint_all(helm: Path, charts: Iterable[Path]) -> float:
    """Seconds of `helm lint` over charts whose dependencies are there, two at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def lint(chart: Path) -> None:
        async with room:
            await process.run([helm, "lint", "--quiet", chart])

    began = monotonic()
    await asyncio.gather(*(lint(chart) for chart in charts))
    return monotonic() - began


async def build_all(helm: Path, charts: Iterable[Path]) -> None:
    """`helm lint` wants the dependencies in charts/; not measured."""
    for chart in charts:
        await process.run([helm, "dependency", "build", chart])


def make_fleet(root: Path, hubs: int) -> Samples:
    write_fleet(root, hubs)
    return Samples(root, sum(path.is_file() for path in root.rglob("*")))


async def benchmark(rounds: int) -> None:
    about = describe_machine()
    helm = await require_tool("helm", lambda _: None)
    linted = []
    with tempfile.TemporaryDirectory(prefix="hubops-bench-") as directory:
        fleets = {size: make_fleet(Path(directory) / str(size), size) for size in SIZES}
        make_fleet(Path(directory) / "linted", LINTED)
        charts = sorted((Path(directory) / "linted/hub-charts").iterdir())
        await build_all(helm, charts)
        for number in range(rounds):
            for fleet in fleets.values():
                await check(fleet)
            linted.append(await lint_all(helm, charts))
            print(f"round {number + 1} of {rounds}")
    text = format_results(fleets, linted, about)
    (PROJECT / "benchmarks" / "check.md").write_text(text)
    print(text)


def format_results(fleets: dict[int, Samples], linted: list[float], about: str) -> str:
    lines = ["# hubops check", "", about, "", "Median (minimum to maximum, number of measurements).", ""]
    lines += ["| hubs | files | `hubops check` | its CPU time | per hub | peak memory |", "| --- " * 6 + "|"]
    for size, fleet in fleets.items():
        each = f"{1000 * median(fleet.cpu_s) / size:.1f} ms"
        took, cpu, peak = span(fleet.took_s), span(fleet.cpu_s), span(fleet.peak_mib, "MiB")
        lines.append(f"| {size} | {fleet.files} | {took} | {cpu} | {each} | {peak} |")
    times = median(linted) / median(fleets[LINTED].took_s)
    lint = f"`helm lint` over {LINTED} such hubs, {AT_ONCE} at a time: {span(linted)}, {times:.0f} times as long."
    return "\n".join([*lines, "", lint]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(benchmark(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
