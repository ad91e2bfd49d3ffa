"""No secret is seen outside: every command that needs no cluster, run, made to fail and killed, with canaries everywhere."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from fast.canary import Seen, Watch
from fast.vault import Key, encrypt, ignore, make_key
from hubops.cli.main import hubops
from hubops.clients import process
from hubops.local.toolchain import require_tool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others are watched by /proc")
PROJECT = Path(__file__).parents[2]
HUB = "campushub"
PEM = """-----BEGIN PRIVATE KEY-----
canary-pem-line-one/4711
canary-pem-line-two+4711
-----END PRIVATE KEY-----"""
CANARIES = {
    "cookie": "canary-cookie-0001",
    "client secret": 'canary-client/"<0002>',
    "crypt key": "canary-crypt-0003",
    "file": PEM,
    "service token": "canary-token-0004",
    "git-crypt": "canary-gitcrypt-0005",
    "docker login": "canary-docker-0006",
    "kubeconfig": "canary-kubeconfig-0007",
    "helm registry": "canary-helmregistry-0008",
    "helm repository": "canary-helmrepository-0009",
    "kubeconfig as text": "canary-kubetext-0010",
    "docker login as text": "canary-dockertext-0011",
    "what an editor writes": "canary-edited-0012",
    "object store": "canary/store+0013",
    "session of the store": "canary/session+0014",
    "address of the store": "canary-address-0015",
    "a person": "canary-person-0016",
}
SECRETS = f"""jupyterhub:
  hub:
    cookieSecret: {CANARIES["cookie"]}
    config:
      CryptKeeper: {{keys: [{CANARIES["crypt key"]}]}}
      GitHubOAuthenticator: {{client_id: the-id, client_secret: '{CANARIES["client secret"]}'}}
    services: {{hubops: {{apiToken: {CANARIES["service token"]}}}}}
    templateVars:
      key: |
        {PEM.replace(chr(10), chr(10) + " " * 8)}
  proxy: {{secretToken: {CANARIES["cookie"]}}}
"""
OPENED = f"""jupyterhub:
  hub:
    cookieSecret: {CANARIES["git-crypt"]}
    config: {{CryptKeeper: {{keys: [{CANARIES["git-crypt"]}]}}}}
    services: {{hubops: {{apiToken: {CANARIES["git-crypt"]}}}}}
  proxy: {{secretToken: {CANARIES["git-crypt"]}}}
"""
AUTH = "stage: staging\ncluster: campus\nimage: earth\n"


@dataclass(frozen=True)
class World:
    """A repository and a person's settings full of canaries; every run gets a copy of its own."""

    template: Path
    env: Mapping[str, str]
    canaries: Mapping[str, str]
    other: Key

    def run(self, case: str, directory: Path, fault: str = "", **ending: object) -> Seen:
        shutil.copytree(self.template, directory, symlinks=True)
        for prepare in (CASES[case][1], FAULTS[fault]):
            subprocess.run(["sh", "-ec", prepare], cwd=directory / "operations", env={**self.env}, check=True)
        env = {name: text.replace(str(self.template), str(directory)) for name, text in self.env.items()}
        if fault == "wrong key":
            env |= {
                "SOPS_AGE_KEY_FILE": str(self.other.file),
                "HUBOPS_AGE_KEY_CAMPUS": "",
                "SOPS_AGE_KEY": "",
            }
        words = [word.replace("RECIPIENT", self.other.recipient) for word in CASES[case][0].split()]
        return Watch(directory, env, disk_is_full=fault == "disk full", **ending).run(words)  # type: ignore[arg-type]  # of any type


# What is run, and what is done before to the repository.
CASES = {
    "check": ("check", ""),
    "check, json": ("check --format json", ""),
    "check, rendered": ("check --render", ""),
    "check, sarif": ("check --format sarif", ""),
    "check, github": ("check --format github", ""),
    "config": (f"config {HUB}", ""),
    "config, json": (f"config {HUB} --format json", ""),
    "config, opened": ("config moonhub", ""),
    "config, explained": (f"config {HUB} --explain hub.config.GitHubOAuthenticator.client_secret", ""),
    "config, explained, json": (f"config {HUB} --explain hub.templateVars --format json", ""),
    "build": ("build", ""),
    "build, push": ("--verbose build earth --push", ""),
    "images": ("images prune --delete", ""),
    "build, bases": ("build --update-bases", ""),
    "build, explained": ("build earth --explain --format json", ""),
    "user list": (f"user list {HUB}", ""),
    "user add": (f"user add {HUB} eve", ""),
    "user add, now": (f"user add {HUB} eve --now", ""),
    "user add, encrypted": ("user add moonhub eve", ""),
    "user remove": (f"user remove {HUB} student", ""),
    "user remove, now": (f"user remove {HUB} student --now", ""),
    "user remove, encrypted": ("user remove moonhub bob", ""),
    "new": ("new marshub --cluster campus --auth native --image earth --proved-by campushub", ""),
    "disable": (f"disable {HUB} over", ""),
    "enable": (f"enable {HUB}", f"echo 'disabled: over' >> hub-charts/{HUB}/hub.yaml"),
    "init": ("init ../another", ""),
    "schema": ("schema hub", ""),
    "chart": (f"chart upgrade {HUB} 9.9.9", ""),
    "history": (f"history {HUB}", ""),
    "logs": (f"logs {HUB}", ""),
    "archive": (f"archive {HUB} --to ../archives", ""),
    "restore": (f"restore {HUB} --from ../archives/none", ""),
    "remove": (f"remove {HUB} --files", ""),
    "local": ("local status", ""),
    "plan by files": ("plan --against HEAD~1", ""),
    "plan by files, json": ("plan --against HEAD~1 --format json", ""),
    "plan by files, markdown": ("plan --against HEAD~1 --format markdown", ""),
    "plan": ("plan", ""),
    "status": ("status", ""),
    "deploy.py": (f"deploy.py {HUB}", ""),
    "deploy.py, deploy": (f"deploy.py {HUB} --no-setup --deploy", ""),
    "deploy": (f"--verbose deploy {HUB}", ""),
    "verify": (f"verify {HUB}", ""),
    "secrets check": ("secrets check", ""),
    "secrets check, json": ("secrets check --format json", ""),
    "secrets new": (f"secrets new {HUB}", f"rm secrets/{HUB}.yaml"),
    "secrets edit": (f"secrets edit {HUB}", ""),
    "secrets rotate": (f"secrets rotate {HUB}", ""),
    "secrets add-person": ("secrets add-person eve RECIPIENT", ""),
    "secrets offboard": ("secrets offboard bob", ""),
    "ci pull-request": ("ci pull-request --junit ../log/junit.xml", ""),
    "ci merge": ("ci merge", ""),
    "ci render": ("ci render github gitlab travis", ""),
    "tools": ("tools", ""),
    "restore from an object store": (f"restore {HUB} --from s3://archives/{HUB}-20260301T100000", ""),
}
# These make the cluster of this machine, and end it: it would be the person's own.
NOT_RUN = {"start", "local up", "local down"}
FAULTS = {
    "": "",
    "wrong key": "",
    "tampered": rf"sed -i -E 's/(cookieSecret: ENC\[AES256_GCM,data:)../\1AA/' secrets/{HUB}.yaml || true",
    "plain": f"printf 'jupyterhub:\\n  hub: {{cookieSecret: {CANARIES['cookie']}}}\\n' > secrets/{HUB}.yaml",
    "no YAML": f"printf 'jupyterhub:\\n  a: *{CANARIES['cookie']}\\n  !{CANARIES['cookie']} b: c\\n' > secrets/{HUB}.yaml",
    "disk full": "",
}
ENDS_WELL = {
    "check",
    "check, rendered",
    "check, sarif",
    "config",
    "config, opened",
    "config, explained",
    "config, explained, json",
    "user list",
    "user add",
    "user add, encrypted",
    "user remove",
    "user remove, encrypted",
    "new",
    "disable",
    "enable",
    "schema",
    "plan by files",
    "secrets check",
    "secrets new",
    "secrets edit",
    "secrets rotate",
    "ci render",
    "tools",
}
ENDS_WELL |= {"secrets add-person", "secrets offboard", "ci pull-request"}
# These open no secret and start no program, so there is nothing to be left behind.
WITH_FILES_ALONE = {
    case for case in CASES if case.startswith(("check", "config", "user list", "schema", "local"))
}
WITH_FILES_ALONE |= {"user add", "user remove", "disable", "enable", "init"}
FEW = [
    "check, rendered",
    "config, explained",
    "deploy",
    "secrets edit",
    "secrets offboard",
    "user remove, encrypted",
    "ci pull-request",
    "restore from an object store",
]
FAILING = {
    "wrong key": {
        "secrets check",
        "secrets edit",
        "secrets rotate",
        "secrets add-person",
        "secrets offboard",
        "user add, encrypted",
        "user remove, encrypted",
    },
    "tampered": {"secrets check", "secrets edit", "secrets rotate", "secrets add-person", "secrets offboard"},
    "plain": {
        "check",
        "check, rendered",
        "secrets check",
        "secrets edit",
        "secrets rotate",
        "ci pull-request",
    },
    "no YAML": {
        "check",
        "check, rendered",
        "secrets check",
        "secrets edit",
        "secrets rotate",
        "ci pull-request",
    },
    "disk full": {
        "secrets edit",
        "secrets rotate",
        "secrets add-person",
        "secrets offboard",
        "user remove",
        "user add, encrypted",
        "ci render",
    },
}


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    template = tmp_path_factory.mktemp("canary") / "template"
    root, home = template / "operations", template / "home"
    keys = {name: await make_key(template.parent / name) for name in ("bob", "other")}
    template.mkdir()
    ours = await make_key(template / "key")
    await _repository(root, ours, keys["bob"])
    _settings(home)
    private = ours.file.read_text().splitlines()[-1]
    tools = {str((await require_tool(name, ignore)).parent) for name in ("sops", "helm", "kubectl")}
    cache = (await require_tool("age-keygen", ignore)).parents[3]
    editor = template / "editor"
    (template / "edit.sed").write_text(
        f"s/cookieSecret: .*/cookieSecret: {CANARIES['what an editor writes']}/\n"
    )
    editor.write_text(f'#!/bin/sh\nsed -i -f {template}/edit.sed "$1"\nsleep 0.2\n')
    editor.chmod(0o755)
    env = {
        "PATH": ":".join([*tools, os.environ["PATH"]]),
        "PYTHONPATH": str(PROJECT / "src"),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache),
        "XDG_STATE_HOME": str(template / "state"),
        "EDITOR": str(editor),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "SOPS_AGE_KEY_FILE": str(ours.file),
        "HUBOPS_AGE_KEY_CAMPUS": private,
        "SOPS_AGE_KEY": private,
        "KUBECONFIG": str(home / ".kube/config"),
        "HUBOPS_KUBECONFIG": _kubeconfig(CANARIES["kubeconfig as text"]),
        "DOCKER_AUTH_CONFIG": _docker_config(CANARIES["docker login as text"]),
    }
    return World(template, env, {**CANARIES, "private key": private}, keys["other"])


async def _repository(root: Path, ours: Key, bob: Key) -> None:
    for name in ("values", "charts/jupyterhub"):
        shutil.copytree(PROJECT / name, root / name, ignore=shutil.ignore_patterns("templates", "files"))
    for hub in (HUB, "moonhub"):
        shutil.copytree(PROJECT / "hub-charts/staginghub", root / "hub-charts" / hub)
        chart = root / "hub-charts" / hub / "Chart.yaml"
        chart.write_text(chart.read_text().replace("name: staginghub", f"name: {hub}"))
        (root / "hub-charts" / hub / "hub.yaml").write_text(AUTH)
    # For whom has our key alone, so that nobody has to leave it.
    people = f"admins: [teacher]\n# Also canaries.\nallowed: [bob, {CANARIES['a person']}]\n"
    (root / "hub-charts/moonhub/people.yaml").write_bytes(await encrypt(people, ours.recipient))
    (root / "hubops.yaml").write_text(
        "registry: localhost:1\nclusters: {campus: {kubeconfig-context: campus, url: https://hubs.example.org}}\n"
    )
    for name in ("user-images/earth", "images/hub", "images/proxy"):
        (root / name).mkdir(parents=True)
        (root / name / "Dockerfile").write_text("FROM scratch\n")
    (root / "secrets").mkdir()
    (root / f"secrets/{HUB}.yaml").write_bytes(await encrypt(SECRETS, ours.recipient, bob.recipient))
    (root / "secrets/moonhub.yaml").write_bytes(b"\0GITCRYPT\0")
    (root / ".gitattributes").write_text("secrets/moonhub.yaml filter=git-crypt diff=git-crypt\n")
    (root / ".sops.yaml").write_text(
        f"people: {{ada: {ours.recipient}, bob: {bob.recipient}}}\n"
        f"creation_rules: [{{path_regex: ^secrets/, age: '{ours.recipient},{bob.recipient}'}}]\n"
    )
    script = """git init -q -b main && git config user.name t && git config user.email t@example.org
    git add -A && git commit -qm one && printf 'jupyterhub:\\n  cull: {maxAge: 1}\\n' > hub-charts/campushub/values.yaml
    git commit -qam two && git clone -q --bare . ../origin.git && git remote add origin ../origin.git && git fetch -q
    git update-index --assume-unchanged secrets/moonhub.yaml"""
    await process.run(["sh", "-ec", script], cwd=root)
    # As git-crypt has it: opened here, locked in git.
    (root / "secrets/moonhub.yaml").write_text(OPENED)


def _settings(home: Path) -> None:
    files = {
        ".kube/config": _kubeconfig(CANARIES["kubeconfig"]),
        ".aws/credentials": (
            f"[default]\naws_access_key_id = ada\naws_secret_access_key = {CANARIES['object store']}\n"
            f"aws_session_token = {CANARIES['session of the store']}\n"
        ),
        ".aws/config": (
            "[default]\nregion = here\nmax_attempts = 1\n"
            f"endpoint_url = http://ada:{CANARIES['address of the store']}@localhost:1\n"
        ),
        ".docker/config.json": _docker_config(CANARIES["docker login"]),
        ".config/helm/registry/config.json": _docker_config(CANARIES["helm registry"]),
        ".config/helm/repositories.yaml": json.dumps(
            {
                "apiVersion": "",
                "repositories": [
                    {"name": "a", "url": "http://localhost:1", "password": CANARIES["helm repository"]}
                ],
            }
        ),
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)


def _kubeconfig(token: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "campus",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "campus", "context": {"cluster": "c", "user": "u"}}],
    }
    return json.dumps(config)


def _docker_config(password: str) -> str:
    login = base64.b64encode(f"user:{password}".encode()).decode()
    return json.dumps({"auths": {"localhost:1": {"auth": login}}})


def allowed(leak: str) -> bool:
    """The key is for sops, which hands its environment on to its editor, cp; its recorder is sops or cat."""
    return re.match(r"private key in (environ of (sops|cp|cat)|log/sops\.environ)", leak) is not None


def sweep(world: World, directory: Path, cases: Iterable[str], fault: str = "") -> dict[str, Seen]:
    """Each command once, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {
            case: pool.submit(world.run, case, directory / str(number), fault)
            for number, case in enumerate(cases)
        }
        return {case: run.result() for case, run in runs.items()}


def leaks(world: World, runs: Mapping[str, Seen]) -> set[str]:
    return {
        f"{case}: {leak}"
        for case, seen in runs.items()
        for leak in seen.leaks(world.canaries)
        if not allowed(leak)
    }


LEAKING = """
echo canary-0001 > $TMPDIR/a; CANARY=canary-0002 sleep 0.2; rm $TMPDIR/a
sh -c 'sleep 0.2; : canary-0003'; git help canary-0004; echo canary-0005; echo canary-0006 | base64 >&2
"""


def test_who_watches_sees_what_is_there(world: World, tmp_path: Path) -> None:
    (tmp_path / "operations").mkdir()
    seen = Watch(tmp_path, world.env, program=("sh", "-c")).run([LEAKING])
    canaries = {str(number): f"canary-000{number}" for number in range(1, 7)}
    found = {leak.rsplit(" ", 1)[0] for leak in seen.leaks(canaries)}
    places = ["file a", "environ of sleep", "cmdline of sh", "log/git.argv", "stdout", "stderr"]
    for number, place in zip(canaries, places, strict=True):
        assert any(leak.startswith(f"{number} in {place}") for leak in found), (number, place, found)


def test_commands_show_no_secret(world: World, tmp_path: Path) -> None:
    judge(world, sweep(world, tmp_path, FEW))


def leaves(command: click.Command, *path: str) -> set[str]:
    """Every command that does something, by its whole path."""
    if not isinstance(command, click.Group):
        return {" ".join(path)}
    context = click.Context(command)
    found = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return {leaf for name, each in found.items() if each for leaf in leaves(each, *path, name)}


def leaf_of(words: list[str]) -> str:
    """The command that is called; options before it are flags."""
    command: click.Command | None = hubops
    path: list[str] = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        if not word.startswith("-"):
            path.append(word)
            command = command.get_command(click.Context(command), word)
    return " ".join(path)


def test_every_command_is_run() -> None:
    assert leaves(hubops) - {leaf_of(words.split()) for words, _ in CASES.values()} == NOT_RUN
    assert {*FEW} | {case for cases in FAILING.values() for case in cases} <= {*CASES}


def judge(world: World, runs: Mapping[str, Seen]) -> None:
    assert leaks(world, runs) == set()
    assert {case: seen.output for case, seen in runs.items() if case in ENDS_WELL and seen.code != 0} == {}
    assert {case: seen.output for case, seen in runs.items() if "Traceback" in seen.output} == {}


@pytest.fixture(scope="module")
def well(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return sweep(world, tmp_path_factory.mktemp("well"), CASES)


@pytest.mark.long
def test_no_command_shows_a_secret(world: World, well: dict[str, Seen]) -> None:
    judge(world, well)


@pytest.mark.long
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault])
def test_a_command_that_fails_shows_no_secret(fault: str, world: World, tmp_path: Path) -> None:
    runs = sweep(world, tmp_path, CASES, fault)
    assert leaks(world, runs) == set()
    assert {case for case in ENDS_WELL if runs[case].code != 0} >= FAILING[fault]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("part", [0.5, 0.7, 0.8, 0.9])
def test_a_command_that_is_ended_leaves_no_secret(
    number: signal.Signals, part: float, world: World, well: dict[str, Seen], tmp_path: Path
) -> None:
    """Ended after that part of the time that it takes; the first third goes by before it begins."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        submitted = {
            case: pool.submit(
                world.run, case, tmp_path / str(at), kill=number, after_s=part * well[case].took_s
            )
            for at, case in enumerate(CASES)
            if case not in WITH_FILES_ALONE
        }
        runs = {case: run.result() for case, run in submitted.items()}
    assert leaks(world, runs) == set()
    assert any(seen.code < 0 or seen.code > 128 for seen in runs.values())
