"""What a reviewer reads of an image: packages, layers and sizes against the one before it."""

import json
from dataclasses import replace

import pytest

from hubops.checks.layers import find_user_notes, read_layers
from hubops.checks.trial_model import Contents, Layer, Package
from hubops.report.image_changes import changes_as_json, compare_packages, describe_changes
from hubops.report.model import Outcome, Result
from hubops.report.summary import format_summary
from hubops.report.table import format_table

BASE, OLD, NEW = (
    Layer("sha256:a", 30_000_000, "base"),
    Layer("sha256:b", 70_000_000, "RUN pip"),
    Layer("sha256:c", 75_500_000, "RUN pip install\n-r requirements.txt"),
)
BEFORE = Contents(
    (
        Package("debian", "git", "1"),
        Package("python", "gone", "0.1"),
        Package("python", "numpy", "2.1.0"),
        Package("python", "same", "1"),
    ),
    (BASE, OLD),
)
NOW = Contents(
    (
        Package("conda", "git", "1"),
        Package("debian", "git", "1"),
        Package("python", "numpy", "2.2.0"),
        Package("python", "same", "1"),
    ),
    (BASE, NEW),
)
LINES = [
    "size: 105.5 MB, before 100.0 MB (+5.5 MB)",
    "new layer: 75.5 MB  RUN pip install -r requirements.txt",
    "+ conda git 1",
    "- python gone 0.1",
    "~ python numpy 2.1.0 → 2.2.0",
]


def test_added_removed_and_changed_are_told() -> None:
    assert describe_changes(BEFORE, NOW) == LINES


def test_layers_of_next_to_nothing_are_left_out() -> None:
    small = Layer("sha256:d", 49_999, "ENV A=1")
    assert describe_changes(BEFORE, replace(NOW, layers=(BASE, NEW, small)))[1:] == LINES[1:]


def test_nothing_but_the_size_where_nothing_changed() -> None:
    assert describe_changes(NOW, NOW) == [
        "size: 105.5 MB, before 105.5 MB (+0.0 MB)",
        "packages: as before",
    ]


def test_without_an_image_before_it_is_said_why() -> None:
    assert describe_changes(None, NOW, "it is new") == [
        "size: 105.5 MB",
        "no earlier image to compare with: it is new",
    ]


def test_what_is_not_known_is_not_taken_for_nothing() -> None:
    for before, now, which in (
        (replace(BEFORE, packages=None), NOW, "the earlier"),
        (BEFORE, replace(NOW, packages=None), "this"),
    ):
        assert describe_changes(before, now)[2:] == [f"packages: those of {which} image are not known"]
        assert changes_as_json("earth", before, now, ())["changes"] is None
    assert describe_changes(BEFORE, replace(NOW, layers=None)) == LINES[2:]


def test_a_package_that_is_there_twice_is_one_change() -> None:
    one, two = Package("conda", "numpy", "1.26"), Package("conda", "numpy", "2.2")
    assert [str(change) for change in compare_packages([one], [one, two])] == [
        "~ conda numpy 1.26 → 1.26, 2.2"
    ]


def test_what_conda_installs_is_told_once() -> None:
    def image(version: str) -> Contents:
        return replace(NOW, packages=tuple(Package(kind, "numpy", version) for kind in ("conda", "python")))

    assert describe_changes(image("1"), image("2"))[1:] == ["~ conda numpy 1 → 2"]


def test_many_changes_are_counted() -> None:
    many = tuple(Package("python", f"p{number:03}", "1") for number in range(100))
    lines = describe_changes(replace(BEFORE, packages=()), replace(NOW, packages=many))
    assert lines[-2:] == ["+ python p059 1", "… and 40 more"]


def test_programs_get_all_of_it() -> None:
    found = json.loads(json.dumps(changes_as_json("earth", BEFORE, NOW, ["a note"])))
    assert (found["image"], found["bytes"], found["bytes_before"]) == ("earth", 105_500_000, 100_000_000)
    assert [layer["new"] for layer in found["layers"]] == [False, True]
    assert len(found["packages"]) == 4
    assert found["changes"][2] == {"kind": "python", "name": "numpy", "before": "2.1.0", "now": "2.2.0"}
    assert found["notes"] == ["a note"]
    assert changes_as_json("earth", None, NOW, ())["bytes_before"] is None


def test_reports_show_details_below_their_rows() -> None:
    outcomes = [
        Outcome("image", "earth", Result.DONE, "built", details=(*LINES, "::error::x")),
        Outcome("docs", "docs/", Result.DONE, "built"),
    ]
    table = format_table(outcomes)
    assert "\n\nimage earth:\n  size: 105.5 MB" in table
    assert "  : :error::x" in table
    summary = format_summary(outcomes, "What a merge would do")
    assert "\n### `image earth`\n\n    size: 105.5 MB" in summary
    assert summary.count("###") == 1


def test_long_details_are_cut_and_counted() -> None:
    outcomes = [Outcome("image", "earth", Result.DONE, details=tuple(str(n) for n in range(200)))]
    assert format_table(outcomes).endswith("  99\n  ... 100 more lines")


MANIFEST = {"layers": [{"digest": "sha256:a", "size": 1}, {"digest": "sha256:b", "size": 2}]}


def test_layers_have_the_steps_that_made_them() -> None:
    history = [{"created_by": "one"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "two"}]
    assert read_layers(MANIFEST, {"history": history}) == (
        Layer("sha256:a", 1, "one"),
        Layer("sha256:b", 2, "two"),
    )
    filled = [history[2], {"created_by": "x", "comment": "buildkit.exporter.image.v0"}]
    assert [layer.made_by for layer in read_layers(MANIFEST, {"history": filled})] == ["", "two"]
    assert [layer.made_by for layer in read_layers(MANIFEST, {"history": [*history, *history]})] == [
        "one",
        "two",
    ]
    assert read_layers({"layers": []}, {"history": history}) == ()
    assert [layer.made_by for layer in read_layers(MANIFEST, {})] == ["", ""]


@pytest.mark.parametrize("manifest", [{}, {"layers": [{}]}, {"layers": 1}], ids=repr)
def test_what_is_no_manifest_is_refused(manifest: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        read_layers(manifest, {})


@pytest.mark.parametrize(("user", "noted"), [("1000", 0), ("1000:1000", 0), ("", 0), ("jovyan:users", 1)])
def test_a_user_by_name_is_noted(user: str, noted: int) -> None:
    assert len(list(find_user_notes({"config": {"User": user}}))) == noted
    assert list(find_user_notes({})) == []
