"""hubops check on a fleet: what it costs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleets import MEASURED_CHECK, write_fleet

PROJECT = Path(__file__).parents[2]
# Counts, in a process of its own, each opening of a file below the fleet and each text that becomes YAML.
COUNT = """
import collections, json, os, sys
root, opened, parsed = os.getcwd(), collections.Counter(), collections.Counter()
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(root):
        opened[os.path.relpath(arguments[0], root)] += 1
sys.addaudithook(note)
import yaml
loader = yaml.CBaseLoader.__init__
def load(self, text):
    parsed[text] += 1
    loader(self, text)
yaml.CBaseLoader.__init__ = load
from pathlib import Path
from hubops.desired.problems import find_problems
findings = find_problems(Path(root))
print(json.dumps([opened, len(parsed), sum(parsed.values()), len(findings.problems)]))
"""


def test_each_file_is_read_and_parsed_once(tmp_path: Path) -> None:
    hubs = write_fleet(tmp_path, 20, seed=3)
    env = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    printed = subprocess.check_output([sys.executable, "-c", COUNT], cwd=tmp_path, env=env, text=True)
    opened, texts, parses, problems = json.loads(printed)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert problems == 0
    assert {*opened} == files
    assert {name: number for name, number in opened.items() if number > 1} == {}
    # Files with the same text, as all Chart.lock of one version are, are parsed as often as there are of them.
    others = [name for name in files if name.endswith(("Dockerfile", ".json"))]
    assert parses == len(files) - len(others)
    assert texts >= len(hubs)


@pytest.mark.long
def test_what_it_costs_grows_with_the_fleet_and_stays_small(tmp_path: Path) -> None:
    """In CPU time, which others on the machine do not change: the least of three."""
    cost = {size: min(check(tmp_path / str(size), size) for _ in range(3)) for size in (50, 200, 400)}
    seconds = {size: cpu_s for size, (cpu_s, _) in cost.items()}
    print(f"FIGURE check: {cost}")  # noqa: T201 - for the benchmarks
    assert seconds[200] <= 2
    assert max(peak_mib for _, peak_mib in cost.values()) <= 150
    assert seconds[400] - seconds[200] <= 1.5 * (200 / 150) * (seconds[200] - seconds[50])


def check(root: Path, hubs: int) -> tuple[float, float]:
    """CPU seconds and peak memory in MiB of one `hubops check`, a process of its own."""
    if not root.exists():
        write_fleet(root, hubs)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    words = [sys.executable, "-c", MEASURED_CHECK]
    done = subprocess.run(words, cwd=root, env=environment, check=True, capture_output=True, text=True)
    cpu_s, peak_kib = done.stderr.split()[-2:]
    return float(cpu_s), int(peak_kib) / 1024
