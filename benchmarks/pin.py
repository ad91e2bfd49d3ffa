"""Where the time goes from one changed pin of a user image to a hub that was proved with it.

Needs the local cluster with its hubs (./start). Deploys staginghub several times, at last as the project has it.
Writes its table into pin.md beside this file, under the heading that is given.
"""

import argparse
import hashlib
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time_ns

PROJECT = Path(__file__).resolve().parents[1]
HUB, IMAGE, PACKAGE = "staginghub", "earth", "certifi"
# Versions of a small package, at random: what this node has had before it does not pull again.
PINS = tuple(
    "2026.6.17 2026.5.20 2026.4.22 2026.2.25 2026.1.4 2025.11.12 2025.10.5 2025.8.3 2025.7.14 2025.7.9 2025.6.15 2025.4.26 2025.1.31 2024.12.14 2024.8.30 2024.7.4".split()
)
DEPLOY = ["deploy.py", HUB, "--build", "--push", "--deploy"]
STEP = re.compile(r"ok (?P<title>[^:]+?)(?: \w{21})?(?:: .*)? \((?P<s>[\d.]+) s\)$")
# As BuildKit tells of its steps, with --progress=plain.
BEGUN = re.compile(r"#(?P<number>\d+) (?P<title>\[.*|exporting to .*|importing .*)$")
DONE = re.compile(r"#(?P<number>\d+) DONE (?P<s>[\d.]+)s$")
PART = re.compile(r"#\d+ (?P<title>exporting layers|pushing layers) (?P<s>[\d.]+)s done$")
LEAST_S, TITLE = 0.2, 90


def change_pin(file: Path, version: str) -> None:
    """Give the package another version, with its hashes, and the file content that no registry has seen."""
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download"]
        wanted = ["--no-deps", "--only-binary=:all:", "-d", directory, f"{PACKAGE}=={version}"]
        subprocess.run([*pip, *wanted], check=True)
        (wheel,) = Path(directory).iterdir()
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pin = f"{PACKAGE}=={version} \\\n    --hash=sha256:{digest}\n"
    text = re.sub(rf"^{PACKAGE}==.*\n(?:    --hash.*\n)+", pin, file.read_text(), flags=re.MULTILINE)
    file.write_text(f"{text}# {time_ns()}\n")


def deploy(clone: Path, log: Path) -> dict[str, float]:
    """Seconds of each step, and of the whole from the command's start to its end."""
    began = monotonic()
    with log.open("wb") as output:
        words = ["./hubops", "--verbose", *DEPLOY]
        subprocess.run(words, cwd=clone, stdout=output, stderr=output, check=True)
    found = {"the command as a whole": monotonic() - began}
    titles = {}
    for line in log.read_text(errors="replace").splitlines():
        if step := STEP.match(line.strip()):
            found[step["title"]] = float(step["s"])
        elif begun := BEGUN.search(line):
            titles[begun["number"]] = begun["title"][:TITLE]
        elif done := DONE.search(line):
            found[f"… {titles.get(done['number'], '')}"] = float(done["s"])
        elif part := PART.search(line):
            found[f"… … {part['title']}"] = float(part["s"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--heading", default="Now", help="what is measured; the table under it is replaced")
    options = parser.parse_args()
    samples: defaultdict[str, list[float]] = defaultdict(list)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hubops-pin-") as directory:
        clone = Path(directory) / "clone"
        subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
        try:
            for number, version in enumerate(random.sample(PINS, options.rounds)):
                change_pin(clone / "user-images" / IMAGE / "requirements.txt", version)
                for title, took_s in deploy(clone, Path(directory) / f"{number}.log").items():
                    samples[title].append(took_s)
                print(
                    f"round {number + 1} of {options.rounds}: {samples['the command as a whole'][-1]:.1f} s"
                )
        finally:
            subprocess.run([sys.executable, *DEPLOY], cwd=PROJECT, check=True)
    lines = [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {load:.1f} before.", ""]
    lines += ["| step | median | each |", "| --- | --- | --- |"]
    lines += [
        f"| {title} | {statistics.median(each):.1f} s | {', '.join(f'{one:.1f}' for one in each)} |"
        for title, each in samples.items()
        if statistics.median(each) >= LEAST_S
    ]
    write(PROJECT / "benchmarks" / "pin.md", options.heading, "\n".join(lines))
    print("\n".join(lines))


def write(file: Path, heading: str, text: str) -> None:
    top, *sections = file.read_text().split("\n## ") if file.is_file() else ["# One pin\n"]
    known = dict(section.split("\n", 1) for section in sections) | {heading: f"\n{text}\n"}
    file.write_text("\n## ".join([top, *(f"{name}\n{body}" for name, body in known.items())]))


if __name__ == "__main__":
    main()
