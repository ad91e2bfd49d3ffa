"""What ./test does: lint, types, then the tests of the tier asked for. Stops at the first that fails."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def _commands(tier: str, arguments: list[str]) -> list[list[str]]:
    python = [sys.executable, "-m"]
    checks = [
        [*python, "ruff", "check", "--no-cache", "."],
        [*python, "ruff", "format", "--no-cache", "--check", "."],
        [*python, "mypy", "--cache-dir=/dev/null"],
    ]
    tests = ["tests/fast"] if tier == "--fast" else ["tests"]
    marks = [] if tier == "--long" else ["-m", "not long"]
    # Words that are options leave the tier what it is: `--fast -q` must not take hold of a cluster.
    named = any(not word.startswith("-") for word in arguments)
    paths = arguments if named else [*arguments, *tests]
    return [*checks, [*python, "pytest", "-p", "no:cacheprovider", *marks, *paths]]


def main() -> int:
    tiers = [word for word in sys.argv[1:] if word in {"--fast", "--long"}]
    arguments = [word for word in sys.argv[1:] if word not in tiers]
    for command in _commands(tiers[0] if tiers else "", arguments):
        print("$", " ".join(command[2:]), file=sys.stderr, flush=True)
        code = subprocess.run(command, cwd=PROJECT, check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
