"""A fault put into any hub of a fleet is found where it is, and nothing is found where there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleets import ENCRYPTED, put, to_yaml, write_fleet
from hubops.cli import new, secrets_new
from hubops.desired.model import Findings
from hubops.desired.problems import find_problems
from hubops.desired.yaml import parse_yaml

FLEETS = 50


class Mutant:
    """One hub of a fleet, to be changed; what a change touched is put back by `restore`."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.directory = f"hub-charts/{name}"
        self._before: dict[Path, bytes | None] = {}
        self.prefix = next(iter(self.read("values.yaml")))

    def read(self, name: str) -> dict[str, Any]:
        return dict(parse_yaml((self.root / self.directory / name).read_bytes(), name).value)

    @property
    def is_local(self) -> bool:
        return bool(self.read("hub.yaml")["cluster"] == "local")

    def write(self, path: str, text: str, needle: str) -> str:
        """Write a file; gives the place of a text that is new in it."""
        self.keep(path)
        put(self.root, path, text)
        numbered = list(enumerate(text.splitlines(), 1))
        number, line = next((number, line) for number, line in reversed(numbered) if needle in line)
        return f"{path}:{number}:{line.index(needle) + 1}"

    def append(self, path: str, text: str, needle: str) -> str:
        return self.write(path, (self.root / path).read_text() + text, needle)

    def remove(self, path: str) -> None:
        self.keep(path)
        (self.root / path).unlink()

    def keep(self, path: str) -> None:
        file = self.root / path
        self._before.setdefault(file, file.read_bytes() if file.exists() else None)

    def restore(self) -> None:
        for file, content in self._before.items():
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)


Mutate = Callable[[Mutant], str]


def value(*path: str, to: Any, at: str = "") -> Mutate:
    """Set a value of JupyterHub's chart."""

    def mutate(hub: Mutant) -> str:
        values = hub.read("values.yaml")
        inner = values[hub.prefix]
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = to
        return hub.write(f"{hub.directory}/values.yaml", to_yaml(values), at or f"{path[-1]}:")

    return mutate


def appended(name: str, text: str, needle: str = "") -> Mutate:
    return lambda hub: hub.append(f"{hub.directory}/{name}", text, needle or text.strip())


def replaced(name: str, key: str, new: str) -> Mutate:
    """A line of one of the hub's own files, at the top of which a key stands."""

    def mutate(hub: Mutant) -> str:
        file = f"{hub.directory}/{name}"
        others = [
            line for line in (hub.root / file).read_text().splitlines() if not line.startswith(f"{key}:")
        ]
        return hub.write(file, "\n".join([f"{key}: {new}", *others, ""]), f"{key}: {new}")

    return mutate


def person_twice(hub: Mutant) -> str:
    people = hub.read("people.yaml")
    people["allowed"].append(people["allowed"][0].upper())
    file = f"{hub.directory}/people.yaml"
    place = hub.write(file, to_yaml(people), "- ")
    return place[: place.rindex(":")] + ":5"


def without_lock(hub: Mutant) -> str:
    hub.remove(f"{hub.directory}/Chart.lock")
    return f"{hub.directory}/Chart.yaml:4:1"


def stale_lock(hub: Mutant) -> str:
    lock = hub.read("Chart.lock")
    lock["dependencies"][0]["version"] = "0.1.1"
    hub.write(f"{hub.directory}/Chart.lock", to_yaml(lock), "0.1.1")
    return f"{hub.directory}/Chart.yaml:7:5"


def broken(hub: Mutant) -> str:
    file, _, column = hub.append(f"{hub.directory}/values.yaml", "a: [\n", "a: [").rsplit(":", 2)
    lines = (hub.root / file).read_text().count("\n")
    return f"{file}:{lines + 1}:{column}"


def dead_file(hub: Mutant) -> str:
    place = hub.write(f"{hub.directory}/values.yml", "a: 1\n", "a")
    return place.split(":")[0]


def dockerfile(line: str, needle: str) -> Mutate:
    return lambda hub: hub.append(f"user-images/{hub.read('hub.yaml')['image']}/Dockerfile", line, needle)


def hub_of_no_chart(hub: Mutant) -> str:
    hub.remove(f"{hub.directory}/Chart.yaml")
    return hub.directory


def plain_secret(hub: Mutant) -> str:
    file = f"secrets/{hub.name}.yaml"
    text = (
        (hub.root / file).read_text().replace(f'cookieSecret: "{ENCRYPTED}"', f'cookieSecret: "{"0" * 64}"')
    )
    return hub.write(file, text, "cookieSecret")


def secret_left_out(hub: Mutant) -> str:
    file = f"secrets/{hub.name}.yaml"
    text = (hub.root / file).read_text().replace(f'cookieSecret: "{ENCRYPTED}"', 'cookieSecret: ""')
    hub.write(file, text, "cookieSecret")
    return file


def people_in_values_too(hub: Mutant) -> str:
    value("hub", "config", "Authenticator", "admin_users", to=["mo"])(hub)
    return f"{hub.directory}/people.yaml:1:1"


HOOK = {"postStart": {"exec": {"command": ["git", "pull"]}}}
PROFILE = [{"display_name": "x", "kubespawner_override": {"image": {"hubops-image": "nobody"}}}]
OURS = {"image": "registry.example.org/hubs/shared:c1"}
PLACEHOLDER = {"name": "quay.io/stock", "tag": "set-by-chartpress"}
Kinds = dict[str, tuple[str, Mutate]]
FAULTS: Kinds = {
    "a key with a slip": ("unknown-chart-key", value("singleuser", "memry", to={})),
    "a value of another type": ("wrong-value", value("singleuser", "startTimeout", to="soon")),
    "a value out of range": ("wrong-value", value("singleuser", "startTimeout", to=0)),
    "a default taken away": ("missing-value", value("singleuser", "storage", "homeMountPath", to=None)),
    "a key beside the chart": ("misplaced-key", appended("values.yaml", "singleuserr: {}\n", "singleuserr")),
    "a hook that may fail": ("blocking-hook", value("singleuser", "lifecycleHooks", to=HOOK, at="postStart:")),
    "homes are deleted": ("delete-pvc", value("hub", "config", "KubeSpawner", "delete_pvc", to=True)),
    "the database is not kept": (
        "database-without-keep",
        value("hub", "db", "pvc", "annotations", "helm.sh/resource-policy", to="delete"),
    ),
    "an image that nobody builds": ("unbuilt-image", value("singleuser", "profileList", to=PROFILE, at="hubops-image:")),
    "an image by hand": ("image-by-hand", value("custom", "aside", to=OURS, at="image:")),
    "a placeholder": ("placeholder-tag", value("custom", "aside", to=PLACEHOLDER, at="tag:")),
    "a token in clear": ("secret-in-values", value("hub", "extraEnv", "API_TOKEN", to="canary")),
    "metrics of another": ("metrics-path", value("hub", "annotations", "prometheus.io/path", to="/x/hub/metrics")),
    "a callback of another": (
        "oauth-callback",
        value("hub", "config", "GenericOAuthenticator", "oauth_callback_url", to="https://x.example.org/hub"),
    ),
    "a path of another": ("base-url", value("hub", "baseUrl", to="/elsewhere/")),
    "a retired annotation": (
        "retired-annotation",
        value("ingress", "annotations", "ingress.kubernetes.io/rewrite-target", to="/"),
    ),
    "a person twice": ("person-twice", person_twice),
    "a person that is a number": ("person-name", appended("people.yaml", "  - 5\n", "5")),
    "people in values too": ("overridden-people", people_in_values_too),
    "a key of people with a slip": ("unknown-key", appended("people.yaml", "admin: []\n", "admin:")),
    "a key of hub.yaml with a slip": ("unknown-key", appended("hub.yaml", "prooved-by: x\n", "prooved-by")),
    "a stage with a slip": ("unknown-name", replaced("hub.yaml", "stage", "prodution")),
    "an image that is not there": ("unknown-name", replaced("hub.yaml", "image", "shard")),
    "a timeout with a unit": ("wrong-type", appended("hub.yaml", "timeout: 600s\n")),
    "the namespace of the cluster": ("reserved-namespace", appended("hub.yaml", "namespace: kube-system\n")),
    "a chart's name copied": ("chart-name", replaced("Chart.yaml", "name", "other")),
    "no lock": ("missing-lock", without_lock),
    "a lock of another version": ("stale-lock", stale_lock),
    "no chart": ("hub-without-chart", hub_of_no_chart),
    "no YAML": ("unreadable-yaml", broken),
    "a key twice": ("unreadable-yaml", appended("hub.yaml", "cluster: local\n")),
    "a file that nobody reads": ("dead-file", dead_file),
    "a bound without quotes": ("unquoted-bound", dockerfile("RUN pip install xarray>=2\nUSER 1000\n", "xarray>=2")),
    "an end as root": ("root-at-end", dockerfile("USER root\n", "root")),
    "a URL that moves": ("unpinned-url", dockerfile("ADD https://example.org/x /x\n", "https:")),
}  # fmt: skip
# On the local cluster these are none.
ELSEWHERE: Kinds = {
    "anybody may come": (
        "open-authentication",
        value("hub", "config", "JupyterHub", "authenticator_class", to="dummy"),
    ),
    "a secret in clear": ("partly-plain-secrets", plain_secret),
    "a secret left out": ("missing-secret", secret_left_out),
}


ALL: Kinds = {**FAULTS, **ELSEWHERE}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet")
    write_fleet(root, 3, seed=1)
    return root


@pytest.fixture(scope="module")
def large_fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet")
    write_fleet(root, 20, seed=2)
    return root


def require_found(root: Path, fault: str) -> None:
    rule, mutate = ALL[fault]
    tried = 0
    for directory in sorted((root / "hub-charts").iterdir()):
        hub = Mutant(root, directory.name)
        if fault in ELSEWHERE and hub.is_local:
            continue
        try:
            place = mutate(hub)
            found = {(each.rule, each.where) for each in find_problems(root).problems}
        finally:
            hub.restore()
        assert found == {(rule, place)}
        tried += 1
    assert tried >= (1 if fault in ELSEWHERE else 3)


@pytest.mark.parametrize("fault", ALL)
def test_a_fault_in_any_hub_is_found_where_it_is(fault: str, fleet: Path) -> None:
    require_found(fleet, fault)


@pytest.mark.long
@pytest.mark.parametrize("fault", ALL)
def test_a_fault_in_any_hub_of_many_is_found_where_it_is(fault: str, large_fleet: Path) -> None:
    require_found(large_fleet, fault)


def test_there_are_enough_kinds_of_faults() -> None:
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("seed", range(FLEETS))
def test_a_valid_fleet_has_no_problems(seed: int, tmp_path: Path) -> None:
    write_fleet(tmp_path, 1 + seed % 8, seed)
    findings = find_problems(tmp_path)
    assert (findings.problems, findings.notes) == ((), ())


NEW = {
    "a hub": ["--cluster", "local"],
    "an image of its own": ["--cluster", "local", "--new-image"],
    "as another": ["--from", "staginghub", "--cluster", "local"],
    "the upstream chart": [
        "--cluster",
        "local",
        "--chart-repository",
        "http://127.0.0.1:9/",
        "--chart-version",
        "4.4.0",
    ],
}


@pytest.mark.parametrize("words", NEW.values(), ids=NEW.keys())
def test_what_hubops_writes_has_no_problems(words: list[str], operations: Path) -> None:
    assert find_problems(operations) == Findings()
    assert CliRunner().invoke(new.command, ["earth", *words]).exit_code == 0
    findings = find_problems(operations)
    assert findings.problems == ()
    assert bool(findings.notes) == ("--chart-repository" in words)  # that chart is not here


LOGINS = {"native": [], "github": ["missing-secret"]}


@pytest.mark.parametrize(("login", "left"), LOGINS.items())
def test_of_a_new_hub_elsewhere_only_what_is_still_to_be_done_is_a_problem(
    login: str, left: list[str], operations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for variable in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    with (operations / "hubops.yaml").open("a") as file:
        file.write("  campus: {kubeconfig-context: campus, url: 'https://hubs.example.org'}\n")
    assert CliRunner().invoke(new.command, ["earth", "--cluster", "campus", "--auth", login]).exit_code == 0
    assert [each.rule for each in find_problems(operations).problems] == ["missing-secrets"]
    assert CliRunner().invoke(secrets_new.command, ["earth"]).exit_code == 0
    assert [each.rule for each in find_problems(operations).problems] == left
