"""The CI files: what is committed, who meets which secret, and how `hubops ci render` treats what is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import check_jsonschema  # type: ignore[import-untyped]  # it has none
import pytest
import yaml
from click.testing import CliRunner, Result

from hubops.cli import ci_render
from hubops.cli.ci_credentials import unpacked_credentials
from hubops.cli.main import hubops
from hubops.errors import HubopsError, RefusedError, UsageError
from hubops.scaffold.ci_files import CHECKOUT, FORGES, Choice, Program, pinned, recorded_choice, render
from hubops.scaffold.ci_settings import settings_to_make

PROJECT = Path(__file__).parents[2]
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci", "travis": "vendor.travis"}
SECRETS = ("SOPS_AGE_KEY", "HUBOPS_KUBECONFIG", "DOCKER_AUTH_CONFIG")
# The key `on` is a boolean to YAML 1.1.
ON: Any = True

programs = pytest.mark.parametrize("program", [CHECKOUT, pinned("1.2.3")], ids=["checkout", "pinned"])
choices = pytest.mark.parametrize("choice", [Choice(), Choice("trunk", "campus")], ids=["plain", "chosen"])


def parsed(forge: str, program: Program = CHECKOUT, choice: Choice | None = None) -> Any:
    return yaml.safe_load(render(forge, program, choice or Choice()))


def every(value: Any, key: str) -> Iterator[Any]:
    """What stands under a key, anywhere."""
    if isinstance(value, dict):
        yield from (found for name, found in value.items() if name == key)
        for inner in value.values():
            yield from every(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from every(inner, key)


@pytest.mark.parametrize("forge", ["github", "travis"])
def test_what_is_committed_is_what_is_rendered(forge: str) -> None:
    committed = (PROJECT / FORGES[forge][0]).read_text()
    choice = recorded_choice(committed)
    assert choice == Choice()
    assert committed == render(forge, CHECKOUT, choice)


@programs
@choices
@pytest.mark.parametrize("forge", FORGES)
def test_the_forges_schema_accepts_it(forge: str, program: Program, choice: Choice, tmp_path: Path) -> None:
    file = tmp_path / "ci.yml"
    file.write_text(render(forge, program, choice))
    assert conforms(forge, file)


@pytest.mark.parametrize("forge", FORGES)
def test_the_schema_would_refuse_another_file(forge: str, tmp_path: Path) -> None:
    file = tmp_path / "ci.yml"
    file.write_text("{jobs: {merge: {runs-on: 1}}, merge: {script: 1}, script: {}}\n")
    assert not conforms(forge, file)


def conforms(forge: str, file: Path) -> bool:
    done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", SCHEMAS[forge], str(file)])
    assert done.exit_code in {0, 1}, done.output
    return done.exit_code == 0


@programs
def test_each_event_runs_one_line(program: Program) -> None:
    pull_request, merge = f"{program.command} ci pull-request", f"{program.command} ci merge"
    assert list(every(parsed("github", program), "run")) == [pull_request, merge]
    assert list(every(parsed("gitlab", program), "script")) == [[pull_request], [merge]]
    travis = parsed("travis", program)
    assert travis["script"] == f'if [ "$TRAVIS_EVENT_TYPE" = pull_request ]; then {pull_request}; fi'
    assert travis["deploy"]["script"] == merge
    assert "before_deploy" not in travis


def test_what_a_job_installs_before_its_line_is_pinned() -> None:
    program = pinned("1.2.3")
    assert program.command == "pipx run --spec hubops==1.2.3 hubops"
    assert re.fullmatch(r"pip install --quiet pipx==[0-9.]+", program.setup)
    assert parsed("gitlab", program)["default"]["before_script"] == [program.setup]
    assert parsed("travis", program)["install"] == program.setup
    assert parsed("gitlab")["default"]["before_script"] == []
    assert parsed("travis")["install"] == "skip"


@choices
def test_on_github_a_pull_request_reads_only_and_meets_no_secret(choice: Choice) -> None:
    workflow = parsed("github", choice=choice)
    assert workflow[ON] == {
        "pull_request": {"branches": [choice.branch]},
        "push": {"branches": [choice.branch]},
    }
    assert workflow["permissions"] == {"contents": "read"}
    assert list(every(workflow["jobs"], "permissions")) == []
    job = workflow["jobs"]["pull-request"]
    assert job["if"] == "github.event_name == 'pull_request'"
    assert job["runs-on"] == "ubuntu-latest"
    assert "environment" not in job
    assert list(every(job, "env")) == []
    assert "secrets" not in str(job)


@choices
def test_on_github_a_merge_waits_for_a_running_one_and_is_given_the_secrets(choice: Choice) -> None:
    job = parsed("github", choice=choice)["jobs"]["merge"]
    assert job["if"] == "github.event_name == 'push'"
    assert job["runs-on"] == (choice.runner or "ubuntu-latest")
    assert job["environment"] == "production"
    assert job["concurrency"] == {"group": "hubops-merge", "cancel-in-progress": False}
    assert job["steps"][-1]["env"] == {name: f"${{{{ secrets.{name} }}}}" for name in SECRETS}


def test_actions_are_few_and_pinned_by_commit() -> None:
    text = render("github", CHECKOUT, Choice())
    lines = [line.strip() for line in text.splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"- uses: actions/checkout@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_clones_are_whole_and_keep_no_token() -> None:
    steps = [step for steps in every(parsed("github"), "steps") for step in steps if "uses" in step]
    assert len(steps) == 2
    for step in steps:
        assert step["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert parsed("travis")["git"] == {"depth": False}
    assert parsed("gitlab")["variables"] == {"GIT_DEPTH": "0"}


@choices
def test_on_travis_merges_alone_deploy_from_the_branch(choice: Choice) -> None:
    travis = parsed("travis", choice=choice)
    assert travis["branches"] == {"only": [choice.branch]}
    assert travis["deploy"]["provider"] == "script"
    assert travis["deploy"][ON] == {"branch": choice.branch}
    assert "maximum_number_of_builds --set 1" in render("travis", CHECKOUT, choice)


@pytest.mark.parametrize(
    ("event", "code", "expected"), [("pull_request", 20, 20), ("pull_request", 0, 0), ("push", 1, 0)]
)
def test_on_travis_the_script_is_the_pull_requests_and_keeps_its_exit_code(
    event: str, code: int, expected: int
) -> None:
    script = parsed("travis", Program(f"exit {code};"))["script"]
    done = subprocess.run(["bash", "-c", script], env={"TRAVIS_EVENT_TYPE": event}, check=False)
    assert done.returncode == expected


@choices
def test_on_gitlab_each_job_has_its_event_and_merges_wait_for_a_running_one(choice: Choice) -> None:
    pipeline = parsed("gitlab", choice=choice)
    pull_request, merge = pipeline["pull-request"], pipeline["merge"]
    assert pull_request["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert set(pull_request) == {"rules", "script"}
    rule = f'$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "{choice.branch}"'
    assert merge["rules"] == [{"if": rule}]
    assert merge["tags"] == ([choice.runner] if choice.runner else [])
    assert merge["environment"] == "production"
    assert merge["resource_group"]
    assert merge["interruptible"] is False


@pytest.mark.parametrize("forge", FORGES)
def test_nothing_rendered_gives_a_fork_more_than_its_own_run(forge: str) -> None:
    text = render(forge, pinned("1.2.3"), Choice("trunk", "campus"))
    for word in (
        "pull_request_target",
        "workflow_run",
        "issue_comment",
        "actions/cache",
        "write",
        "id-token",
    ):
        assert word not in text
    assert list(every(yaml.safe_load(text), "cache")) in ([], [False])


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("name", ["a b", "*", 'x"', "$X", "-x", "a\nb"])
def test_a_name_that_is_more_than_a_name_is_refused(forge: str, name: str) -> None:
    for choice in (Choice(name), Choice(runner=name)):
        with pytest.raises(UsageError, match="cannot stand in a CI file"):
            render(forge, CHECKOUT, choice)


@pytest.mark.parametrize("forge", FORGES)
def test_the_settings_name_what_to_set(forge: str) -> None:
    text = settings_to_make(forge, Choice("trunk", "campus"))
    assert all(name in text for name in (*SECRETS, "trunk"))
    assert ("campus" in text) == (forge != "travis")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's repository with no hub yet, where we stand."""
    (tmp_path / "hubops.yaml").write_text(
        "registry: registry.example.org\nclusters: {local: {local: true}}\n"
    )
    (tmp_path / "hub-charts").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ci_render_command(*words: str) -> Result:
    return CliRunner().invoke(ci_render.command, words)


def failure(result: Result) -> HubopsError:
    assert isinstance(result.exception, HubopsError)
    return result.exception


def test_render_writes_and_says_what_to_set_next(repository: Path) -> None:
    result = ci_render_command("gitlab", "github")
    assert result.exit_code == 0, result.exception
    assert "SOPS_AGE_KEY" in result.output
    assert "pipx run --spec hubops==" in (repository / ".gitlab-ci.yml").read_text()
    assert (repository / ".github/workflows/hubops.yml").is_file()
    assert ci_render_command("gitlab", "github", "--check").exit_code == 0


def test_what_was_chosen_once_holds_for_later_renderings(repository: Path) -> None:
    ci_render_command("github", "--branch", "trunk", "--runner", "campus")
    text = (repository / ".github/workflows/hubops.yml").read_text()
    assert recorded_choice(text) == Choice("trunk", "campus")
    assert ci_render_command("github", "--check").exit_code == 0
    ci_render_command("github", "--runner", "")
    assert recorded_choice((repository / ".github/workflows/hubops.yml").read_text()) == Choice("trunk")


def test_the_branch_is_the_remotes_head(repository: Path) -> None:
    for words in (
        ["init", "-q"],
        ["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/v1/next"],
    ):
        subprocess.run(["git", *words], cwd=repository, check=True)
    ci_render_command("travis")
    assert recorded_choice((repository / ".travis.yml").read_text()) == Choice("v1/next")


def test_check_shows_the_difference_and_writes_nothing(repository: Path) -> None:
    missing = ci_render_command("travis", "--check")
    assert failure(missing).exit_code == 1
    assert "--- /dev/null\n+++ .travis.yml\n" in missing.output
    assert not (repository / ".travis.yml").exists()
    ci_render_command("travis")
    file = repository / ".travis.yml"
    edited = file.read_text().replace("dist: jammy", "dist: noble")
    file.write_text(edited)
    result = ci_render_command("travis", "--check")
    assert "-dist: noble\n+dist: jammy\n" in result.output
    assert "hubops ci render travis" in failure(result).hint
    assert file.read_text() == edited


@pytest.mark.parametrize("edited", [True, False], ids=["edited", "foreign"])
def test_a_file_that_somebody_wrote_is_overwritten_by_force_only(repository: Path, edited: bool) -> None:
    file = repository / ".travis.yml"
    ci_render_command("travis")
    theirs = file.read_text() + "env: {A: b}\n" if edited else "language: python\n"
    file.write_text(theirs)
    error = failure(ci_render_command("github", "travis"))
    assert isinstance(error, RefusedError)
    assert error.where == str(file)
    assert ("edited" in error.why) == edited
    assert "--force" in error.hint
    assert file.read_text() == theirs
    assert not (repository / ".github").exists()  # all or nothing
    assert ci_render_command("travis", "--force").exit_code == 0
    assert file.read_text() != theirs


def test_an_older_rendering_is_brought_up_to_date(repository: Path) -> None:
    file = repository / ".travis.yml"
    file.write_text(render("travis", pinned("0.0.1"), Choice("trunk")))
    assert ci_render_command("travis").exit_code == 0
    assert "0.0.1" not in file.read_text()
    assert recorded_choice(file.read_text()) == Choice("trunk")


def test_the_group_leads_to_render() -> None:
    result = CliRunner().invoke(hubops, ["ci", "render", "--help"])
    assert result.exit_code == 0
    assert "FORGES" in result.output


def test_credentials_that_come_as_text_become_private_files_for_the_run() -> None:
    environment = {"HUBOPS_KUBECONFIG": "clusters", "DOCKER_AUTH_CONFIG": "{}", "SOPS_AGE_KEY": "k", "A": "b"}
    with unpacked_credentials(environment):
        assert set(environment) == {"KUBECONFIG", "DOCKER_CONFIG", "SOPS_AGE_KEY", "A"}
        kubeconfig, docker = Path(environment["KUBECONFIG"]), Path(environment["DOCKER_CONFIG"])
        assert kubeconfig.read_text() == "clusters"
        assert (docker / "config.json").read_text() == "{}"
        assert docker.stat().st_mode & 0o777 == 0o700
    assert not kubeconfig.exists()
    assert not docker.exists()


def test_without_credentials_the_environment_stays_but_for_empty_secrets() -> None:
    environment = {
        "KUBECONFIG": "mine",
        "SOPS_AGE_KEY": "",
        "HUBOPS_KUBECONFIG": "",
        "DOCKER_AUTH_CONFIG": "",
    }
    with unpacked_credentials(environment):
        assert environment == {"KUBECONFIG": "mine"}
