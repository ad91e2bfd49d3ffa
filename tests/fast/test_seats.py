"""Which hubs give an image to people, and what their values and charts ask of it."""

import shutil
from pathlib import Path

import pytest

from fleets import PROJECT, put, write_fleet
from hubops.desired.repository import load_fleet
from hubops.desired.seat_model import Seat
from hubops.desired.seats import find_seats

VALUES = "hub-charts/hub-0/values.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_fleet(tmp_path, 1)
    (tmp_path / "hub-charts/hub-0/hub.yaml").write_text("stage: staging\ncluster: local\nimage: shared\n")
    put(tmp_path, VALUES, "{}\n")
    return tmp_path


def seat(root: Path, values: str, image: str = "shared") -> Seat:
    put(root, VALUES, f"jupyterhub: {values}\n")
    [found] = find_seats(load_fleet(root), image)
    return found


def test_by_default_it_is_what_the_chart_says(root: Path) -> None:
    version = "5.5.4"
    assert f'appVersion: "{version}"' in (PROJECT / "charts/jupyterhub/Chart.yaml").read_text()
    assert seat(root, "{}") == Seat("hub-0", version)


def test_values_change_it(root: Path) -> None:
    found = seat(
        root,
        "{singleuser: {uid: 1234, cmd: [start, --now], storage: {homeMountPath: /data},"
        " allowPrivilegeEscalation: true}}",
    )
    assert found == Seat("hub-0", "5.5.4", "", 1234, "/data", ("start", "--now"), privileges=True)
    assert seat(root, "{singleuser: {uid: null, cmd: null}}").uid is None
    assert seat(root, "{singleuser: {storage: {type: none}}}").home == ""


def test_images_of_profiles_are_given_to_people_and_others_are_not(root: Path) -> None:
    for name in ("other", "beside"):
        put(root, f"user-images/{name}/Dockerfile", "FROM scratch\n")
    profiles = (
        "{singleuser: {extraContainers: [{name: x, image: {hubops-image: beside}}],"
        " profileList: [{display_name: a, kubespawner_override: {image: {hubops-image: other}}}]}}"
    )
    assert seat(root, profiles, "other").hub == "hub-0"
    fleet = load_fleet(root)
    assert [find_seats(fleet, name) for name in ("beside", "hub", "proxy")] == [(), (), ()]


def test_a_version_that_nothing_says_is_unknown(root: Path) -> None:
    put(root, "user-images/special/Dockerfile", "FROM scratch\n")
    for values in ("{hub: {image: {hubops-image: special}}}", "{hub: {image: {name: x, tag: '1'}}}"):
        found = seat(root, values)
        assert (found.hub_version, found.unknown) == (
            "",
            "hub-0 has a hub of another image than its chart's own",
        )


def test_a_chart_that_is_not_here_is_unknown(root: Path) -> None:
    chart = root / "hub-charts/hub-0/Chart.yaml"
    chart.write_text(
        chart.read_text().replace("file://../../charts/jupyterhub", "https://charts.example.org")
    )
    assert seat(root, "{}").unknown.startswith("the chart of hub-0 is not on disk")
    own = root / "hub-charts/hub-0/charts/jupyterhub"
    shutil.copytree(PROJECT / "charts/jupyterhub", own)
    assert seat(root, "{}").hub_version == "5.5.4"
    (own / "Chart.yaml").write_text((own / "Chart.yaml").read_text().replace("hubops/embedded", "x"))
    assert seat(root, "{}").unknown == "hub-0 has a hub of another image than its chart's own"
    assert seat(root, "{hub: {image: {hubops-image: null}}}").hub_version == "5.5.4"
