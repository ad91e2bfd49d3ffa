"""Changes of an operator's files: tried on a copy, shown, made all or none."""

import subprocess
from pathlib import Path

import pytest

from hubops.scaffold.changes import Changes, read_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "hub-charts/a/x.yaml": "a: 1\n",
        "values/o.yaml": "b: 2\n",
        "user-images/i/Dockerfile": "FROM s\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


FILES: dict[str, bytes | None] = {
    "hub-charts/a/x.yaml": b"a: 2\n",
    "hub-charts/b/y.yaml": b"new\n",
    "values/o.yaml": None,
    "user-images/j/Dockerfile": b"FROM t\n",
}
MADE = {
    "hub-charts/a/x.yaml": b"a: 2\n",
    "hub-charts/b/y.yaml": b"new\n",
    "user-images/i/Dockerfile": b"FROM s\n",
    "user-images/j/Dockerfile": b"FROM t\n",
}


def test_a_copy_has_the_changes_and_the_repository_does_not(root: Path) -> None:
    before = read_tree(root, "")
    with Changes(root, FILES).tried() as copy:
        found = {path: (copy / path).read_bytes() for path in MADE}
        assert found == MADE
        assert not (copy / "values").exists()
    assert not copy.exists()
    assert read_tree(root, "") == before


def test_made_they_are_there_and_what_git_would_not_keep_is_gone(root: Path) -> None:
    Changes(root, FILES).make()
    assert read_tree(root, "") == MADE
    assert not (root / "values").exists()


def test_when_one_cannot_be_written_none_is(root: Path) -> None:
    (root / "hub-charts/a/x.yaml").chmod(0o640)
    before = read_tree(root, "")
    blocked = {**FILES, "values/o.yaml/below": b"x"}
    blocked.pop("values/o.yaml")
    with pytest.raises(OSError, match=r"o\.yaml"):
        Changes(root, blocked).make()
    assert read_tree(root, "") == before
    assert not (root / "hub-charts/b").exists()
    assert (root / "hub-charts/a/x.yaml").stat().st_mode & 0o777 == 0o640


def test_a_link_is_written_through(root: Path) -> None:
    (root / "hub-charts/a/link.yaml").symlink_to("x.yaml")
    Changes(root, {"hub-charts/a/link.yaml": b"a: 3\n"}).make()
    assert (root / "hub-charts/a/link.yaml").is_symlink()
    assert (root / "hub-charts/a/x.yaml").read_text() == "a: 3\n"


def test_the_diff_is_one_that_git_applies(root: Path) -> None:
    changes = Changes(root, {"hub-charts/a/x.yaml": b"a: 1\nb", "hub-charts/b/y.yaml": b"new\n"})
    subprocess.run(["git", "apply", "-p0"], input=changes.diff().encode(), cwd=root, check=True)
    assert read_tree(root, "")["hub-charts/a/x.yaml"] == b"a: 1\nb"
    assert read_tree(root, "")["hub-charts/b/y.yaml"] == b"new\n"


def test_what_is_gone_or_new_and_long_is_named_only(root: Path) -> None:
    diff = Changes(root, {"values/o.yaml": None, "long": b"x\n" * 61}).diff()
    assert diff == "+ long (61 lines)\n- values/o.yaml (1 line)\n"


def test_what_is_in_the_way_is_what_holds_something_else(root: Path) -> None:
    (root / "link").symlink_to("nowhere")
    (root / "directory").mkdir()
    wanted = {
        "hub-charts/a/x.yaml": b"a: 1\n",
        "values/o.yaml": b"other",
        "values/o.yaml/c": b"",
        "link": b"",
        "directory": b"",
        "free": b"",
    }
    found = Changes(root, dict(wanted)).in_the_way()
    assert found == ["directory", "link", "values/o.yaml", "values/o.yaml/c"]
