"""A database that a newer JupyterHub changed, under the older one that was taken back."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from charts import hub_module

NOW_S = 1_800_000_000.0
KNOWN = {"first", "old"}
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A database of a form, with a person by whom it is known again, made some seconds ago."""

    def made(form: str, person: str, behind: str = "", ago_s: float = 0) -> Path:
        file = tmp_path / f"jupyterhub.sqlite{behind}"
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE users (name)")
            connection.execute("INSERT INTO users VALUES (?)", (person,))
            if form:
                connection.execute("CREATE TABLE alembic_version (version_num)")
                connection.execute("INSERT INTO alembic_version VALUES (?)", (form,))
        os.utime(file, (NOW_S - ago_s,) * 2)
        return file

    return made


def step_back(database: Path) -> Path | None:
    taken: Path | None = hub_module("step_back").step_back(database, lambda: KNOWN, NOW_S)
    return taken


def person(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT name FROM users").fetchone()[0])


def test_the_newest_copy_of_a_known_form_takes_the_place_and_nothing_is_lost(
    make: Make, tmp_path: Path
) -> None:
    database = make("new", "now")
    make("first", "long before", ".2027-01-15-070000", 3000)
    copy = make("old", "before", ".2027-01-15-075000", 600)
    # As an older hub leaves it that could not start.
    make("new", "now", ".2027-01-15-075900", 60)
    assert step_back(database) == copy
    assert person(database) == "before"
    assert person(copy) == "before"
    [aside] = tmp_path.glob("*.newer-*")
    assert person(aside) == "now"
    assert step_back(database) is None, "it is of a known form now"
    assert len([*tmp_path.iterdir()]) == 5


@pytest.mark.parametrize(
    ("form", "copy", "ago_s"),
    [
        ("old", "first", 60),
        ("new", "old", 3700),
        ("new", "new", 60),
        ("new", "", 60),
        ("", "old", 60),
    ],
    ids=[
        "known",
        "a copy of long ago",
        "a copy of the newer",
        "a copy without a form",
        "a database without a form",
    ],
)
def test_else_nothing_is_touched(make: Make, tmp_path: Path, form: str, copy: str, ago_s: float) -> None:
    database = make(form, "now")
    make(copy, "before", ".2027-01-15-075000", ago_s)
    assert step_back(database) is None
    assert person(database) == "now"
    assert len([*tmp_path.iterdir()]) == 2


def test_a_hub_without_copies_or_without_a_database_goes_on(make: Make, tmp_path: Path) -> None:
    assert step_back(tmp_path / "jupyterhub.sqlite") is None
    assert step_back(make("new", "now")) is None


def test_a_damaged_database_is_left_to_jupyterhub(make: Make, tmp_path: Path) -> None:
    make("old", "before", ".2027-01-15-075000", 60)
    database = tmp_path / "jupyterhub.sqlite"
    database.write_bytes(b"no database" * 100)
    assert step_back(database) is None
    assert database.read_bytes().startswith(b"no database")
