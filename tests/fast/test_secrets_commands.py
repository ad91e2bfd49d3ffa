"""hubops secrets: an operator's day, with the real sops and age; no value is shown, and all files change or none."""

import asyncio
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fast import vault
from fast.vault import Key, ignore
from hubops.cli.main import hubops
from hubops.clients.sops import Sops
from hubops.desired.problems import find_problems
from hubops.errors import HubopsError, RefusedError, RepositoryError, UsageError
from hubops.local.toolchain import require_tool

PROJECT = Path(__file__).parents[2]
HUBS = ("campushub", "moonhub")
CAMPUS, MOON = (f"secrets/{hub}.yaml" for hub in HUBS)
GITHUB = """jupyterhub:
  hub:
    config:
      JupyterHub: {authenticator_class: github}
"""


def make_key(file: Path) -> Key:
    return asyncio.run(vault.make_key(file))


def encrypt(plain: str, *recipients: str) -> bytes:
    return asyncio.run(vault.encrypt(plain, *recipients))


@dataclass(frozen=True)
class Desk:
    """A repository with two hubs on a cluster, and a person at it."""

    root: Path
    sops: Sops
    key: Key

    def run(self, *words: str) -> str:
        result = self.attempt(*words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def attempt(self, *words: str) -> Result:
        return CliRunner().invoke(hubops, ["secrets", *words])

    def refused(self, *words: str) -> HubopsError:
        """The error of a command that changes nothing."""
        before = self.files()
        error = self.attempt(*words).exception
        assert isinstance(error, HubopsError), error
        assert self.files() == before
        return error

    def files(self) -> dict[str, bytes]:
        places = [self.root / ".sops.yaml", *(self.root / "secrets").glob("*")]
        return {path.name: path.read_bytes() for path in places if path.is_file()}

    def open(self, name: str, key: Key | None = None) -> dict[str, Any]:
        """What a file says to whom has the key."""
        keys = {"SOPS_AGE_KEY_FILE": str((key or self.key).file)}
        return asyncio.run(Sops(self.sops.program, keys).decrypt((self.root / name).read_bytes(), name))

    def hub(self, name: str, key: Key | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.open(name, key)["jupyterhub"]["hub"]
        return found


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return make_key(tmp_path_factory.mktemp("bob") / "key")


@pytest.fixture(scope="module")
def new_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """To be copied, as all that are made once."""
    place = tmp_path_factory.mktemp("desk")
    root = place / "operations"
    for name in ("values", "charts/jupyterhub"):
        shutil.copytree(PROJECT / name, root / name, ignore=shutil.ignore_patterns("templates", "files"))
    for hub in HUBS:
        shutil.copytree(PROJECT / "hub-charts/staginghub", root / "hub-charts" / hub)
        (root / "hub-charts" / hub / "hub.yaml").write_text("stage: staging\ncluster: campus\nimage: earth\n")
        chart = root / "hub-charts" / hub / "Chart.yaml"
        chart.write_text(chart.read_text().replace("name: staginghub", f"name: {hub}"))
    (root / "hubops.yaml").write_text(
        "clusters: {campus: {kubeconfig-context: campus}, local: {local: true}}\n"
    )
    for name in ("user-images/earth", "images/hub", "images/proxy"):
        (root / name).mkdir(parents=True)
        (root / name / "Dockerfile").write_text("FROM scratch\n")
    return Desk(root, Sops(asyncio.run(require_tool("sops", ignore))), make_key(place / "key"))


def sit_down(made: Desk, place: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A copy of a desk at a place, and us at it."""
    shutil.copytree(made.root, place / "operations")
    file = Path(shutil.copy2(made.key.file, place / "key"))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(file))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.delenv("SOPS_AGE_KEY", raising=False)
    monkeypatch.chdir(place / "operations")
    return replace(made, root=place / "operations", key=replace(made.key, file=file))


@pytest.fixture(scope="module")
def filled_desk(new_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    with pytest.MonkeyPatch.context() as patch:
        desk = sit_down(new_desk, tmp_path_factory.mktemp("filled"), patch)
        for hub in HUBS:
            desk.run("new", hub)
    return desk


@pytest.fixture(scope="module")
def shared_desk(filled_desk: Desk, bob: Key, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    text = """jupyterhub:
  hub:
    cookieSecret: old-cookie
    config: {GitHubOAuthenticator: {client_id: the-id, client_secret: canary-4711}}
    services: {hubops: {apiToken: old-token}, grader: {apiToken: canary-4712}}
"""
    with pytest.MonkeyPatch.context() as patch:
        desk = sit_down(filled_desk, tmp_path_factory.mktemp("shared"), patch)
        (desk.root / "hub-charts/campushub/values.yaml").write_text(GITHUB)
        (desk.root / CAMPUS).write_bytes(encrypt(text, desk.key.recipient))
        desk.run("add-person", "bob", bob.recipient)
    return desk


@pytest.fixture
def desk(new_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return sit_down(new_desk, tmp_path, monkeypatch)


@pytest.fixture
def filled(filled_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Both hubs have their secrets."""
    return sit_down(filled_desk, tmp_path, monkeypatch)


@pytest.fixture
def shared(shared_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Two hubs of two people; one of them has secrets that hubops cannot make."""
    return sit_down(shared_desk, tmp_path, monkeypatch)


def values(document: Any) -> list[str]:
    if isinstance(document, (dict, list)):
        return [
            text
            for each in (document.values() if isinstance(document, dict) else document)
            for text in values(each)
        ]
    return [str(document)]


# --- new


def test_new_writes_all_that_the_chart_needs_and_nothing_in_plain(desk: Desk) -> None:
    said = desk.run("new", "campushub")
    assert find_problems(desk.root, ["campushub"]).problems == ()
    found = desk.open(CAMPUS)
    assert len(values(found)) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values(found))
    for value in values(found):
        assert value not in said
        assert value.encode() not in b"".join(desk.files().values())
    assert "+ jupyterhub.hub.cookieSecret" in said
    assert (desk.root / ".sops.yaml").read_text().count(desk.key.recipient) == 2
    assert f"that of {desk.key.file}" in said
    assert "Back it up" in said


def test_new_makes_a_key_for_who_has_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    said = desk.run("new", "campushub")
    file = desk.root.parent / "sops/age/keys.txt"
    assert f"new, in {file}" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "AGE-SECRET-KEY" not in said
    assert (desk.hub(CAMPUS, Key(file, "")))["cookieSecret"]


def test_a_key_that_comes_as_a_variable_is_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY", desk.key.file.read_text())
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    assert "that of SOPS_AGE_KEY" in desk.run("new", "campushub")
    assert (desk.hub(CAMPUS))["cookieSecret"]


def test_no_variable_lets_somebody_else_in(desk: Desk, bob: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_RECIPIENTS", bob.recipient)
    desk.run("new", "campushub")
    assert bob.recipient.encode() not in b"".join(desk.files().values())
    assert desk.hub(CAMPUS)["cookieSecret"]


def test_passwords_are_made_where_people_log_in_with_them(desk: Desk) -> None:
    own = desk.root / "hub-charts/campushub/values.yaml"
    own.write_text(GITHUB.replace("github", "shared-password"))
    assert "user_password" in desk.run("new", "campushub")
    assert len((desk.hub(CAMPUS))["config"]["SharedPasswordAuthenticator"]["admin_password"]) >= 32


def test_new_says_what_only_the_provider_has(desk: Desk) -> None:
    (desk.root / "hub-charts/campushub/values.yaml").write_text(GITHUB)
    said = desk.run("new", "campushub")
    assert said.split("hubops secrets edit campushub:\n")[1].splitlines()[:2] == [
        "jupyterhub.hub.config.GitHubOAuthenticator.client_id",
        "jupyterhub.hub.config.GitHubOAuthenticator.client_secret",
    ]


def test_what_is_there_is_never_overwritten(filled: Desk) -> None:
    assert "has secrets already" in filled.refused("new", "campushub").what
    assert isinstance(filled.refused("new", "campshub"), UsageError)


def test_on_the_local_cluster_there_is_nothing_to_make(desk: Desk) -> None:
    (desk.root / "hub-charts/moonhub/hub.yaml").write_text("stage: staging\nimage: earth\n")
    for command in ("new", "edit", "rotate"):
        assert "is on the local cluster" in desk.refused(command, "moonhub").what
    assert "moonhub is on the local cluster" in desk.attempt("check", "moonhub").output


def test_a_config_without_a_rule_for_the_file_is_refused(desk: Desk) -> None:
    (desk.root / ".sops.yaml").write_text(
        f"creation_rules: [{{path_regex: ^people/, age: {desk.key.recipient}}}]\n"
    )
    error = desk.refused("new", "campushub")
    assert error.what == f".sops.yaml has no rule for {CAMPUS}"


# --- rotate


def test_rotate_gives_new_values_and_says_what_people_see(filled: Desk) -> None:
    before = filled.open(CAMPUS)
    said = filled.run("rotate", "campushub")
    after = filled.open(CAMPUS)
    kept = {*values(before)} & {*values(after)}
    assert kept == {before["jupyterhub"]["hub"]["config"]["CryptKeeper"]["keys"][0]}
    assert after["jupyterhub"]["hub"]["config"]["CryptKeeper"]["keys"][1] in kept
    assert "jupyterhub.hub.cookieSecret: everybody logs in again" in said
    assert not [value for value in values(before) + values(after) if value in said]
    filled.run("rotate", "campushub")
    assert len((filled.hub(CAMPUS))["config"]["CryptKeeper"]["keys"]) == 2


def test_rotate_one_key_leaves_the_others_and_the_comments(filled: Desk) -> None:
    text = "jupyterhub:\n  hub:\n    # the old hub's\n    cookieSecret: old\n    services: {hubops: {apiToken: '1'}}\n"
    (filled.root / CAMPUS).write_bytes(encrypt(text, filled.key.recipient))
    before = (filled.root / CAMPUS).read_bytes()
    filled.run("rotate", "campushub", "jupyterhub.hub.cookieSecret")
    found = filled.hub(CAMPUS)
    assert found["services"] == {"hubops": {"apiToken": "1"}}
    assert re.fullmatch("[0-9a-f]{64}", found["cookieSecret"])
    after = (filled.root / CAMPUS).read_bytes()
    assert b"type:comment]" in after
    pattern = rb"apiToken: (.*)"
    assert re.findall(pattern, before) != re.findall(pattern, after)  # another data key


def test_only_what_hubops_generates_is_rotated(filled: Desk) -> None:
    error = filled.refused("rotate", "campushub", "hub.cookieSecrt")
    assert "Did you mean hub.cookieSecret?" in error.hint
    assert "hubops secrets edit campushub" in error.hint


# --- add-person


def test_who_is_added_for_a_hub_opens_that_and_no_other(filled: Desk, bob: Key) -> None:
    config = filled.root / ".sops.yaml"
    config.write_text(f"# who may\n{config.read_text()}# the end\n")
    said = filled.run("add-person", "bob", bob.recipient, "campushub")
    assert f"{CAMPUS} has other recipients:\n+ {bob.recipient} (bob)" in said
    assert config.read_text().startswith("# who may\n")
    assert config.read_text().endswith("# the end\n")
    assert (filled.hub(CAMPUS, bob))["cookieSecret"]
    with pytest.raises(RefusedError, match="not one for these"):
        filled.open(MOON, bob)
    shutil.rmtree(filled.root / "secrets")
    filled.run("new", "campushub")  # by the rules from now on
    filled.run("new", "moonhub")
    assert (filled.hub(CAMPUS, bob))["cookieSecret"]
    with pytest.raises(RefusedError, match="not one for these"):
        filled.open(MOON, bob)


def test_who_is_added_without_a_hub_opens_all(filled: Desk, bob: Key) -> None:
    before = filled.open(MOON)
    filled.run("add-person", "bob", bob.recipient)
    assert filled.open(MOON, bob) == before
    assert (filled.hub(CAMPUS, bob))["cookieSecret"]
    again = filled.files()
    assert filled.run("add-person", "bob", bob.recipient) == ""
    assert filled.files() == again


NO_RECIPIENT = {
    "private": ("AGE-SECRET-KEY-1QQQQ", "this is a private key"),
    "slip": ("ag1xyz", "'ag1xyz' is no recipient"),
    "taken": ("OWN", "is already"),
}


@pytest.mark.parametrize(("recipient", "what"), NO_RECIPIENT.values(), ids=NO_RECIPIENT.keys())
def test_what_is_no_recipient_is_refused(recipient: str, what: str, filled: Desk) -> None:
    error = filled.refused("add-person", "bob", recipient.replace("OWN", filled.key.recipient))
    assert what in error.what
    assert "QQQQ" not in str(error)


def test_a_recipient_that_age_refuses_changes_nothing(filled: Desk) -> None:
    assert "cannot encrypt for these recipients" in filled.refused("add-person", "bob", "age1qqqq").what


def test_when_one_file_cannot_be_opened_none_is_changed(filled: Desk, bob: Key) -> None:
    (filled.root / MOON).write_bytes(encrypt("jupyterhub: {a: b}\n", bob.recipient))
    other = make_key(filled.root.parent / "other")
    assert "the key here is not one" in filled.refused("add-person", "eve", other.recipient).what
    (filled.root / MOON).write_bytes(
        re.sub(rb"(a: ENC\[AES256_GCM,data:)..", rb"\1AA", (filled.root / MOON).read_bytes())
    )


# --- offboard


def test_who_has_left_opens_nothing_and_the_rest_is_listed(shared: Desk, bob: Key) -> None:
    said = shared.run("offboard", "bob")
    for name in (CAMPUS, MOON):
        with pytest.raises(RefusedError, match="not one for these"):
            shared.open(name, bob)
    assert bob.recipient not in (shared.root / ".sops.yaml").read_text()
    assert "bob" not in (shared.root / ".sops.yaml").read_text()
    found = shared.hub(CAMPUS)
    assert "old" not in found["cookieSecret"] + found["services"]["hubops"]["apiToken"]
    assert found["services"]["grader"] == {"apiToken": "canary-4712"}
    assert "- [x] jupyterhub.hub.cookieSecret: everybody logs in again" in said
    assert (
        "- [ ] jupyterhub.hub.config.GitHubOAuthenticator.client_secret: make a new one at the provider"
        in said
    )
    assert "- [ ] jupyterhub.hub.services.grader.apiToken" in said
    assert "client_id" not in said
    assert "keys[1]: take it out" in said
    assert "canary" not in said
    assert f"{CAMPUS} has 1 recipient" in said


def test_the_old_data_key_is_of_no_use(shared: Desk, bob: Key) -> None:
    """What bob kept of the file from before opens no value of the file from after."""
    old = (shared.root / MOON).read_text()
    shared.run("offboard", "bob")
    new = (shared.root / MOON).read_text()
    stolen = new.split("sops:")[0] + "sops:" + old.split("sops:")[1]
    (shared.root / MOON).write_text(stolen)
    with pytest.raises(HubopsError, match="changed after it was encrypted"):
        shared.open(MOON, bob)


def test_whom_only_a_file_knows_can_leave(shared: Desk, bob: Key) -> None:
    (shared.root / ".sops.yaml").write_text(
        f"creation_rules: [{{path_regex: ^secrets/, age: {shared.key.recipient}}}]\n"
    )
    assert f"- {bob.recipient}" in shared.run("offboard", bob.recipient)
    with pytest.raises(RefusedError, match="not one for these"):
        shared.open(MOON, bob)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs util-linux")
def test_a_full_disk_changes_no_file(shared: Desk) -> None:
    """It is met in the copies, before the repository is touched."""
    before = shared.files()
    for size in (0, 500, 1500):
        words = [
            "prlimit",
            f"--fsize={size}",
            sys.executable,
            "-m",
            "hubops.cli.main",
            "secrets",
            "offboard",
            "bob",
        ]
        done = subprocess.run(
            words, env={**os.environ, "PYTHONPATH": str(PROJECT / "src")}, capture_output=True, check=False
        )
        assert done.returncode != 0
        assert shared.files() == before


def test_one_can_leave_oneself(shared: Desk, bob: Key) -> None:
    name = next(
        line for line in (shared.root / ".sops.yaml").read_text().splitlines() if shared.key.recipient in line
    )
    shared.run("offboard", name.split(":")[0].strip(), "--out", "left.md")
    assert "# When" in (shared.root / "left.md").read_text()
    assert (shared.hub(MOON, bob))["cookieSecret"]


def test_the_last_one_cannot_leave(filled: Desk) -> None:
    error = filled.refused("offboard", filled.key.recipient)
    assert "nobody could open" in error.what


def test_who_is_unknown_cannot_leave(shared: Desk) -> None:
    error = shared.refused("offboard", "bop")
    assert (error.what, error.hint) == (".sops.yaml knows no bop", "Did you mean bob?")


def test_when_one_file_is_tampered_nobody_leaves(shared: Desk) -> None:
    file = shared.root / MOON
    file.write_text(re.sub(r"(cookieSecret: ENC\[AES256_GCM,data:)..", r"\1AA", file.read_text()))
    assert "changed after it was encrypted" in shared.refused("offboard", "bob").what


# --- check


def test_check_opens_each_and_tells_what_is_wrong_apart(filled: Desk, bob: Key) -> None:
    filled.run("add-person", "bob", bob.recipient, "campushub")
    (filled.root / MOON).write_bytes(
        encrypt("jupyterhub: {hub: {services: {hubops: {apiToken: a}}}}\n", bob.recipient)
    )
    result = filled.attempt("check", "--format", "json")
    assert result.exit_code == 20
    campus, moon = json.loads(result.output)
    assert (campus["hub"], campus["problems"], campus["recipients"][1:], campus["notes"]) == (
        HUBS[0],
        [],
        ["bob"],
        [],
    )
    assert moon["problems"][0]["what"] == "the key here is not one for these secrets"
    assert "1 recipient" in moon["notes"][0]
    assert "not for those whom .sops.yaml names" in moon["notes"][1]
    assert "campushub: opens (can be opened by: " in filled.run("check", "campushub")


def test_check_starts_a_few_programs_at_once(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hubs there are."""
    for number in range(18):
        hub = filled.root / f"hub-charts/hub-{number}"
        shutil.copytree(filled.root / "hub-charts/campushub", hub)
        (hub / "Chart.yaml").write_text((hub / "Chart.yaml").read_text().replace("campushub", hub.name))
        shutil.copy(filled.root / CAMPUS, filled.root / f"secrets/{hub.name}.yaml")
    running, most = 0, 0

    async def decrypt(_: Sops, content: bytes, where: str) -> dict[str, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return {}

    monkeypatch.setattr(Sops, "decrypt", decrypt)
    rows = json.loads(filled.attempt("check", "--format", "json").output)
    assert (len(rows), most) == (20, 8)


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "tampered": (lambda text: re.sub(r"(cookieSecret: ENC\[AES256_GCM,data:)..", r"\1AA", text), "changed after it was"),
    "plain": (lambda _: "jupyterhub: {hub: {cookieSecret: canary-4711}}\n", "plain in git"),
    "a value in plain": (lambda text: text.replace("cookieSecret: ", "x: canary-4711\n        cookieSecret: "), "plain between"),
    "git-crypt": (lambda _: "\0GITCRYPT\0", "are locked"),
    "no YAML": (lambda _: "a: *canary-4711\n", "this is not YAML"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "what"), WRONG.values(), ids=WRONG.keys())
def test_check_names_what_is_wrong_with_a_file(change: Callable[[str], str], what: str, filled: Desk) -> None:
    file = filled.root / CAMPUS
    file.write_text(change(file.read_text()))
    result = filled.attempt("check")
    assert result.exit_code == 20
    assert what in result.output
    assert "canary-4711" not in result.output
    assert "moonhub: opens" in result.output


def test_check_without_a_key_and_with_secrets_missing(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (filled.root / "hub-charts/moonhub/values.yaml").write_text(GITHUB)
    assert (
        f"{MOON} lacks jupyterhub.hub.config.GitHubOAuthenticator.client_id" in filled.attempt("check").output
    )
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(filled.sops.program).parents[3]))
    assert "there is no key here" in filled.attempt("check", "campushub").output


# --- edit


@pytest.fixture
def edit(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    """Edit the secrets of campushub by a program that people may call for it."""

    def run(command: str) -> Result:
        editor = filled.root.parent / "editor"
        editor.write_text(f'#!/bin/sh\nset -e\nls -ld "$(dirname "$1")" "$1" >> {editor}.log\n{command}\n')
        editor.chmod(0o700)
        monkeypatch.setenv("EDITOR", str(editor))
        return filled.attempt("edit", "campushub")

    return run


def test_what_was_edited_is_there_encrypted(filled: Desk, edit: Callable[[str], Result]) -> None:
    before = filled.hub(CAMPUS)
    result = edit(
        '''sed -i 's/^    hub:/    hub:\\n        concurrentSpawnLimit: 4711/; s/cookieSecret: .*/cookieSecret: canary-4711/' "$1"'''
    )
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.output == (
        f"{CAMPUS}:\n+ jupyterhub.hub.concurrentSpawnLimit\n~ jupyterhub.hub.cookieSecret\n"
    )
    assert filled.hub(CAMPUS) == {**before, "cookieSecret": "canary-4711", "concurrentSpawnLimit": 4711}
    seen = (filled.root.parent / "editor.log").read_text().splitlines()
    assert seen[0].startswith("drwx------")
    assert seen[1].startswith("-rw-------")
    assert not Path(seen[1].split()[-1]).exists()
    assert seen[1].split()[-1].startswith("/dev/shm/") or not Path("/dev/shm").is_dir()


def test_where_there_is_no_terminal_an_editor_must_be_named(
    filled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SOPS_EDITOR", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    error = filled.refused("edit", "campushub")
    assert (error.what, error.exit_code) == ("this is no terminal, so nobody can edit here", 2)


def test_an_editor_that_changes_nothing_changes_nothing(filled: Desk, edit: Callable[[str], Result]) -> None:
    before = filled.files()
    assert edit("true").output == "no value was changed\n"
    assert filled.files() == before


INVALID = {
    "unknown key": ("s/cookieSecret:/cokieSecret:/", "unknown key hub.cokieSecret"),
    "twice": (r"s/^\( *\)cookieSecret: .*/\1cookieSecret: canary-1\n\1cookieSecret: canary-2/", "the key cookieSecret is there twice"),
    "empty": ("s/cookieSecret: .*/cookieSecret: ''/", "jupyterhub.hub.cookieSecret is empty"),
    "wrong type": ("s/cookieSecret: .*/cookieSecret: [canary-1]/", "hub.cookieSecret is of a wrong type"),
    "beside the prefix": ("s/^jupyterhub:/hub: {a: canary-1}\\njupyterhub:/", "hub.a reaches no chart"),
    "without the token": ("s/apiToken:/token:/", "lacks jupyterhub.hub.services.hubops.apiToken"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "what"), INVALID.values(), ids=INVALID.keys())
def test_what_is_wrong_is_refused_and_the_file_stays(
    script: str, what: str, filled: Desk, edit: Callable[[str], Result]
) -> None:
    before = filled.files()
    result = edit(f'sed -i "{script}" "$1"')
    assert isinstance(result.exception, RepositoryError), (result.output, result.exception)
    assert what in result.exception.why
    assert "canary" not in str(result.exception)
    assert filled.files() == before


def test_an_editor_that_fails_is_told(filled: Desk, edit: Callable[[str], Result]) -> None:
    before = filled.files()
    assert isinstance(edit("exit 3").exception, HubopsError)
    assert filled.files() == before


def test_what_git_crypt_encrypts_is_read_only(filled: Desk) -> None:
    (filled.root / CAMPUS).write_text("jupyterhub: {hub: {services: {hubops: {apiToken: abcdefgh}}}}\n")
    (filled.root / ".gitattributes").write_text("secrets/** filter=git-crypt diff=git-crypt\n")
    for command in ("edit", "rotate"):
        assert "git-crypt encrypts" in filled.refused(command, "campushub").what
