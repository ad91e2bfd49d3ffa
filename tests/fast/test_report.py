"""From outcomes to text: what people read, and that nothing in it is obeyed."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hubops.report.annotations import format_annotations
from hubops.report.exit_code import exit_code
from hubops.report.junit import format_junit
from hubops.report.model import Outcome, Result, Told
from hubops.report.parts import heading, told_lines
from hubops.report.summary import COMMENT_BYTES, SUMMARY_BYTES, format_summary
from hubops.report.table import format_table
from hubops.report.text import clean, limited, one_line

CRASH = Told(
    "hub-6d5f is in a crash loop",
    where="pod staginghub/hub-6d5f",
    why="Error: exit code 1\nNameError: name 'c' is not defined",
    hint="Look at hub.extraConfig, then merge the fix.",
)
MERGE = [
    Outcome("image", "course", Result.DONE, "built and pushed", took_s=134.2),
    Outcome("image", "earth", Result.UNCHANGED, took_s=0.4),
    Outcome(
        "hub", "staginghub", Result.ROLLED_BACK, "back at deploy 11", took_s=61.25, error=CRASH, deploy=12
    ),
    Outcome("hub", "coursehub", Result.NOT_PROVED, "staginghub has not proved this chart"),
    Outcome("hub", "earthhub", Result.PEOPLE, "2 more, 1 fewer", took_s=3.1, deploy=40),
]
REFUSED = Told(
    "unknown key imagee",
    where="hub-charts/earthhub/hub.yaml:3:1",
    hint="Did you mean image?",
)

HOSTILE = [
    *("@octocat", "#1", "octo/hub#1", "http://e.example", "www.e.example", "me@e.example", ":tada:", "$x$"),
    *(
        "<img src=x onerror=alert(1)>",
        "</details>",
        "<!--",
        "-->",
        "&lt;",
        "]]>",
        "\n# head",
        "\nhead\n===\n",
    ),
    *("[l](http://e.example)", "![i](http://e.example)", "\n[l]: http://e.example\n", "**", "\n> q", "\n- l"),
    *("`", "``", "\n```\n", "\n" + "`" * 300 + "\n", "\n~~~\n", "\n\n", "    ", "\t", "|", "\\", "\\|"),
    *("::error::x", "\n::stop-commands::x\n", "##[error]x", ":", "%", "%0A", ",", "=", "\r", "\r\n"),
    *("\x00", "\x07", "\x1b[31m", "\x1b]0;title\x07", "\x85", "\u2028", "\u202e", "\u200b", "\ufe0f"),
    *("\ud800", "\ufffe", "\nnext: run this", "é", "漢", "values/a.yaml:3", " "),
]
foreign = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=4), max_size=8).map("".join)
tolds = st.builds(Told, foreign, foreign, foreign, foreign)
outcomes = st.lists(
    st.builds(
        Outcome,
        foreign,
        foreign,
        st.sampled_from(Result),
        foreign,
        st.floats(0, 1e6),
        st.none() | tolds,
        st.none() | st.integers(1, 10**6),
    ),
    max_size=4,
)


def test_the_table_of_a_merge() -> None:
    assert (
        format_table(MERGE, width=90)
        == """\
image course    done                        2 min 14 s  built and pushed
image earth     nothing changed             0.4 s
hub staginghub  rolled back      deploy 12  1 min 1 s   back at deploy 11
hub coursehub   waits for proof                         staginghub has not proved this
                                                        chart
hub earthhub    people updated   deploy 40  3.1 s       2 more, 1 fewer

hub staginghub: rolled back
  hub-6d5f is in a crash loop
  where: pod staginghub/hub-6d5f
  why: Error: exit code 1
       NameError: name 'c' is not defined
  next: Look at hub.extraConfig, then merge the fix."""
    )


def test_the_summary_of_a_merge() -> None:
    assert (
        format_summary(MERGE, "What this merge did")
        == """\
## What this merge did

| what | result | deploy | time | note |
|---|---|---|---|---|
| `image course` | done |  | 2 min 14 s | `built and pushed` |
| `image earth` | nothing changed |  | 0.4 s |  |
| `hub staginghub` | rolled back | 12 | 1 min 1 s | `back at deploy 11` |
| `hub coursehub` | waits for proof |  |  | `staginghub has not proved this chart` |
| `hub earthhub` | people updated | 40 | 3.1 s | `2 more, 1 fewer` |

### `hub staginghub`: rolled back

    hub-6d5f is in a crash loop
    where: pod staginghub/hub-6d5f
    why: Error: exit code 1
         NameError: name 'c' is not defined
    next: Look at hub.extraConfig, then merge the fix.
"""
    )


def test_the_tests_of_a_merge() -> None:
    assert (
        format_junit(MERGE[2:4])
        == """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="hubops" tests="2" failures="1" errors="0" skipped="1" time="61.250">
  <testcase classname="hub" name="staginghub" time="61.250">
    <failure message="rolled back: back at deploy 11">hub-6d5f is in a crash loop
where: pod staginghub/hub-6d5f
why: Error: exit code 1
     NameError: name 'c' is not defined
next: Look at hub.extraConfig, then merge the fix.</failure>
  </testcase>
  <testcase classname="hub" name="coursehub" time="0.000">
    <skipped message="waits for proof: staginghub has not proved this chart">staginghub has not proved this chart</skipped>
  </testcase>
</testsuite>
"""
    )


def test_annotations_stand_at_the_line_they_are_about() -> None:
    refused = Outcome("check", "earthhub", Result.REFUSED, error=REFUSED)
    waits, error = format_annotations([*MERGE[3:], refused])
    assert waits == "::warning title=hub coursehub%3A waits for proof::staginghub has not proved this chart"
    assert error == (
        "::error file=hub-charts/earthhub/hub.yaml,line=3,col=1,title=check earthhub%3A refused"
        "::unknown key imagee%0Awhere: hub-charts/earthhub/hub.yaml:3:1%0Anext: Did you mean image?"
    )


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("hubops.yaml:2", "file=hubops.yaml,line=2,"),
        ("user-images/course/Dockerfile:7", "file=user-images/course/Dockerfile,line=7,"),
        ("hub-charts/a,b/hub.yaml:1:2", "file=hub-charts/a%2Cb/hub.yaml,line=1,col=2,"),
        ("hub-charts/a/values.yaml: singleuser.image", ""),
        ("hub-charts/a/hub.yaml:0", ""),
        ("hub-charts/a", ""),
        ("pod staginghub/hub-1:3", ""),
        ("registry.example:5000", ""),
        ("http://localhost:8080", ""),
        ("a/b.yaml:3\n::error::x", ""),
        ("", ""),
    ],
)
def test_a_place_is_a_file_of_the_repository_with_a_line(where: str, place: str) -> None:
    outcome = Outcome("hub", "h", Result.FAILED, error=Told("x", where=where))
    assert format_annotations([outcome])[0].startswith(f"::error {place}title=hub h%3A failed::")


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([Result.DONE, Result.PROVED, Result.UNCHANGED, Result.PEOPLE], 0),
        ([Result.HELD, Result.NOT_PROVED, Result.SKIPPED], 0),
        ([Result.DONE, Result.REFUSED, Result.HELD], 20),
        ([Result.REFUSED, Result.ROLLED_BACK], 30),
        ([Result.ROLLED_BACK, Result.FAILED], 1),
        ([Result.REFUSED, Result.ROLLED_BACK, Result.UNKNOWN], 1),
    ],
)
def test_the_worst_that_a_run_did_decides_its_exit_code(results: list[Result], code: int) -> None:
    assert exit_code(Outcome("hub", "h", result) for result in results) == code


@pytest.mark.parametrize("result", Result)
def test_a_failing_exit_code_an_error_and_a_failing_test_go_together(result: Result) -> None:
    outcome = Outcome("hub", "h", result)
    failing = exit_code([outcome]) != 0
    assert any(line.startswith("::error ") for line in format_annotations([outcome])) == failing
    assert bool(re.search("<(failure|error) ", format_junit([outcome]))) == failing


def test_nothing_to_report_is_said() -> None:
    assert format_table([]) == "Nothing to do."
    assert format_summary([], "Plan") == "## Plan\n\nNothing to do.\n"
    assert ET.fromstring(format_junit([])).get("tests") == "0"  # noqa: S314 - we wrote it
    assert format_annotations([]) == []


@given(st.text(max_size=60) | foreign)
def test_clean_text_only_shows(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.encode().decode() == cleaned
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe]", cleaned)
    assert clean(cleaned).split() == cleaned.split()
    assert len(one_line(text, 20)) <= 20


def test_colours_and_window_titles_go_whole() -> None:
    assert clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07and\r\nplain\r\n") == "red and\nplain"


@given(st.lists(st.integers(0, 90).map("a".__mul__), max_size=60), st.integers(400, 900))
@example(["a" * 50] * 60, 400)
def test_limited_text_keeps_both_ends_and_counts_the_rest(lines: list[str], most: int) -> None:
    text = "\n".join(lines)
    short = limited(text, most)
    assert len(short) <= most
    if len(text) <= most:
        assert short == text
        return
    found = re.search(r"^\.\.\. (\d+) lines left out \.\.\.$", short, re.MULTILINE)
    shown = [line for line in short.split("\n") if not line.endswith("lines left out ...")]
    assert len(shown) + (int(found[1]) if found else 0) == len(lines)


def test_a_line_without_end_is_cut_and_the_rest_of_it_counted() -> None:
    assert limited("a" * 5000 + "\nend", 400) == "a" * 50 + "... 4950 characters left out\nend"


@given(tolds)
def test_only_our_labels_stand_at_the_start_of_a_line(told: Told) -> None:
    starts = [line.split(" ")[0] for line in told_lines(told) if line and not line.startswith(" ")]
    labels = [start for start in starts if start in {"where:", "why:", "next:"}]
    assert len(starts) <= 4
    assert labels.count("next:") <= 1 + told.what.lstrip().startswith("next:")


@given(outcomes)
def test_no_line_of_the_table_is_a_command(some: list[Outcome]) -> None:
    for line in format_table(some).splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert line == line.rstrip()


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


BLOCKS = {"heading", "table", "thead", "tbody", "tr", "th", "td"}
ALLOWED = {f"{block}_{end}" for block in BLOCKS for end in ("open", "close")}
ALLOWED |= {"inline", "text", "code_inline", "code_block"}
RESULTS = "|".join(result.value for result in Result)
OUR_WORDS = re.compile(
    rf"The title|Nothing to do\.|what|result|deploy|time|note|(: )?({RESULTS})|\d+|\d+\.\d s|\d+ min \d+ s|"
)


@given(outcomes.filter(bool))
def test_foreign_text_in_a_summary_stays_in_code(some: list[Outcome]) -> None:
    text = format_summary(some, "The title")
    tokens = list(flat(MarkdownIt("commonmark").enable("table").parse(text)))
    kinds = [token.type for token in tokens]
    errors = [outcome for outcome in some if outcome.error]
    assert set(kinds) <= ALLOWED
    assert kinds.count("heading_open") == 1 + len(errors)
    assert kinds.count("tr_open") == 1 + len(some)
    assert kinds.count("td_open") == 5 * len(some)
    assert [t.content for t in tokens if t.type == "text" and not OUR_WORDS.fullmatch(t.content)] == []
    blocks = ["\n".join(told_lines(outcome.error)) for outcome in errors if outcome.error]
    shown = [token.content.rstrip() for token in tokens if token.type == "code_block"]
    assert shown == [block for block in blocks if block]


def test_a_summary_fits_and_says_what_it_leaves_out() -> None:
    told = Told("x" * 9000, why="line\n" * 900)
    many = [Outcome("hub", f"hub-{n}", Result.FAILED, "漢" * 999, error=told) for n in range(700)]
    for most in (SUMMARY_BYTES, COMMENT_BYTES):
        text = format_summary(many, "The title", most)
        rows, errors = text.count("\n| `hub hub-"), text.count("\n### ")
        assert len(text.encode()) <= most
        assert 0 < errors < rows < 700
        assert f"\n{700 - rows} more rows: see the log.\n" in text
        assert text.endswith(f"\n{700 - errors} more errors: see the log.\n")


@given(outcomes)
def test_junit_can_be_read_back(some: list[Outcome]) -> None:
    suite = ET.fromstring(format_junit(some))  # noqa: S314 - we wrote it
    assert [(case.get("classname"), case.get("name")) for case in suite] == [
        (one_line(outcome.kind, 200), one_line(outcome.name, 200)) for outcome in some
    ]
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(suite.findall(f"testcase/{tag}")) == int(suite.get(count, ""))
    assert all(child.text for case in suite for child in case)


def obeyed(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as GitHub's runner reads it (actions/runner, ActionCommand.cs, TryParseV2)."""
    end = line.index("::", 2)
    command, _, written = line[2:end].partition(" ")
    properties = dict(pair.split("=", 1) for pair in written.split(","))
    escapes = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
    for escape, char in escapes:
        properties = {key: value.replace(escape, char) for key, value in properties.items()}
    data = line[end + 2 :]
    for escape, char in (escapes[0], escapes[1], escapes[4]):
        data = data.replace(escape, char)
    return command, properties, data


@given(outcomes)
def test_an_annotation_is_one_command_and_says_what_was_told(some: list[Outcome]) -> None:
    told = [outcome for outcome in some if obeyed_level(outcome.result)]
    lines = format_annotations(some)
    assert len(lines) == len(told)
    for line, outcome in zip(lines, told, strict=True):
        command, properties, data = obeyed(line)
        assert line.splitlines() == [line]
        assert command == obeyed_level(outcome.result)
        assert properties["title"] == heading(outcome)
        assert set(properties) <= {"file", "line", "col", "title"}
        if outcome.error:
            assert data == limited("\n".join(told_lines(outcome.error))) or not told_lines(outcome.error)


def obeyed_level(result: Result) -> str:
    if exit_code([Outcome("hub", "h", result)]):
        return "error"
    return "warning" if result in {Result.HELD, Result.NOT_PROVED, Result.SKIPPED} else ""
