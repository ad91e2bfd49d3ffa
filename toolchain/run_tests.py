"""What ./test does: lint, types, then the tests of the tier asked for. Ends with the code of the first that fails."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PYTHON = [sys.executable, "-m"]
PYTEST = [*PYTHON, "pytest", "-p", "no:cacheprovider"]
LINT = [
    [*PYTHON, "ruff", "check", "--no-cache", "."],
    [*PYTHON, "ruff", "format", "--no-cache", "--check", "."],
]
# A file's tests share what they made, so each file stays in one process.
SPREAD = ["-n", "auto", "--maxprocesses", "8", "--dist", "loadfile"]
TYPES = [*PYTHON, "mypy", "--cache-dir=/dev/null"]


def _run_all(commands: list[list[str]]) -> int:
    for command in commands:
        print("$", " ".join(command[2:]), file=sys.stderr, flush=True)
        code = subprocess.run(command, cwd=PROJECT, check=False).returncode
        if code != 0:
            return code
    return 0


def _run_beside_fast(command: list[str], arguments: list[str]) -> int:
    """Run a command, and the fast tier beside it, which gives way and is told last: a cluster is mostly waited for."""
    with tempfile.TemporaryFile("w+") as output:
        beside = subprocess.Popen(
            [sys.executable, __file__, "--fast", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.nice(10),  # noqa: PLW1509 - there are no threads here
        )
        code = _run_all([command])
        fast = beside.wait()
        output.seek(0)
        print(output.read())
    return fast or code


def main() -> int:
    tiers = [word for word in sys.argv[1:] if word in {"--fast", "--long"}]
    arguments = [word for word in sys.argv[1:] if word not in tiers]
    marks = [] if "--long" in tiers else ["-m", "not long"]
    # Words that are options leave the tier what it is: `--fast -q` must not take hold of a cluster.
    if any(not word.startswith("-") for word in arguments):
        return _run_all([*LINT, TYPES, [*PYTEST, *marks, *arguments]])
    if "--fast" in tiers:
        return _run_all([*LINT, TYPES, [*PYTEST, *marks, *arguments, *SPREAD, "tests/fast"]])
    cluster = [*PYTEST, *marks, *arguments, "tests/cluster"]
    return _run_all(LINT) or _run_beside_fast(cluster, [*tiers, *arguments])


if __name__ == "__main__":
    sys.exit(main())
