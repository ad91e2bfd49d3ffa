"""From any Python 3.11 to the project's own environment; standard library only.

Called by the scripts at the top: `start`, `test`, and `run` for every other hubops command.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))
_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubops"
# Nothing is written into the clone: under sudo it would belong to root.
sys.pycache_prefix = str(_cache / "pycache")

# As in python.sh, for deploy.py comes straight here.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"

OLDEST = (3, 11)
_NO_VENV = """\
This Python cannot make virtual environments.
  where: {python}
  next: install python3-venv (Debian: apt-get install python3-venv), then run this again."""


def environment(lock: str) -> Path:
    """The Python of an environment that holds exactly what toolchain/python/<lock>.txt says.

    Made once per lock file and Python; a half-made one is made anew. Others wait for it.
    """
    complete = _complete(lock)
    directory = complete.parent
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(directory, ignore_errors=True)
            _make(directory, _requirements(lock))
            complete.touch()
    return directory / "bin" / "python"


def _complete(lock: str) -> Path:
    """What is there when the environment is."""
    key = hashlib.sha256(
        _requirements(lock).read_bytes() + sys.version.encode() + sys.base_prefix.encode()
    ).hexdigest()
    return _cache / "environments" / f"{lock}-{key[:12]}" / ".complete"


def _requirements(lock: str) -> Path:
    return PROJECT / "toolchain" / "python" / f"{lock}.txt"


def _make(directory: Path, requirements: Path) -> None:
    print(f"Python environment from {requirements.name} ...", file=sys.stderr, flush=True)
    _require_venv()
    subprocess.run([sys.executable, "-m", "venv", directory], check=True, stdout=sys.stderr)
    pip = [
        str(directory / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True, stdout=sys.stderr)


def _require_venv() -> None:
    """Debian ships venv apart from Python; with root it is installed, else the message says how."""
    if (
        subprocess.run(
            [sys.executable, "-c", "import ensurepip"], check=False, capture_output=True
        ).returncode
        == 0
    ):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(_NO_VENV.format(python=sys.executable))
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "python3-venv"]):
        subprocess.run(["apt-get", *words], check=True, env=environ, stdout=sys.stderr)


def run(module: str, arguments: list[str], lock: str = "run") -> NoReturn:
    """Become `python -m module arguments` in the project's environment."""
    if sys.version_info < OLDEST:
        sys.exit(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is {sys.version.split()[0]}.")
    python = environment(lock)
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(sys.pycache_prefix)}
    # It keeps clones clean, which the prefix does too; without byte code every command starts slowly.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    environ["PYTHONPATH"] = os.pathsep.join(
        [str(PROJECT / "src"), str(PROJECT / "tests"), str(PROJECT / "toolchain")]
    )
    os.execve(python, [str(python), "-m", module, *arguments], environ)  # noqa: S606


def main() -> NoReturn:
    command, *arguments = sys.argv[1:]
    if command == "start":
        from hubops.local import preflight  # noqa: PLC0415 - not needed by other commands

        preflight.show_or_exit(_complete("run"), arguments)
        run("hubops.cli.main", ["start", *arguments])
    if command == "test":
        run("run_tests", arguments, lock="dev")
    if command == "python":
        print(environment(arguments[0]))
        sys.exit()
    run("hubops.cli.main", arguments)


if __name__ == "__main__":
    main()
