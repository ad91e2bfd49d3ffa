"""hubops user: what it writes into people.yaml, and what it refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hubops.cli.user import command
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError, RefusedError, UsageError
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


@pytest.mark.parametrize("words", [("list", "course"), ("add", "course", "ann"), ("remove", "course", "ann")])
def test_encrypted_people_are_neither_shown_nor_changed(words: tuple[str, ...], repository: Path) -> None:
    file = repository / "hub-charts/course/people.yaml"
    file.write_text(sealed := "allowed: ['ENC[AES256_GCM,data:x,type:str]']\nsops: {mac: x}\n")
    assert "sops edit hub-charts/course/people.yaml" in refusal(user(*words)).hint
    assert file.read_text() == sealed


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
