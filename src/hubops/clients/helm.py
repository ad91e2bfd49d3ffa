"""Helm: the commands a person would type, run with a home of their own and through the gate."""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients import process
from hubops.errors import ReleaseError
from hubops.events import CommandStarted, Emit, Line
from hubops.secret import Redactor

_NOT_FOUND = "release: not found"
# What helm and its plug-ins for credentials need of our environment; nothing else is handed on.
_HANDED_ON = re.compile(r"PATH|HOME|USER|LANG|TMPDIR|SSL_CERT_(FILE|DIR)|(HTTPS?|NO)_PROXY|(https?|no)_proxy")


@dataclass(frozen=True)
class Revision:
    """One revision of a release, as `helm history` tells it; `updated` is RFC 3339."""

    number: int
    status: str
    updated: str
    chart: str
    description: str


@dataclass(frozen=True)
class Upgrade:
    """What `helm upgrade --install` is to do; `secret_values` go through standard input, never to disk."""

    release: str
    namespace: str
    chart: Path
    values: Sequence[Path]
    secret_values: Mapping[str, Any]
    timeout_s: int = 600


@dataclass(frozen=True)
class Helm:
    """A helm program, the kubeconfig of the gate, and a private directory for its caches."""

    program: Path
    kubeconfig: Path | None
    home: Path
    emit: Emit
    redactor: Redactor

    async def dependency_build(self, chart: Path) -> None:
        """Fetch the dependencies that Chart.lock names into the chart's directory.

        Raises:
            ReleaseError: Chart.lock does not fit Chart.yaml, or a chart cannot be had.
        """
        await self._run(
            ["dependency", "build", chart], what=f"the dependencies of {chart.name} cannot be built"
        )

    async def upgrade(self, upgrade: Upgrade) -> None:
        """Install or upgrade a release and wait until its objects are ready.

        Raises:
            ReleaseError: helm failed; `why` has its last lines.
        """
        words: list[str | Path] = [
            "upgrade",
            "--install",
            "--namespace",
            upgrade.namespace,
            "--create-namespace",
        ]
        words += [
            upgrade.release,
            upgrade.chart,
            "--wait",
            "--timeout",
            f"{upgrade.timeout_s}s",
            "--cleanup-on-fail",
        ]
        for file in upgrade.values:
            words += ["-f", file]
        words += ["-f", "-"]
        stdin = yaml.safe_dump(dict(upgrade.secret_values)).encode()
        await self._run(words, what=f"the release {upgrade.release} was not deployed", stdin=stdin)

    async def history(self, release: str, namespace: str) -> Answer[list[Revision]]:
        """The revisions of a release, oldest first."""
        words = ["history", release, "--namespace", namespace, "-o", "json"]
        done = await process.attempt([self.program, *words], env=self._env())
        if done.code == 0:
            return Present([_revision(entry) for entry in json.loads(done.stdout)])
        return Absent() if _NOT_FOUND in done.tail else Unknown(self.redactor.mask(done.tail))

    async def template(self, release: str, namespace: str, chart: Path, values: Sequence[Path]) -> str:
        """The manifests, rendered without a cluster.

        Raises:
            ReleaseError: the chart refuses the values.
        """
        files = [word for file in values for word in ("-f", file)]
        words: list[str | Path] = ["template", release, chart, "--namespace", namespace, *files]
        return await self._run(words, what=f"{chart.name} cannot be rendered")

    async def _run(self, words: Sequence[str | Path], *, what: str, stdin: bytes | None = None) -> str:
        self.emit(CommandStarted(self.redactor.mask("helm " + " ".join(map(str, words)))))
        done = await process.attempt(
            [self.program, *words],
            env=self._env(),
            stdin=stdin,
            on_line=lambda line: self.emit(Line(self.redactor.mask(line))),
        )
        if done.code != 0:
            raise ReleaseError(what, where=f"helm {words[0]}", why=self.redactor.mask(done.tail))
        return done.stdout

    def _env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}
        env |= {f"HELM_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        env["KUBECACHEDIR"] = str(self.home / "kube")  # else it is ~/.kube/cache
        return env | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {})


def make_home(directory: Path) -> Path:
    """A helm home with a copy of the operator's chart repositories and registry logins; theirs is only read."""
    config = directory / "config"
    config.mkdir(parents=True, exist_ok=True)
    default = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "helm"
    source = Path(os.environ.get("HELM_CONFIG_HOME") or default)
    for name in ("repositories.yaml", "registry/config.json"):
        if (source / name).is_file():
            (config / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, config / name)
            (config / name).chmod(0o600)
    return directory


def _revision(entry: Mapping[str, Any]) -> Revision:
    return Revision(
        entry["revision"], entry["status"], entry["updated"], entry["chart"], entry["description"]
    )
