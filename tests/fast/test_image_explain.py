"""What decides an image, told beside what hubs have of it; and the lock of bases."""

import json
import shutil
import subprocess
from pathlib import Path

from click.testing import CliRunner

from fast.deploys import P, history, record
from hubops.cli.build import command
from hubops.cli.build_explain import find_deployed
from hubops.desired.dockerfile_sources import image_address
from hubops.desired.images import content_tag, find_inputs
from hubops.desired.repository import load_fleet
from hubops.plan.inputs import compare_inputs
from hubops.plan.model import DeployedImage, Difference
from hubops.report.image import format_image, image_data
from hubops.state.model import Commit, Record, Status

GOOD = Path(__file__).parent / "repositories" / "good"
DIGEST = f"sha256:{'ab' * 32}"


def commit(root: Path) -> Commit:
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    found = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return Commit(found.stdout.strip(), "2026-03-01T09:00:00+00:00")


def deployed(number: int, tag: str, made: Commit) -> Record:
    about = {"images": {"course": f"r:5000/course:{tag}@sha256:1"}}
    return record(number, P, about=about, commit=made)


def tag_of(root: Path) -> tuple[str, dict[str, str]]:
    inputs = find_inputs(load_fleet(root), ["course"])["course"]
    return content_tag(inputs), inputs


async def test_what_differs_comes_from_the_commit_that_gives_the_tag(tmp_path: Path) -> None:
    root = Path(shutil.copytree(GOOD, tmp_path / "repository"))
    first, (old, _) = commit(root), tag_of(root)
    image = root / "user-images/course"
    (image / "more").write_text("1")
    (image / "Dockerfile").write_text("FROM scratch\n")
    second, (new, inputs) = commit(root), tag_of(root)
    # A rollback is recorded with the commit of its own day.
    records = [deployed(1, old, first), deployed(2, new, second), deployed(3, old, second)]
    fleet = load_fleet(root)
    statuses = [
        Status("staging", "campus", history(*records)),
        Status("course", "campus", history(hub="course"), fault="the cluster is away"),
    ]
    found = await find_deployed(fleet, "course", inputs, statuses)
    assert [(each.hub, each.tag, each.deploy) for each in found] == [("staging", old, 3), ("course", "", 0)]
    assert [(each.path, each.there is None) for each in found[0].differences] == [
        ("base debian:bookworm-slim", False),
        ("file Dockerfile", False),
        ("file more", True),
    ]
    assert found[1].unknown == "the cluster is away"
    # Nobody committed it, or not to this clone.
    for elsewhere in (
        deployed(4, "c0", second),
        deployed(4, "c0", Commit("f" * 40, "")),
        deployed(4, "c0", Commit()),
    ):
        own = [Status("staging", "campus", history(elsewhere))]
        (unknown,) = await find_deployed(fleet, "course", inputs, own)
        assert "no commit of this clone gives that tag" in unknown.unknown
    same = [Status("staging", "campus", history(deployed(5, new, Commit())))]
    assert [each.unknown for each in await find_deployed(fleet, "course", inputs, same)] == [""]


def test_inputs_as_people_and_programs_read_them() -> None:
    here = {"file a": f"{DIGEST} executable", "argument B": "1", "target": "x"}
    there = {"file a": f"sha256:{'0' * 64}", "base c:1": "not locked", "target": "x"}
    differences = tuple(compare_inputs(here, there))
    assert differences == (
        Difference("argument B", "1", None),
        Difference("base c:1", None, "not locked"),
        Difference("file a", here["file a"], there["file a"]),
    )
    told = [
        DeployedImage("one", "c1", 3, "c0ffee0000000"),
        DeployedImage("two", "c2", 4, "c0ffee0000000", differences),
        DeployedImage("three", "c3", 5, "", unknown="nobody can tell"),
        DeployedImage("four"),
        DeployedImage("five", unknown="the cluster is away"),
    ]
    assert format_image("course", "c1", here, told).splitlines() == [
        "course c1",
        "  argument B  1",
        "  file a  sha256:abababababab executable",
        "  target  x",
        "one has this one (deploy 3)",
        "two has c2 (deploy 4, commit c0ffee0000):",
        "  argument B  is new",
        "  base c:1  is gone",
        "  file a  sha256:000000000000 → sha256:abababababab executable",
        "three has c3 (deploy 5, commit unknown); nobody can tell",
        "four: it was not deployed there",
        "five: the cluster is away",
    ]
    data = json.loads(json.dumps(image_data("course", "c1", here, told)))
    assert data["inputs"] == here
    assert data["deployed"][1]["differences"][0] == {"path": "argument B", "here": "1", "there": None}


def test_where_an_image_is() -> None:
    assert image_address("debian:bookworm-slim") == ("docker.io/library/debian", "bookworm-slim")
    assert image_address("a/b") == ("docker.io/a/b", "latest")
    assert image_address("quay.io/a/b:1") == ("quay.io/a/b", "1")
    assert image_address("localhost:5000/a:1") == ("localhost:5000/a", "1")


def test_what_goes_alone_is_refused_together() -> None:
    for words in (["--update-bases", "earth"], ["--update-bases", "--push"], ["--explain", "--push"]):
        result = CliRunner().invoke(command, words)
        assert result.exit_code == 2
        assert "one at a time" in result.output
