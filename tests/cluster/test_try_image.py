"""Images tested before they are pushed, and compared with those before them: real BuildKit, real registry."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.conftest import show
from cluster.test_smoke import DOCKERFILE, notebook
from fleets import put, write_fleet
from hubops import run
from hubops.answer import Absent, Present
from hubops.cli import machine
from hubops.clients.artifacts import Artifacts
from hubops.clients.registry import Registry
from hubops.desired.images import reference
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.errors import BuildError
from hubops.report.sbom import parse_sbom
from hubops.run.try_image import Tried, try_images

SITE = "/usr/lib/python3/dist-packages"
CHANGES = f"""\
USER 0
RUN mkdir {SITE}/added-1.0.dist-info && printf 'Name: added\\nVersion: 1.0\\n' > {SITE}/added-1.0.dist-info/METADATA \\
    && sed -i 's/^Version: .*/Version: 99/' {SITE}/ipykernel-*-info/METADATA {SITE}/ipykernel-*-info/PKG-INFO; \\
    sed -i '/^Package: tzdata$/,/^$/d' /var/lib/dpkg/status
USER person
"""


def fleet_of(root: Path, dockerfile: str, cell: str = "1") -> Fleet:
    """A fleet with an image `small` that has one notebook, under a name of its own in the registry."""
    write_fleet(root, 1)
    put(root, "user-images/small/Dockerfile", dockerfile)
    put(root, "user-images/small/tests/a.ipynb", notebook([(cell, "")]))
    return load_fleet(root)


@pytest.fixture
def name() -> str:
    return f"hubops-test/{uuid.uuid4().hex}/{{name}}"


async def push(fleet: Fleet, registry: str) -> str:
    workshop = machine.load_workshop(show)
    built = await run.build_images(fleet, ["small"], registry, workshop, show, push=True)
    return built["small"].digest


async def look(fleet: Fleet, registry: str, before: Fleet | None) -> Tried:
    workshop = machine.load_workshop(show)
    made, tried = await try_images(fleet, ["small"], registry, workshop, show, before=before)
    run.require_made(made)
    return tried["small"]


async def test_what_changes_in_an_image_is_told_and_nothing_is_pushed(
    registry: str, name: str, tmp_path: Path
) -> None:
    before = replace(fleet_of(tmp_path / "before", DOCKERFILE), image_name=name)
    after = replace(fleet_of(tmp_path / "after", DOCKERFILE + CHANGES), image_name=name)
    digest, tag = await push(before, registry), reference(before, registry, "small")
    sbom = await Artifacts(Registry()).find(tag.repository, digest, "sbom")
    assert isinstance(sbom, Present)
    assert {"python3-ipykernel", "ipykernel"} <= {package.name for package in parse_sbom(sbom.value)}

    found = await look(after, registry, before)
    size, *changes = [line for line in found.lines if not line.startswith("new layer")]
    assert "MB, before " in size
    assert [line.split()[:3] for line in changes[:3]] == [
        ["-", "debian", "tzdata"],
        ["+", "python", "added"],
        ["~", "python", "ipykernel"],
    ]
    assert changes[1] == "+ python added 1.0"
    assert changes[2].endswith(" → 99")
    assert "USER person is no number" in changes[-1]
    told = json.loads(json.dumps(found.as_json))
    assert {layer["new"] for layer in told["layers"]} == {True, False}
    again = reference(after, registry, "small")
    assert await Registry().find_digest(again.repository, again.tag) == Absent()

    reasons = {
        "packages: as before": before,
        "no earlier image to compare with: it is not known what was before this change": None,
        "no earlier image to compare with: it is new": replace(before, images={}),
        f"no earlier image to compare with: {again} is not in the registry": after,
    }
    for line, other in reasons.items():
        assert line in (await look(before, registry, other)).lines


async def test_what_fails_its_test_is_not_pushed(registry: str, name: str, tmp_path: Path) -> None:
    fleet = replace(fleet_of(tmp_path, DOCKERFILE, "1 / 0"), image_name=name)
    with pytest.raises(BuildError, match="ZeroDivisionError"):
        await push(fleet, registry)
    image = reference(fleet, registry, "small")
    assert await Registry().find_digest(image.repository, image.tag) == Absent()
