"""Helm: the commands a person would type, run with a home of their own and through the gate."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hubops.answer import Absent, Answer, Present, Unknown
from hubops.clients import process
from hubops.clients.memory import memory_directory
from hubops.digest import of_bytes
from hubops.errors import ReleaseError
from hubops.events import CommandStarted, Emit, Line
from hubops.secret import Redactor

_NOT_FOUND = "release: not found"
_HEADLINE = 200  # characters
# What helm and its plug-ins for credentials need of our environment; nothing else is handed on.
_HANDED_ON = re.compile(r"PATH|HOME|USER|LANG|TMPDIR|SSL_CERT_(FILE|DIR)|(HTTPS?|NO)_PROXY|(https?|no)_proxy")


# Go's YAML reader takes these in their escaped form only.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def format_values(values: Mapping[str, Any]) -> bytes:
    """A file of values: JSON, which is YAML that leaves nothing to interpretation; sorted, for order is no change.

    Letters stand as they are: Helm's reader refuses the pairs of codes by which JSON escapes some, as emoji.
    """
    text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


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
        _add_repositories(self.home / "config" / "repositories.yaml", _addresses(chart))
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
        # JSON, for Go's YAML reads 3228e95 without quotes as a number, and PyYAML writes it so.
        stdin = format_values(upgrade.secret_values)
        await self._run(words, what=f"the release {upgrade.release} was not deployed", stdin=stdin)

    async def uninstall(self, release: str, namespace: str, timeout_s: int = 300) -> None:
        """Uninstall a release, if there is one, and wait until its objects are gone; claims told to be kept stay.

        Raises:
            ReleaseError: helm failed; `why` has its last lines.
        """
        words = ["uninstall", release, "--namespace", namespace]
        words += ["--ignore-not-found", "--wait", "--timeout", f"{timeout_s}s"]
        await self._run(words, what=f"the release {release} was not uninstalled")

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

    async def render(
        self,
        release: str,
        namespace: str,
        chart: Path,
        values: Mapping[str, Any],
        version: str,
        *,
        debug: bool,
    ) -> tuple[str, str]:
        """What is rendered for a version of Kubernetes, without a cluster, and "" or why it is not what it must be.

        With `debug` helm prints what it renders even where it is not YAML.
        """
        words: list[str | Path] = ["template", release, chart, "--namespace", namespace, "--include-crds"]
        words += ["--kube-version", version, "-f", "-", *(["--debug"] if debug else [])]
        done = await process.attempt([self.program, *words], env=self._env(), stdin=format_values(values))
        return done.stdout, "" if done.code == 0 else self.redactor.mask(done.tail)

    async def package(self, chart: Path, directory: Path) -> Path:
        """Pack a chart into a directory of its own, as `dependency_build` packs those that lie beside a chart.

        Raises:
            ReleaseError: it is no chart.
        """
        words: list[str | Path] = ["package", chart, "--destination", directory]
        await self._run(words, what=f"the chart {chart.name} cannot be packed")
        return next(directory.glob("*.tgz"))

    async def _run(self, words: Sequence[str | Path], *, what: str, stdin: bytes | None = None) -> str:
        self.emit(CommandStarted(self.redactor.mask(shlex.join(["helm", *map(str, words)]))))
        on_line = self._tell if words[0] != "template" else None  # rendered Secrets are for nobody's eyes
        done = await process.attempt([self.program, *words], env=self._env(), stdin=stdin, on_line=on_line)
        if done.code != 0:
            tail = self.redactor.mask(done.tail)
            raise ReleaseError(f"{what}{_cause(tail)}", where=f"helm {words[0]}", why=tail)
        return done.stdout

    def _tell(self, line: str) -> None:
        self.emit(Line(self.redactor.mask(line)))

    def _env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}
        env |= {f"HELM_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        # Else client-go keeps what it learns of the API in ~/.kube/cache, which is the operator's.
        env["KUBECACHEDIR"] = str(self.home / "kube")
        return env | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {})


def _cause(tail: str) -> str:
    """What helm says last of all errors, short enough for a headline."""
    said = [line for line in tail.splitlines() if line.startswith("Error: ")]
    return f": {said[-1].removeprefix('Error: ')[:_HEADLINE]}" if said else ""


@contextmanager
def open_home(directory: Path) -> Iterator[Path]:
    """A helm home with a copy of the operator's chart repositories and registry logins; theirs is only read.

    The copy is in memory, for there are passwords in it, and gone at the end.
    """
    with memory_directory("hubops-helm-") as config:
        for name, source in _operators_files(os.environ).items():
            (config / name).parent.mkdir(exist_ok=True)
            if source.is_file():
                shutil.copyfile(source, config / name)
        directory.mkdir(parents=True)
        (directory / "config").symlink_to(config)
        yield directory


def _operators_files(environment: Mapping[str, str]) -> dict[str, Path]:
    """Where helm would look (`helm help`), by the names the files have below its configuration directory."""
    per_system = "Library/Preferences" if sys.platform == "darwin" else ".config"
    base = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / per_system) / "helm"
    home = Path(environment.get("HELM_CONFIG_HOME") or base)
    return {
        "repositories.yaml": Path(environment.get("HELM_REPOSITORY_CONFIG") or home / "repositories.yaml"),
        "registry/config.json": Path(
            environment.get("HELM_REGISTRY_CONFIG") or home / "registry/config.json"
        ),
    }


def _addresses(chart: Path) -> list[str]:
    """The chart repositories that a chart's dependencies come from."""
    document = yaml.safe_load((chart / "Chart.yaml").read_text()) or {}
    addresses = {str(d.get("repository", "")) for d in document.get("dependencies") or []}
    return sorted(address for address in addresses if address.startswith(("http://", "https://")))


def _add_repositories(file: Path, addresses: Sequence[str]) -> None:
    """Name the repositories that are not named: `helm dependency build` takes no others, unlike `update`."""
    document = yaml.safe_load(file.read_text()) if file.is_file() else {}
    entries = (document or {}).get("repositories") or []
    known = {entry["url"].rstrip("/") for entry in entries}
    entries += [
        {"name": f"hubops-{of_bytes(address.encode())[:12]}", "url": address}
        for address in addresses
        if address.rstrip("/") not in known
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"apiVersion": "", "repositories": entries}))


def _revision(entry: Mapping[str, Any]) -> Revision:
    return Revision(
        entry["revision"], entry["status"], entry["updated"], entry["chart"], entry["description"]
    )
