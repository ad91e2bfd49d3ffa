"""Runs a program with options from a file, and starts it anew when the file changes.

    python3 follow.py OPTIONS.json PROGRAM [ARGUMENT...]

The file is a JSON object: each name that is not null becomes --name=value behind the arguments. Kubernetes brings a changed
ConfigMap to the file within about a minute; the hub that runs this as a service stays. Ends as the program does.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LOOK_S = 5.0
_STOP_S = 5.0


def switches(options: dict[str, Any]) -> list[str]:
    """Command-line options; true and false are written small."""
    return [f"--{name}={_text(value)}" for name, value in options.items() if value is not None]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def follow(file: Path, command: list[str], look_s: float = LOOK_S) -> int:
    """Run until the program ends by itself, and return its exit code."""
    while True:
        options = file.read_text()
        program = subprocess.Popen([*command, *switches(json.loads(options))])
        try:
            while program.poll() is None and file.read_text() == options:
                time.sleep(look_s)
            if program.poll() is not None:
                return program.returncode
        finally:
            _stop(program)


def _stop(program: "subprocess.Popen[bytes]") -> None:
    program.terminate()
    try:
        program.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


if __name__ == "__main__":
    # The hub ends its services so; the program must not outlive this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.exit(follow(Path(sys.argv[1]), sys.argv[2:]))
