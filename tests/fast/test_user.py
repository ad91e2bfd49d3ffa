"""hubops user: what it writes into people.yaml, and what it refuses."""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fast.vault import Key, encrypt, ignore, make_key
from hubops.cli.secret_source import people_of
from hubops.cli.user import command
from hubops.clients.sops import Sops
from hubops.clients.sops_failures import LockedError, TamperedError
from hubops.desired.model import Fleet, Hub
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError, RefusedError, RepositoryError, UsageError
from hubops.local.toolchain import require_tool
from hubops.run.attempt import Made
from hubops.scaffold.people import Lists

GOOD = Path(__file__).parent / "repositories" / "good"
PEOPLE = """\
# Who runs the course.
admins:
  - teacher  # Mo
# Everybody else, by the day they came.
allowed:
  - "0604373"

  - student
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = shutil.copytree(GOOD, tmp_path / "fleet")
    (root / "hub-charts/course/people.yaml").write_text(PEOPLE)
    monkeypatch.chdir(root)
    return root


def user(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def text(repository: Path) -> str:
    return (repository / "hub-charts/course/people.yaml").read_text()


def refusal(result: Result) -> HubopsError:
    assert isinstance(result.exception, HubopsError)
    return result.exception


# --- the file


def test_who_goes_leaves_no_comment_behind(repository: Path) -> None:
    people = "allowed:\n  # Ann, a guest until June\n  - ann\n  # staff\n  - ben\n  - cy\n"
    (repository / "hub-charts/course/people.yaml").write_text(people)
    user("remove", "course", "ann", "ben")
    assert text(repository) == "allowed:\n  # staff\n  - cy\n"


def test_a_person_is_added_and_all_else_stays(repository: Path) -> None:
    result = user("add", "course", "Ann", "ben")
    assert text(repository) == PEOPLE + "  - ann\n  - ben\n"
    assert result.stdout.startswith(
        "--- a/hub-charts/course/people.yaml\n+++ b/hub-charts/course/people.yaml\n"
    )
    assert [line for line in result.stdout.splitlines() if line.startswith(("+ ", "- "))] == [
        "+  - ann",
        "+  - ben",
    ]
    assert "Ann is written ann" in result.stderr
    assert "from the next deploy on" in result.stderr


def test_who_was_added_and_is_removed_again_leaves_no_trace(repository: Path) -> None:
    user("add", "course", "ann")
    user("remove", "course", "ANN")
    assert text(repository) == PEOPLE


def test_an_admin_stands_in_one_list(repository: Path) -> None:
    user("add", "course", "student", "--admin")
    people = load_fleet(repository).hubs["course"].people
    assert (people.admins, people.allowed) == (("teacher", "student"), ("0604373",))
    assert "# Everybody else" in text(repository)
    user("remove", "course", "student", "--admin")
    people = load_fleet(repository).hubs["course"].people
    assert (people.admins, people.allowed) == (("teacher",), ("0604373", "student"))


def test_the_last_admin_leaves_a_list_that_decides(repository: Path) -> None:
    user("remove", "course", "teacher")
    people = load_fleet(repository).hubs["course"].people
    assert (people.admins, people.decides_admins) == ((), True)


def test_a_hub_without_a_file_gets_one(repository: Path) -> None:
    result = user("add", "plain", "ann", "--admin")
    assert (repository / "hub-charts/plain/people.yaml").read_text() == "admins:\n  - ann\n"
    assert "--- /dev/null" in result.stdout
    assert "says from now on who is admin" in result.stderr


def test_who_looks_like_a_number_stays_a_name(repository: Path) -> None:
    user("add", "course", "1e10", "yes", "0604374")
    assert load_fleet(repository).hubs["course"].people.allowed[-3:] == ("1e10", "yes", "0604374")


def test_blocking_takes_off_the_lists_and_is_said_to_who_adds(repository: Path) -> None:
    user("remove", "course", "student", "stranger", "--block")
    people = load_fleet(repository).hubs["course"].people
    assert (people.allowed, people.blocked) == (("0604373",), ("student", "stranger"))
    error = refusal(user("add", "course", "ben", "Student"))
    assert (type(error), error.what) == (RefusedError, "student is blocked")
    assert "ben" not in text(repository)


def test_what_is_so_already_is_said_and_nothing_is_written(repository: Path) -> None:
    result = user("add", "course", "Teacher", "student")
    assert result.stdout == ""
    for said in ("teacher is an admin already", "student may come already", "nothing to change"):
        assert said in result.stderr
    assert text(repository) == PEOPLE


SEE = "See who is: hubops user list HUB"


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("remove", "course", "ben", "studnet"), "ben is not in hub-charts/course/people.yaml", SEE),
        (("remove", "course", "studnet"), "studnet is not in", "Did you mean student?"),
        (("remove", "course", "student", "--admin"), "student is no admin", SEE),
        (("add", "course", "a/b"), "nobody can have the name 'a/b'", ""),
        (("add", "course", ".."), "nobody can have the name '..'", ""),
        (("add", "course", " ann"), "nobody can have the name ' ann'", ""),
        (("add", "course", "x" * 256), "nobody can have the name", ""),
        (("add", "course", "hubops-probe"), "nobody can have the name 'hubops-probe'", ""),
        (("add", "cuorse", "ann"), "there is no hub cuorse", "Did you mean course?"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    words: tuple[str, ...], what: str, hint: str, repository: Path
) -> None:
    error = refusal(user(*words))
    assert isinstance(error, UsageError)
    assert what in error.what
    assert error.hint == hint
    assert text(repository) == PEOPLE


def test_an_edit_that_would_do_nothing_is_refused(repository: Path) -> None:
    values = repository / "hub-charts/course/values.yaml"
    values.write_text("jupyterhub: {hub: {config: {Authenticator: {allowed_users: [zoe]}}}}\n")
    error = refusal(user("add", "course", "ann"))
    assert error.what == "allowed of course's people.yaml counts for nothing"
    assert error.where == "hub.config.Authenticator.allowed_users"
    assert text(repository) == PEOPLE


def test_removing_from_an_open_hub_says_that_others_may_come(repository: Path) -> None:
    said = "others than the named may come to course"
    config = "jupyterhub: {hub: {config: {JupyterHub: {authenticator_class: github}, Authenticator: {allow_existing_users: %s}}}}\n"  # fmt: skip
    for existing, is_open in (("false", False), ("true", True)):
        (repository / "hub-charts/course/people.yaml").write_text(PEOPLE)
        (repository / "hub-charts/course/values.yaml").write_text(config % existing)
        assert (said in user("remove", "course", "student").stderr) is is_open
    assert said not in user("remove", "course", "0604373", "--block").stderr


def test_the_list_as_people_and_programs_read_it(repository: Path) -> None:
    with (repository / "hub-charts/course/people.yaml").open("a") as file:
        file.write("teams: [org:a]\n")
    assert user("list", "course").stdout.splitlines() == [
        "admins   teacher",
        "allowed  0604373, student",
        "blocked  -",
        "teams    org:a",
    ]
    assert json.loads(user("list", "course", "--format", "json").stdout)["allowed"] == ["0604373", "student"]


# --- encrypted

SEALED = "hub-charts/course/people.yaml"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return asyncio.run(make_key(tmp_path_factory.mktemp("key") / "key"))


@pytest.fixture
def sealed(repository: Path, key: Key, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository, with people whom only our key shows."""
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key.file))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(repository))
    monkeypatch.delenv("SOPS_AGE_KEY", raising=False)
    (repository / SEALED).write_bytes(asyncio.run(encrypt(PEOPLE, key.recipient)))
    return repository


def opened(repository: Path) -> str:
    async def text() -> str:
        sops = Sops(await require_tool("sops", ignore))
        return await sops.decrypt_text((repository / SEALED).read_bytes(), SEALED)

    return asyncio.run(text())


def ciphers(repository: Path) -> set[str]:
    return set(re.findall(r"data:([^,]+),", text(repository)))


def test_encrypted_people_are_changed_and_no_other_is_named(sealed: Path) -> None:
    before = ciphers(sealed)
    result = user("add", "course", "Ann", "student", "--admin")
    assert result.exit_code == 0, result.exception
    assert result.stdout.splitlines() == [
        f"{SEALED}, encrypted:",
        "+ admins: ann",
        "+ admins: student",
        "- allowed: student",
    ]
    shown, plain = result.output, opened(sealed)
    assert "0604373" not in shown
    assert "teacher" not in shown
    assert "# Who runs the course.\nadmins:\n" in plain
    assert "# Everybody else, by the day they came.\nallowed:\n" in plain
    assert "# Mo\n    - teacher\n" in plain  # sops puts it there
    people = people_of(sealed, ignore)(load_fleet(sealed).hubs["course"])
    assert {*people.admins} == {"teacher", "student", "ann"}
    assert people.allowed == ("0604373",)
    # What stays, stays as it was encrypted: git shows what was changed.
    assert len(before & ciphers(sealed)) >= 4
    assert user("list", "course").stdout.splitlines()[0].startswith("admins   teacher, ")


def test_encrypted_people_are_removed_and_nobody_is_guessed(sealed: Path) -> None:
    assert user("remove", "course", "STUDENT").stdout.splitlines()[1:] == ["- allowed: student"]
    left = text(sealed)
    result = user("remove", "course", "teachr")
    assert refusal(result).hint == SEE
    assert "nothing to change" in user("add", "course", "teacher").stderr
    assert text(sealed) == left


def test_encrypted_people_are_plain_in_no_file(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for one in memory: what is written elsewhere while sops works is seen by the editor that it starts."""
    places = {name: sealed / name for name in ("memory", "temporary")}
    for place in places.values():
        place.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places["memory"]))
    monkeypatch.setattr(tempfile, "tempdir", str(places["temporary"]))
    seen = dict[str, list[str]]()
    replace = Sops.replace

    async def look(self: Sops, file: Path, text: Path, where: str) -> None:
        await replace(self, file, text, where)
        for name, place in places.items():
            found = [each for each in place.rglob("*") if each.is_file() and not each.is_symlink()]
            seen[name] = [each.name for each in found if b"0604373" in each.read_bytes()]

    monkeypatch.setattr(Sops, "replace", look)
    assert user("add", "course", "ann").exit_code == 0
    assert seen == {"memory": ["people.yaml"], "temporary": []}
    assert [*places["memory"].iterdir(), *places["temporary"].iterdir()] == []


def test_what_would_not_open_again_is_not_left(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def spoil(_: Sops, file: Path, *__: object) -> None:
        file.write_text(file.read_text().replace("type:str", "type:int", 1))

    monkeypatch.setattr(Sops, "replace", spoil)
    before = text(sealed)
    assert isinstance(refusal(user("add", "course", "ann")), TamperedError)
    assert text(sealed) == before


@pytest.mark.parametrize(
    "words", [("list", "course"), ("add", "course", "ann"), ("remove", "course", "student")]
)
def test_without_the_key_encrypted_people_are_neither_shown_nor_changed(
    words: tuple[str, ...], sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(sealed / "none"))
    before = text(sealed)
    error = refusal(user(*words))
    assert (type(error), error.where) == (LockedError, SEALED)
    assert "age1" in error.why
    assert text(sealed) == before


def test_an_encrypted_name_that_is_a_number_is_no_name(sealed: Path, key: Key) -> None:
    """It would be passed over, and who it is put off the hub."""
    (sealed / SEALED).write_bytes(asyncio.run(encrypt("allowed: [ann, 604373]\n", key.recipient)))
    for words in (("list", "course"), ("remove", "course", "ann")):
        error = refusal(user(*words))
        assert (error.what, error.where) == ("allowed names somebody by what is no text", SEALED)
        assert "604373" not in str(error)
    with pytest.raises(RepositoryError, match="no text"):
        people_of(sealed, ignore)(load_fleet(sealed).hubs["course"])


def test_encrypted_people_do_not_let_others_in_unseen(sealed: Path) -> None:
    """Whether a hub is closed is told by who is named, so by what is in the file."""
    config = "jupyterhub: {hub: {config: {JupyterHub: {authenticator_class: github}, Authenticator: {allow_existing_users: false}}}}\n"
    (sealed / "hub-charts/course/values.yaml").write_text(config)
    assert "others than the named" not in user("remove", "course", "student").stderr


# --- at once


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Who is to leave the hub, for each time that it is asked to have its people at once."""
    asked = list[tuple[str, ...]]()

    async def on_hub(_: Fleet, hub: Hub, leaving: Collection[str], *__: object) -> Made:
        asked.append((hub.name, *leaving))
        return Made()

    monkeypatch.setattr("hubops.cli.user._on_hub", on_hub)
    return asked


@pytest.mark.parametrize(
    ("words", "said", "leaving"),
    [
        (("Gone",), "gone is not in hub-charts/course/people.yaml", ("gone",)),
        (("gone", "studnet"), "Did you mean student?", ("gone", "studnet")),
        (("student", "--admin"), "student is no admin in", ()),
        (("gone", "--admin"), "gone is no admin in", ()),
    ],
)
def test_who_is_off_the_list_already_is_still_taken_off_the_hub(
    repository: Path, told: list[tuple[str, ...]], words: tuple[str, ...], said: str, leaving: tuple[str, ...]
) -> None:
    """Removed without --now, or by a colleague, and now it is urgent."""
    result = user("remove", "course", *words, "--now")
    assert result.exit_code == 0, result.exception
    assert said in result.stderr
    assert told == [("course", *leaving)]
    assert text(repository) == PEOPLE


def test_whoever_goes_at_once_is_taken_out_of_the_file_too(
    repository: Path, told: list[tuple[str, ...]]
) -> None:
    user("remove", "course", "Student", "gone", "--now")
    assert "student" not in text(repository)
    assert told == [("course", "student", "gone")]


def test_encrypted_people_reach_the_hub_at_once(sealed: Path, told: list[tuple[str, ...]]) -> None:
    assert user("remove", "course", "student", "--now").exit_code == 0
    assert told == [("course", "student")]
    assert "student" not in opened(sealed)


@pytest.mark.parametrize(
    ("login", "pattern", "name", "written"),
    [("MWOAuthenticator", "", "Ann Lee", "Ann_Lee"), ("", "^[a-z]+$", "Ann", "ann")],
)
def test_names_follow_the_login(login: str, pattern: str, name: str, written: str) -> None:
    value: dict[str, Any] = {}
    Lists(value, "people.yaml", login, pattern).add([name], admin=False)
    assert value == {"allowed": [written]}
    with pytest.raises(UsageError, match="nobody can have the name"):
        Lists({}, "people.yaml", login, "^[a-z]+$").add(["ann1"], admin=False)
