"""Editing YAML: what is meant is said, everything else stays as it was, byte for byte."""

import copy
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubops.desired.yaml import parse_yaml
from hubops.errors import RefusedError, RepositoryError
from hubops.scaffold import render
from hubops.scaffold.difference import same
from hubops.scaffold.edit import open_draft, write
from hubops.scaffold.rewrite import rewrite

GONE = object()

# name: the text, where and what is set (GONE: taken out), the text afterwards.
CASES: dict[str, tuple[str, tuple[str | int, ...], Any, str]] = {
    "a scalar": ("a: 1 # one\nb: 2\n", ("a",), 5, "a: 5 # one\nb: 2\n"),
    "a quoted one": ("a: 'x'  # one\n", ("a",), "it's", "a: 'it''s'  # one\n"),
    "a doubly quoted one": ('a: "x"\n', ("a",), "y", 'a: "y"\n'),
    "what would be a number is quoted": ("a: x\n", ("a",), "1e10", 'a: "1e10"\n'),
    "what would be a boolean is quoted": ("a: x\n", ("a",), "yes", 'a: "yes"\n'),
    "where nothing stood": ("a:\nb: 1\n", ("a",), "x", "a: x\nb: 1\n"),
    "where nothing stood but a comment": ("a: # nobody\n", ("a",), ["x"], "a: # nobody\n  - x\n"),
    "a new key": ("a: 1\n# end\n", ("b",), "x", "a: 1\nb: x\n# end\n"),
    "a new key deeper": ("a:\n    b: 1 # x\n\nc: 1\n", ("a", "d"), 2, "a:\n    b: 1 # x\n    d: 2\n\nc: 1\n"),
    "a new mapping as deep as others": ("a:\n    b: 1\n", ("c",), {"d": [1]}, "a:\n    b: 1\nc:\n    d:\n      - 1\n"),
    "a key taken out": ("a: 1\n# about b\nb: 2 # gone\nc: 3\n", ("b",), GONE, "a: 1\n# about b\nc: 3\n"),
    "a mapping taken out": ("a:\n  b:\n    c: 1\n\n  d: 1\n", ("a", "b"), GONE, "a:\n\n  d: 1\n"),
    "an item at the end": ("a:\n  - x # one\n  # more\n", ("a", 1), "z", "a:\n  - x # one\n  - z\n  # more\n"),
    "an item of a list as deep as its key": ("a:\n- x\nb: 1\n", ("a", 1), "z", "a:\n- x\n- z\nb: 1\n"),
    "an item at the beginning": ("a:\n  # first\n  - x\n", ("a", 0), "w", "a:\n  # first\n  - w\n  - x\n"),
    "an item taken out": ("a:\n  - x # of x\n  - y # of y\n", ("a", 0), GONE, "a:\n  - y # of y\n"),
    "the last item": ("a: # people\n  # x is here\n  - x # of x\nb: 1\n", ("a", 0), GONE, "a: [] # people\nb: 1\n"),
    "an item with a comment of its own": ("a:\n  # of x\n  # until June\n  - x\n  # of y\n  - y\n", ("a", 0), GONE, "a:\n  # of y\n  - y\n"),
    "the last of those with a comment": ("a:\n  # of x\n  - x\n  # of y\n  - y\n# end\nb: 1\n", ("a", 1), GONE, "a:\n  # of x\n  - x\n# end\nb: 1\n"),
    "an item below a heading of several": ("a:\n  # staff\n  - x\n  - y\n", ("a", 0), GONE, "a:\n  # staff\n  - y\n"),
    "the last item below a heading": ("a:\n  # staff\n  - x\n\n  # students\n  - y\n", ("a", 0), GONE, "a:\n\n  # students\n  - y\n"),
    "an item below a comment that is apart": ("a:\n  # by day\n\n  - x\n  - y\n", ("a", 1), GONE, "a:\n  # by day\n\n  - x\n"),
    "a comment that is less far in": ("a:\n# about a\n  - x\nb: 1\n", ("a", 0), GONE, "a: []\n# about a\nb: 1\n"),
    "all below a heading": ("a:\n- w\n# guests\n- x\n- y\n# staff\n- z\n", ("a",), ["w", "z"], "a:\n- w\n# staff\n- z\n"),
    "an item that is exchanged": ("a:\n  # of x\n  - x\n", ("a",), ["w"], "a:\n  - w\n"),
    "an item into an empty list": ("a: []  # none\nb: 1\n", ("a", 0), "x", "a:  # none\n  - x\nb: 1\n"),
    "brackets: an item more": ("a: [x, 'y',]\n", ("a", 2), "z", "a: [x, 'y', z,]\n"),
    "brackets: the first out": ("a: [x, y]  # two\n", ("a", 0), GONE, "a: [y]  # two\n"),
    "brackets: the last out": ("a: [x, y]\n", ("a", 1), GONE, "a: [x]\n"),
    "braces: a key more": ("a: {b: 1}\n", ("a", "c"), [1, "x"], "a: {b: 1, c: [1, x]}\n"),
    "braces: a key out": ("a: {b: 1, c: 2,  d: 3}\n", ("a", "c"), GONE, "a: {b: 1, d: 3}\n"),
    "braces around all": ('{"a": 1}\n', ("b",), "x", '{"a": 1, b: x}\n'),
    "within an item": ("a:\n  - name: x\n    version: 1.0.0 # old\n", ("a", 0, "version"), "2.0.0", "a:\n  - name: x\n    version: 2.0.0 # old\n"),
    "the first key of an item": ("a:\n  - name: x\n    version: 1\n", ("a", 0, "name"), GONE, "a:\n  - version: 1\n"),
    "a mapping as item": ("a:\n  - b: 1\n", ("a", 1), {"b": 2, "c": {"d": 1}}, "a:\n  - b: 1\n  - b: 2\n    c:\n      d: 1\n"),
    "a block text": ("a: |\n  x\n  y\n\n# c\nb: 1\n", ("a",), "z\nz\n", "a: |\n  z\n  z\n\n# c\nb: 1\n"),
    "a block text in place of a short one": ("a: x\nb: 1\n", ("a",), "z\n z", "a: |-\n  z\n   z\nb: 1\n"),
    "a mapping becomes a scalar": ("a:\n  b: 1\nc: 1\n", ("a",), False, "a: false\nc: 1\n"),
    "a scalar becomes a mapping": ("a: 1 # x\nc: 1\n", ("a",), {"b": None}, "a: # x\n  b: null\nc: 1\n"),
    "CRLF": ("a: 1\r\nb:\r\n  - x\r\n", ("b", 1), "z", "a: 1\r\nb:\r\n  - x\r\n  - z\r\n"),
    "BOM and no line end": ("\ufeffa: 1", ("b",), 2, "\ufeffa: 1\nb: 2"),
    "nothing there": ("", ("a",), ["x"], "a:\n  - x\n"),
    "only comments": ("# x\n", ("a",), {"b": 1}, "# x\na:\n  b: 1\n"),
    "other letters": ("a: é😀 # 😀\nb: 1\n", ("b",), "ü", "a: é😀 # 😀\nb: ü\n"),
    "beside a merge": ("x: &x {a: 1}\nc:\n  <<: *x\n", ("c", "a"), 2, "x: &x {a: 1}\nc:\n  <<: *x\n  a: 2\n"),
    "beside an alias": ("x: &x 1\nc: *x # x\n", ("d",), 2, "x: &x 1\nc: *x # x\nd: 2\n"),
    "ugly scalars beside it": ("a: 0604373\nb: 1_000\nc: ~\nd: 22:22\ne: 1\n", ("e",), 2, "a: 0604373\nb: 1_000\nc: ~\nd: 22:22\ne: 2\n"),
}  # fmt: skip


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy with one thing set, put before, or taken out."""
    value = copy.deepcopy(value or {})
    inside: Any = value
    for part in path[:-1]:
        inside = inside[part]
    if new is GONE:
        del inside[path[-1]]
    elif isinstance(inside, list):
        inside.insert(int(path[-1]), new)
    else:
        inside[path[-1]] = new
    return value


@pytest.mark.parametrize("case", CASES)
def test_one_change_touches_its_own_lines(case: str) -> None:
    text, path, new, after = CASES[case]
    value = changed(parse_yaml(text, "f").value, path, new)
    assert rewrite(text, value, "f") == after
    assert same(parse_yaml(after, "f").value, value)


REFUSED = {
    "in an alias": ("x: &x {a: 1}\nc: *x\n", ("c", "a"), 2),
    "where an alias looks": ("x: &x {a: 1}\nc: *x\n", ("x", "a"), 2),
    "an anchor that is needed": ("x: &x 1\nc: *x\n", ("x",), GONE),
    "what a merge brings": ("x: &x {a: 1}\nc:\n  <<: *x\n  b: 1\n", ("c", "a"), GONE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_change_more_is_left_to_people(case: str) -> None:
    text, path, new = REFUSED[case]
    with pytest.raises(RepositoryError, match="Edit it by hand"):
        rewrite(text, changed(parse_yaml(text, "f").value, path, new), "f")


# --- any text, any change

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from([1.5, 1e300])
    | st.text('abyzE01.:-#~é😀 \n\t,[]{}"\\' + chr(39), max_size=6)
    | st.sampled_from(
        ["yes", "on", "~", "0604373", "1e10", "22:22", "2026-01-02", "<<", "\ufeff", "\x85", "x: y", "a #b"]
    )
)
KEYS = st.sampled_from(["a", "b c", "d-e", "yes", "1e3", "'", "#", "é", ""])
VALUES = st.recursive(
    SCALARS,
    # Of items that say the same, nobody can tell which one went.
    lambda inner: st.lists(inner, max_size=4, unique_by=repr) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5)


class Writer:
    """Writes a value as a person might, with comments that tell below which path they stand."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.step = self.choose([2, 3, 4])
        self.dash = self.choose([0, 2, 4])
        self.comments: dict[str, tuple[str | int, ...]] = {}
        self.above_items: dict[str, tuple[str | int, ...]] = {}

    def choose(self, from_: list[Any]) -> Any:
        return self.random.choice(from_)

    def comment(self, path: tuple[str | int, ...]) -> str:
        name = f"# c{len(self.comments)};"
        self.comments[name] = path
        return name

    def lines(self, value: Any, indent: int, path: tuple[str | int, ...]) -> list[str]:
        found: list[str] = []
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            extra = self.choose(["", "", "", "blank", "comment", "aside"])
            if extra == "blank":
                found.append("")
            elif extra == "comment":
                found.append(" " * indent + self.comment(path))
                if isinstance(value, list):
                    self.above_items[found[-1].strip()] = (*path, key)
            head = " " * indent + (f"{render.scalar(key)}:" if isinstance(value, dict) else "-")
            written = self.entry(item, indent, (*path, key), listed=isinstance(value, list))
            found += [head + written[0], *written[1:]]
            if extra == "aside" and "\n" not in str(item) and len(written) == 1:
                found[-1] += f"  {self.comment((*path, key))}"
        return found

    def entry(self, item: Any, indent: int, path: tuple[str | int, ...], *, listed: bool) -> list[str]:
        """What follows a key or dash, in lines."""
        if isinstance(item, (dict, list)) and item and self.choose([True, True, False]):
            if listed and self.choose([True, False]):
                first, *rest = self.lines(item, indent + 2, path)
                if first.strip() and not first.lstrip().startswith("#"):
                    return [" " + first.lstrip(), *rest]
                return ["", first, *rest]
            deeper = self.step if isinstance(item, dict) or listed else self.dash
            return [self.choose(["", " "]), *self.lines(item, indent + deeper, path)]
        if item is None:
            return [self.choose(["", " null", " ~"])]
        if isinstance(item, str) and self.choose([True, False]):
            return f" {render.literal(item, indent, render.Style(self.step)) or self.quoted(item)}".split(
                "\n"
            )
        return [f" {render.flow(item)}"]

    def quoted(self, text: str) -> str:
        return render.scalar(text, self.choose(["'", '"']))

    def text(self, value: Any) -> str:
        end: str = self.choose(["\n", "\n", "\r\n"])
        start: str = self.choose(["", "", "\ufeff", "---" + end])
        return start + end.join(self.lines(value, 0, ())) + end


def choose_change(writer: Writer, value: Any, new: Any) -> tuple[tuple[str | int, ...], Any]:
    """Where something is set, put in or taken out."""
    path: tuple[str | int, ...] = ()
    while True:
        keys: list[Any] = [*value] if isinstance(value, dict) else [*range(len(value))]
        key = writer.choose([*keys, len(keys) if isinstance(value, list) else "new"])
        path = (*path, key)
        if key not in keys:
            return path, new
        value = value[key]
        if not isinstance(value, (dict, list)) or writer.choose([True, False]):
            return path, writer.choose([GONE, new])


def check_any_change(value: dict[str, Any], new: Any, seed: int) -> None:
    writer = Writer(seed)
    text = writer.text(value)
    assert same(parse_yaml(text, "f").value, value), "the test's own writer"
    assert rewrite(text, value, "f") == text
    path, new = choose_change(writer, value, new)
    wanted = changed(value, path, new)
    after = rewrite(text, wanted, "f")
    assert same(parse_yaml(after, "f").value or {}, wanted)
    lost = {name: below for name, below in writer.comments.items() if name not in after}
    outside = {name for name, below in lost.items() if below[: len(path)] != path}
    assert {writer.above_items.get(name) for name in outside} <= {path}
    order = [name for name in re.findall(r"# c\d+;", text) if name in after]
    assert re.findall(r"# c\d+;", after) == order
    assert same(parse_yaml(rewrite(after, value, "f"), "f").value, value)


SEEDS = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(MAPPINGS, VALUES, SEEDS)
def test_any_change_is_made_and_comments_stay(value: dict[str, Any], new: Any, seed: int) -> None:
    check_any_change(value, new, seed)


@pytest.mark.long
@settings(max_examples=3000, deadline=None)
@given(MAPPINGS, VALUES, SEEDS)
def test_very_many_changes(value: dict[str, Any], new: Any, seed: int) -> None:
    check_any_change(value, new, seed)


# --- files

PEOPLE = "hub-charts/course/people.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / PEOPLE).parent.mkdir(parents=True)
    (tmp_path / PEOPLE).write_bytes(b"admins:\r\n  - ann # the head\r\n")
    return tmp_path


def test_a_file_is_written_with_its_diff(root: Path) -> None:
    draft = open_draft(root, PEOPLE)
    draft.value["admins"].append("bob")
    assert draft.diff() == write([draft])
    assert (root / PEOPLE).read_bytes() == b"admins:\r\n  - ann # the head\r\n  - bob\r\n"
    assert draft.diff().splitlines()[:3] == [f"--- a/{PEOPLE}", f"+++ b/{PEOPLE}", "@@ -1,2 +1,3 @@"]
    assert "+  - bob" in draft.diff()
    assert [each.name for each in (root / PEOPLE).parent.iterdir()] == ["people.yaml"]


def test_what_says_so_already_is_not_touched(root: Path) -> None:
    before = (root / PEOPLE).stat()
    draft = open_draft(root, PEOPLE)
    draft.value = {"admins": ["ann"]}
    assert write([draft]) == ""
    assert (root / PEOPLE).stat() == before


def test_mode_and_links_stay(root: Path) -> None:
    (root / PEOPLE).chmod(0o640)
    (root / "link.yaml").symlink_to(PEOPLE)
    draft = open_draft(root, "link.yaml")
    draft.value["admins"] = []
    write([draft])
    assert (root / "link.yaml").is_symlink()
    assert (root / PEOPLE).stat().st_mode & 0o777 == 0o640
    assert (root / PEOPLE).read_bytes() == b"admins: []\r\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays(root: Path) -> None:
    os.chown(root / PEOPLE, 1234, 1235)
    draft = open_draft(root, PEOPLE)
    draft.value["admins"] = ["bob"]
    write([draft])
    status = (root / PEOPLE).stat()
    assert (status.st_uid, status.st_gid) == (1234, 1235)


def test_a_new_file_is_made_readable(root: Path) -> None:
    draft = open_draft(root, "hub-charts/course/hub.yaml")
    assert draft.value == {}
    draft.value["stage"] = "staging"
    assert write([draft]).startswith("--- /dev/null\n+++ b/hub-charts/course/hub.yaml\n")
    file = root / "hub-charts/course/hub.yaml"
    assert file.read_text() == "stage: staging\n"
    assert file.stat().st_mode & 0o777 == file.parent.stat().st_mode & 0o666


def test_of_several_files_none_is_written_where_one_cannot_be(root: Path) -> None:
    (root / "other.yaml").write_text("x: &x [1]\ny: *x\n")
    drafts = [open_draft(root, name) for name in (PEOPLE, "other.yaml")]
    drafts[0].value["admins"] = ["bob"]
    drafts[1].value["x"] = [1, 2]
    before = (root / PEOPLE).read_bytes()
    with pytest.raises(RepositoryError):
        write(drafts)
    assert (root / PEOPLE).read_bytes() == before


def test_what_changed_meanwhile_is_not_overwritten(root: Path) -> None:
    draft = open_draft(root, PEOPLE)
    draft.value["admins"] = ["bob"]
    (root / PEOPLE).write_text("admins: [zoe]\n")
    with pytest.raises(RefusedError, match="changed meanwhile"):
        write([draft])
    assert (root / PEOPLE).read_text() == "admins: [zoe]\n"


@pytest.mark.parametrize("content", [b"- a\n", b"a: \xff\n", b"a: [\n"])
def test_what_cannot_be_read_is_not_edited(content: bytes, root: Path) -> None:
    (root / PEOPLE).write_bytes(content)
    with pytest.raises(RepositoryError) as caught:
        open_draft(root, PEOPLE)
    assert caught.value.where.startswith(PEOPLE)
