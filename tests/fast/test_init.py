"""hubops init: a repository that a check finds nothing in, also when hubops is an installed package."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubops import __version__
from hubops.cli.build import command as build
from hubops.cli.init import command
from hubops.desired.model import Findings
from hubops.desired.problems import find_problems
from hubops.desired.repository import load_fleet
from hubops.errors import RefusedError
from hubops.scaffold.changes import read_tree
from hubops.scaffold.ci_files import FORGES, Choice, pinned, render
from hubops.scaffold.repository_files import templates

PROJECT = Path(__file__).parents[2]


def init(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_a_check_finds_nothing_in_it(tmp_path: Path) -> None:
    result = init(tmp_path / "ops", "--registry", "r.example.org/hubs")
    assert result.exit_code == 0, result.exception
    assert find_problems(tmp_path / "ops") == Findings()
    fleet = load_fleet(tmp_path / "ops")
    assert fleet.registry == "r.example.org/hubs"
    assert list(fleet.hubs) == ["staginghub"]
    assert fleet.hubs["staginghub"].stage == "staging"
    assert set(fleet.images) == {"edge", "hub", "notebook", "proxy"}
    assert "hubops start" in result.output


def test_the_readme_says_how_bases_are_locked_and_check_tells_of_them_then(tmp_path: Path) -> None:
    """Before that it tells nothing, for a lock takes registries that answer."""
    init(tmp_path)
    assert "`hubops build --update-bases`" in (tmp_path / "README.md").read_text()
    assert "--update-bases" in {option for each in build.params for option in each.opts}
    (tmp_path / "user-images/bases.lock").write_text("")
    assert find_problems(tmp_path) == Findings()
    image = load_fleet(tmp_path).images["hub"]
    (tmp_path / "user-images/bases.lock").write_text(f"{next(iter(image.bases))}: sha256:{'a' * 64}\n")
    (tmp_path / "user-images/notebook/Dockerfile").write_text("FROM debian:12\nUSER 1000\n")
    assert {each.rule for each in find_problems(tmp_path).problems} == {"unlocked-base"}


def test_it_has_what_the_tool_has_and_shares(tmp_path: Path) -> None:
    init(tmp_path)
    made = read_tree(tmp_path, "")
    for name in ("charts/jupyterhub", "images/hub", "images/proxy", "images/edge"):
        ours = read_tree(PROJECT / name, f"{name}/")
        assert {path: content for path, content in made.items() if path.startswith(f"{name}/")} == ours
    shared = read_tree(PROJECT / "values", "values/")
    assert {path: content for path, content in made.items() if path.startswith("values/")} == shared
    assert f"\nhubops=={__version__}\n" in made["requirements.txt"].decode()
    assert not [content for content in made.values() if b"@VERSION@" in content or b"@REGISTRY@" in content]


@pytest.mark.parametrize("forge", sorted(FORGES))
def test_the_ci_file_is_as_rendered(forge: str, tmp_path: Path) -> None:
    result = init(tmp_path, "--ci", forge, "--branch", "trunk")
    text = (tmp_path / FORGES[forge][0]).read_text()
    assert text == render(forge, pinned(__version__), Choice("trunk"))
    assert "SOPS_AGE_KEY" in result.output


def test_none_is_written_when_none_is_wanted(tmp_path: Path) -> None:
    init(tmp_path, "--ci", "none")
    assert not [path for path, _ in FORGES.values() if (tmp_path / path).exists()]


def test_files_in_the_way_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "hubops.yaml").write_text("clusters: {}\n")
    (tmp_path / "values").write_text("")
    before = read_tree(tmp_path, "")
    result = init(tmp_path)
    assert isinstance(result.exception, RefusedError)
    assert result.exception.why.splitlines()[0] == "hubops.yaml"
    assert "values/organisation.yaml" in result.exception.why
    assert read_tree(tmp_path, "") == before


def test_what_is_there_already_may_be_there_and_what_is_half_done_is_completed(tmp_path: Path) -> None:
    init(tmp_path)
    before = read_tree(tmp_path, "")
    shutil.rmtree(tmp_path / "charts")
    (tmp_path / "notes.txt").write_text("mine")
    assert init(tmp_path).exit_code == 0
    assert read_tree(tmp_path, "") == {**before, "notes.txt": b"mine"}


def test_other_files_that_a_check_has_something_against_stop_it(tmp_path: Path) -> None:
    (tmp_path / "hub-charts/course").mkdir(parents=True)
    result = init(tmp_path)
    assert getattr(result.exception, "what", "") == "the hub course has no Chart.yaml"
    assert not (tmp_path / "hubops.yaml").exists()


def test_the_image_is_the_one_that_people_can_lock_anew() -> None:
    files = templates()
    locked = files["user-images/notebook/requirements.txt"].decode()
    assert b"\njupyterhub==5.5.*\n" in files["user-images/notebook/requirements.in"]
    assert "\njupyterhub==5.5." in locked
    assert "://" not in locked


def installed(directory: Path) -> dict[str, str]:
    """The package as its wheel has it (pyproject.toml), and the environment that finds it there alone."""
    wheel = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    parts = {name: name.removeprefix("src/") for name in wheel["packages"]} | wheel["force-include"]
    for source, target in parts.items():
        shutil.copytree(PROJECT / source, directory / target, ignore=shutil.ignore_patterns("__pycache__"))
    return {**os.environ, "PYTHONPATH": str(directory)}


def test_an_installed_hubops_makes_the_same(tmp_path: Path) -> None:
    environment = installed(tmp_path / "site")
    hubops = [sys.executable, "-m", "hubops.cli.main"]
    subprocess.run([*hubops, "init", "ops"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    init(tmp_path / "here")
    assert read_tree(tmp_path / "ops", "") == read_tree(tmp_path / "here", "")
    said = subprocess.run(
        [*hubops, "check"], cwd=tmp_path / "ops", env=environment, check=True, capture_output=True, text=True
    )
    assert said.stdout == "no problems\n"


def test_the_original_command_says_how_to_install_hubops(tmp_path: Path) -> None:
    init(tmp_path)
    words = [sys.executable, "-I", "deploy.py", "staginghub"]
    done = subprocess.run(
        words, cwd=tmp_path, env={"PATH": "/nowhere"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "pip install -r requirements.txt" in done.stderr


def test_the_original_command_hands_on_to_hubops(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/hubops"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    words = [sys.executable, "-I", "deploy.py", "staginghub", "--build"]
    environment = {"PATH": f"{program.parent}:/usr/bin:/bin"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "deploy.py staginghub --build\n"
