"""What a hub is deployed from: the key of its content, and the chart packed and back."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hubops.desired.model import ImageReference
from hubops.desired.repository import load_fleet
from hubops.desired.values import render_values
from hubops.execute.bundle import Bundle, make_bundle, pack, unpack
from hubops.state.model import Content

GOOD = Path(__file__).parent / "repositories" / "good"
IMAGES = {name: ImageReference(f"r/{name}", "c1", "sha256:1") for name in ("course", "hub")}
LOCK = """dependencies:
- name: jupyterhub
  repository: file://../../charts/jupyterhub
  version: 0.1.0
digest: sha256:1
generated: "2026-01-01T00:00:00Z"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The good repository, with a chart to depend on and a template of the hub's own."""
    repository = Path(shutil.copytree(GOOD, tmp_path / "my hubs"))
    below = repository / "charts/jupyterhub"
    (below / "templates").mkdir(parents=True)
    (below / "Chart.yaml").write_text("name: jupyterhub\nversion: 0.1.0\n")
    (below / "templates/hub.yaml").write_text("kind: Deployment\n")
    own = repository / "hub-charts/course"
    (own / "templates").mkdir()
    (own / "templates/own.yaml").write_text("kind: ConfigMap\n")
    (own / "Chart.lock").write_text(LOCK)
    return repository


def bundle(root: Path, directory: Path, name: str = "course") -> Bundle:
    hub = load_fleet(root).require_hub(name)
    shutil.rmtree(directory, ignore_errors=True)
    return make_bundle(root, hub, render_values(hub, IMAGES), IMAGES, directory)


def content(root: Path, name: str = "course") -> Content:
    return bundle(root, root.parent / "run", name).content


def rewrite(file: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new))

    return change


def add(file: str, text: str = "x") -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)

    return change


def touch(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, (1, 1))


def reorder(root: Path) -> None:
    file, first = root / "values/organisation.yaml", "global: {shared: true}\n"
    assert file.read_text().startswith(first)
    file.write_text(file.read_text().removeprefix(first) + first)


COURSE = "hub-charts/course"
CHANGES = {
    "a value": rewrite(f"{COURSE}/values.yaml", "/lab", "/tree"),
    "a shared value": rewrite("values/organisation.yaml", "organisation: 2", "organisation: 3"),
    "its own template": rewrite(f"{COURSE}/templates/own.yaml", "ConfigMap", "Secret"),
    "a template more": add(f"{COURSE}/templates/more.yaml"),
    "a template of the chart below": rewrite("charts/jupyterhub/templates/hub.yaml", "Deployment", "Pod"),
    "a default of the chart below": add("charts/jupyterhub/values.yaml", "a: 1\n"),
    "the version that is pinned": rewrite(f"{COURSE}/Chart.lock", "version: 0.1.0", "version: 0.2.0"),
    "a chart kept in its directory": add(f"{COURSE}/charts/inner/Chart.yaml", "name: inner\n"),
    "a packed chart of its own": add(f"{COURSE}/charts/inner-1.0.0.tgz"),
}
NO_CHANGES = {
    "a comment": rewrite(f"{COURSE}/values.yaml", "jupyterhub:", "# why\njupyterhub:  # because"),
    "the order of values": reorder,
    "times": touch,
    "who may come": add(f"{COURSE}/people.yaml", "admins: [somebody]\n"),
    "who proves": rewrite(f"{COURSE}/hub.yaml", "proved-by: staging", "# nobody"),
    "when the lock was made": rewrite(f"{COURSE}/Chart.lock", "2026-01-01", "2027-01-01"),
    "what helm fetched": add(f"{COURSE}/charts/jupyterhub-0.1.0.tgz"),
    "what helm had fetched before": add(f"{COURSE}/charts/jupyterhub-v0.0.9-rc.1.tgz"),
    "what helm left": add(f"{COURSE}/tmpcharts-1/jupyterhub-0.1.0.tgz"),
    "another hub": rewrite("hub-charts/plain/values.yaml", "stock", "other"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_decides_how_a_hub_behaves_changes_its_key(change: Callable[[Path], object], root: Path) -> None:
    before = content(root).key
    change(root)
    assert content(root).key != before


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_what_does_not_decide_it_does_not(change: Callable[[Path], object], root: Path) -> None:
    before = content(root).key
    change(root)
    assert content(root).key == before


def test_images_count_and_are_pinned(root: Path) -> None:
    hub = load_fleet(root).require_hub("course")
    newer = IMAGES | {"course": replace(IMAGES["course"], digest="sha256:2")}
    other = make_bundle(root, hub, render_values(hub, newer), newer, root.parent / "other").content
    assert other.key != content(root).key
    assert other.images["course"] == "r/course:c1@sha256:2"
    assert other.chart == content(root).chart


def test_the_key_is_the_same_in_another_place(root: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "elsewhere/deeper"))
    assert content(other) == content(root)


def test_two_hubs_of_one_chart_and_shared_layer_are_alike_in_these(root: Path) -> None:
    shutil.copy(root / f"{COURSE}/Chart.lock", root / "hub-charts/staging")
    course, staging = content(root), content(root, "staging")
    assert (course.chart, course.shared) == (staging.chart, staging.shared)
    assert course.key != staging.key
    assert course.chart_name == "jupyterhub 0.1.0"


@pytest.mark.parametrize("name", ["a template of the chart below", "the version that is pinned", "a packed chart of its own"])  # fmt: skip
def test_another_chart_below_is_another_chart_to_prove(name: str, root: Path) -> None:
    before = content(root)
    CHANGES[name](root)
    after = content(root)
    assert after.chart != before.chart
    assert after.shared == before.shared


@pytest.mark.parametrize("name", ["a value", "its own template"])
def test_settings_of_its_own_are_not(name: str, root: Path) -> None:
    before = content(root)
    CHANGES[name](root)
    assert content(root).chart == before.chart


def test_a_shared_value_is_shared(root: Path) -> None:
    before = content(root)
    CHANGES["a shared value"](root)
    assert content(root).shared != before.shared


# --- packed, and back


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_packed_chart_comes_back_as_it_was(root: Path, tmp_path: Path) -> None:
    made = bundle(root, tmp_path / "run")
    (made.chart / "charts").mkdir()
    (made.chart / "charts/jupyterhub-0.1.0.tgz").write_bytes(b"\0packed")
    back = unpack(pack(made), made.content, tmp_path / "back")
    assert files(back.chart) == files(made.chart)
    assert (back.content, back.complete, made.complete) == (made.content, True, False)
    assert "people.yaml" not in files(back.chart)


def test_the_same_files_pack_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    first = pack(bundle(root, tmp_path / "one"))
    touch(root)
    assert pack(bundle(root, tmp_path / "two")) == first


def test_what_is_packed_tells_nothing_of_where_and_by_whom(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(bundle(root, tmp_path / "run")))) as packed:
        members = packed.infolist()
    assert members
    assert not [m.filename for m in members if m.filename.startswith("/") or ".." in m.filename]
    assert {(m.date_time, m.external_attr >> 16, m.extra) for m in members} == {
        ((1980, 1, 1, 0, 0, 0), 0o600, b"")
    }


def test_a_link_in_a_chart_is_packed_as_what_it_leads_to(root: Path, tmp_path: Path) -> None:
    (root / f"{COURSE}/files").mkdir()
    (root / f"{COURSE}/files/shared.txt").symlink_to("../../../values/organisation.yaml")
    back = unpack(pack(made := bundle(root, tmp_path / "run")), made.content, tmp_path / "back")
    copy = back.chart / "files/shared.txt"
    assert not copy.is_symlink()
    assert copy.read_text() == (root / "values/organisation.yaml").read_text()


@pytest.mark.parametrize("name", ["../outside", "/outside-the-run", "inside/../../outside"])
def test_a_packed_chart_that_was_tampered_with_writes_nothing_outside(
    name: str, root: Path, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "")
    before = set(tmp_path.iterdir())
    unpack(packed.getvalue(), content(root), tmp_path / "back")
    assert not Path("/outside-the-run").exists()
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"back", "run"}
