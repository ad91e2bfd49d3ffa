"""Running hubops while everything that others could see is watched: outputs, argv, environments, temporary files."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubops.secret import Redactor, Secret

_POLL_S = 0.01
_LIMIT_S = 150  # a registry that is silent is asked for a minute, and after that who else may know
# A program on PATH that writes down how it was called, by its own /proc, and becomes the real one.
RECORDER = """#!/bin/sh
cat /proc/$$/cmdline > {log}/{name}.argv.$$
cat /proc/$$/environ > {log}/{name}.environ.$$
exec {program} "$@"
"""


@dataclass
class Seen:
    """What was there to be seen, by where."""

    code: int = 0
    took_s: float = 0
    output: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, data: bytes) -> None:
        self.texts[f"{where} {len(self.texts)}"] = data.replace(b"\0", b"\n").decode(errors="replace")

    def leaks(self, canaries: Mapping[str, str]) -> set[str]:
        """Which canary was seen where, in any form that the redactor knows."""
        redactors = {name: Redactor([Secret(value)]) for name, value in canaries.items()}
        return {
            f"{name} in {where}"
            for where, text in self.texts.items()
            for name, redactor in redactors.items()
            if redactor.mask(text) != text
        }


@dataclass(frozen=True)
class Watch:
    """One run: where, with which variables, ended by a signal after so many seconds, or unable to write files."""

    directory: Path
    env: Mapping[str, str]
    kill: signal.Signals | None = None
    after_s: float = 0
    disk_is_full: bool = False
    program: tuple[str, ...] = (sys.executable, "-m", "hubops.cli.main")

    def run(self, words: list[str]) -> Seen:
        temporary, memory, log = (self.directory / name for name in ("tmp", "memory", "log"))
        for directory in (temporary, memory, log):
            directory.mkdir()
        temporaries = {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(memory)}
        env = {**self.env, **temporaries, "PATH": f"{self._recorders(log)}:{self.env['PATH']}"}
        seen, outputs = Seen(), [self.directory / "stdout", self.directory / "stderr"]
        with outputs[0].open("wb") as stdout, outputs[1].open("wb") as stderr:
            child = subprocess.Popen(
                [*(["prlimit", "--fsize=0"] if self.disk_is_full else []), *self.program, *words],
                cwd=self.directory / "operations",
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.disk_is_full else stdout,
                stderr=subprocess.PIPE if self.disk_is_full else stderr,
            )
            self._watch(child, seen, temporary)
        if self.disk_is_full:
            for file, data in zip(outputs, child.communicate(), strict=True):
                file.write_bytes(data)
        seen.code = child.returncode
        # What is in memory, and its owner's alone, has to go unless nobody is left to take it away.
        left = [] if self.kill == signal.SIGKILL else _files(memory)
        for file in (*outputs, *log.iterdir(), *_files(temporary), *left):
            if file.is_file():
                seen.add(file.relative_to(self.directory).as_posix(), file.read_bytes())
        seen.output = "".join(file.read_text(errors="replace") for file in outputs)
        return seen

    def _watch(self, child: subprocess.Popen[bytes], seen: Seen, temporary: Path) -> None:
        began, known = time.monotonic(), dict[object, bytes]()
        while child.poll() is None:
            for pid in _descendants(child.pid):
                # Before it becomes a program, a child is a copy of us; a recorder's cat has what the recorder has.
                if _argv(pid) in {_argv(child.pid), b""} or _name(pid) == "cat":
                    continue
                for kind in ("cmdline", "environ"):
                    _note(seen, known, f"{kind} of {_name(pid)}", Path(f"/proc/{pid}/{kind}"))
            for file in _files(temporary):
                _note(seen, known, f"file {file.name}", file)
            seen.took_s = time.monotonic() - began
            if seen.took_s > (self.after_s if self.kill else _LIMIT_S):
                child.send_signal(self.kill or signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(10)
            time.sleep(_POLL_S)

    def _recorders(self, log: Path) -> Path:
        directory = self.directory / "bin"
        directory.mkdir()
        for program in ("sops", "git", "helm", "kubectl", "tar"):
            found = next(
                place / program
                for place in map(Path, self.env["PATH"].split(os.pathsep))
                if (place / program).exists()
            )
            (directory / program).write_text(RECORDER.format(log=log, name=program, program=found))
            (directory / program).chmod(0o755)
        return directory


def _note(seen: Seen, known: dict[object, bytes], where: str, file: Path) -> None:
    with contextlib.suppress(OSError):
        data = file.read_bytes()
        if known.get(file) != data:
            known[file] = data
            seen.add(where, data)


def _files(temporary: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(temporary):
        yield from (Path(directory, name) for name in names if not Path(directory, name).is_symlink())


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _argv(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "?"
