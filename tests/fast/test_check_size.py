"""hubops check on a fleet: what it costs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from fleets import write_fleet

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
