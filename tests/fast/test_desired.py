"""What the repository wants: files in, frozen values out, faults with their place."""

import shutil
from pathlib import Path

import pytest

from hubops.desired.dockerignore import parse_rules
from hubops.desired.model import Hub, ImageReference
from hubops.desired.people import with_people
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names, merge, render_values
from hubops.desired.yaml import parse_yaml
from hubops.errors import RepositoryError, UsageError

PROJECT = Path(__file__).parents[2]
REPOSITORIES = Path(__file__).parent / "repositories"
GOOD = REPOSITORIES / "good"
FAULTS = sorted(path for path in REPOSITORIES.iterdir() if path != GOOD)
IMAGES = {
    name: ImageReference(f"r/hubops/{name}", "c1", "sha256:1") for name in ("course", "hub", "proxy", "aside")
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOOD, tmp_path / "repository"))


def hub(repository: Path, name: str = "course") -> Hub:
    return load_fleet(repository).require_hub(name)


# --- the files


def load_everything(root: Path) -> None:
    for each in load_fleet(root).hubs.values():
        render_values(each, IMAGES)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.name)
def test_each_fault_is_named_with_its_place(fault: Path, repository: Path) -> None:
    """A case is a folder of files laid over the good repository; `expected` has what the message must hold."""
    shutil.copytree(fault, repository, dirs_exist_ok=True)
    if (fault / "remove").exists():
        (repository / (fault / "remove").read_text().strip()).unlink()
    with pytest.raises(RepositoryError) as caught:
        load_everything(repository)
    for line in (fault / "expected").read_text().splitlines():
        assert line in str(caught.value)


def test_the_good_repository(repository: Path) -> None:
    fleet = load_fleet(repository)
    assert list(fleet.hubs) == ["course", "plain", "staging"]
    assert set(fleet.images) == {"course", "hub"}
    course = fleet.require_hub("course")
    assert (course.stage, course.proved_by, course.image, course.prefix) == (
        "production",
        "staging",
        "course",
        "jupyterhub",
    )
    assert course.people.admins == ("teacher",)
    assert course.people.allowed == ("0604373", "student")
    assert [each.name for each in fleet.in_order()].index("staging") < 2


def test_a_chart_and_values_are_enough_for_a_hub(repository: Path) -> None:
    plain = hub(repository, "plain")
    assert (plain.stage, plain.image, plain.release, plain.namespace) == ("production", "", "plain", "plain")
    assert (plain.path, plain.people.admins, plain.people.allowed) == ("/plain/", (), ())
    assert image_names(plain) == ["hub"]


def test_the_example_fleet() -> None:
    fleet = load_fleet(PROJECT)
    earth = fleet.require_hub("earthhub")
    assert fleet.require_hub(earth.proved_by).stage == "staging"
    assert set(image_names(earth)) == {"earth", "hub", "proxy"}
    assert earth.cluster.local


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("", "", "/course/"),
        ("https://hubs.example.org/", "https://hubs.example.org", "/"),
        ("https://hubs.example.org", "https://hubs.example.org", "/"),
        ("https://hubs.example.org:8443/a/b", "https://hubs.example.org:8443", "/a/b/"),
        ("/a/b", "", "/a/b/"),
    ],
)
def test_the_address_of_a_hub_follows_from_its_url(
    url: str, origin: str, path: str, repository: Path
) -> None:
    if url:
        with (repository / "hub-charts/course/hub.yaml").open("a") as file:
            file.write(f"url: {url}\n")
    found = hub(repository)
    assert (found.origin, found.path) == (origin, path)


def test_a_gke_cluster_has_the_context_that_gcloud_makes(repository: Path) -> None:
    assert hub(repository, "staging").cluster.context == "gke_p_europe-west1_c"


@pytest.mark.parametrize("wanted", ["cours", "nothing-like-it"])
def test_an_unknown_hub_is_a_fault_of_the_command_line(wanted: str, repository: Path) -> None:
    with pytest.raises(
        UsageError, match="Did you mean course" if wanted == "cours" else "Known: course, plain"
    ):
        load_fleet(repository).require_hub(wanted)


# --- values


def test_layers_lie_in_their_order(repository: Path) -> None:
    values = render_values(hub(repository, "staging"), IMAGES, {"jupyterhub": {"top": 1, "own": 5}})
    chart = values["jupyterhub"]
    assert chart["seen"] == {"organisation": 1, "cluster": 1, "stage": 1, "own": 1}
    assert (chart["organisation"], chart["cluster"], chart["stage"], chart["own"]) == (2, 3, 4, 5)


def test_conventions_lie_lowest(repository: Path) -> None:
    config = with_people(hub(repository), render_values(hub(repository), IMAGES))["jupyterhub"]["hub"]
    assert config["baseUrl"] == "/course/"
    assert config["config"]["Authenticator"]["admin_users"] == ["teacher"]
    assert config["config"]["Authenticator"]["allowed_users"] == ["0604373", "student", "teacher"]
    changed = render_values(hub(repository), IMAGES, {"jupyterhub": {"hub": {"baseUrl": "/x/"}}})
    assert changed["jupyterhub"]["hub"]["baseUrl"] == "/x/"


def test_the_user_image_is_set_by_digest(repository: Path) -> None:
    singleuser = render_values(hub(repository), IMAGES)["jupyterhub"]["singleuser"]
    assert singleuser["image"] == {"name": "r/hubops/course", "tag": "c1@sha256:1"}


def test_a_named_image_becomes_a_mapping_in_the_chart_and_a_text_in_a_list(repository: Path) -> None:
    profiles = {
        "singleuser": {"profileList": [{"kubespawner_override": {"image": {"hubops-image": "aside"}}}]}
    }
    chart = render_values(hub(repository), IMAGES, {"jupyterhub": profiles})["jupyterhub"]
    assert chart["hub"]["image"] == {"name": "r/hubops/hub", "tag": "c1@sha256:1", "pullPolicy": "Always"}
    override = chart["singleuser"]["profileList"][0]["kubespawner_override"]
    assert override["image"] == "r/hubops/aside:c1@sha256:1"
    assert image_names(hub(repository), {"jupyterhub": profiles}) == ["aside", "course", "hub"]


def test_a_stock_image_is_left_alone(repository: Path) -> None:
    chart = render_values(hub(repository, "plain"), IMAGES)["hubs"]
    assert chart["singleuser"]["image"] == {"name": "quay.io/stock", "tag": "1"}


def test_shared_layers_reach_a_chart_under_another_name(repository: Path) -> None:
    values = render_values(hub(repository, "plain"), IMAGES)
    assert "jupyterhub" not in values
    assert values["hubs"]["organisation"] == 2
    assert values["hubs"]["hub"]["baseUrl"] == "/plain/"
    assert values["global"] == {"shared": True}


MERGES = [
    ("maps merge", [{"a": {"b": 1}}, {"a": {"c": 2}}], {"a": {"b": 1, "c": 2}}),
    ("lists are replaced", [{"a": [1, 2]}, {"a": [3]}], {"a": [3]}),
    ("null stays, for helm to delete by it", [{"a": {"b": 1}}, {"a": None}], {"a": None}),
    ("a map replaces null", [{"a": None}, {"a": {"b": 1}}], {"a": {"b": 1}}),
    ("a scalar replaces a map", [{"a": {"b": 1}}, {"a": 1}], {"a": 1}),
    ("nothing", [], {}),
]


@pytest.mark.parametrize(
    ("layers", "merged"), [case[1:] for case in MERGES], ids=[case[0] for case in MERGES]
)
def test_merging(layers: list[dict[str, object]], merged: dict[str, object]) -> None:
    before = repr(layers)
    assert merge(*layers) == merged
    assert repr(layers) == before


# --- YAML (what helm itself says is asked in tests/fast/test_values_agree.py)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9152039", 9152039),
        ("0604373", 0o604373),
        ("1e10", 10**10),
        ("22:22", "22:22"),
        ("2026-01-02", "2026-01-02"),
        ("0x_1F", 31),
        ("08", 8),
        ("yes", True),
        ("NULL", None),
        ("1_000", 1000),
        ("._5", "._5"),
        ("18446744073709551616", float(2**64)),
    ],
)
def test_scalars_are_those_of_go(text: str, value: object) -> None:
    found = parse_yaml(f"a: {text}", "f").value["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["3228e95", "84e9260"])
def test_abbreviated_commits_are_numbers_or_texts_as_in_go(text: str) -> None:
    assert parse_yaml(f"a: {text}", "f").value["a"] == (text if text == "84e9260" else 3228e95)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", "f:4:3"),
        (b"a: [1\n", "f:2:1"),
        (b"a: 1\n---\nb: 1\n", "f:2:1"),
        (b"a: \xff\n", "f"),
        (b"a: &x [*x]\n", "f:1:4"),
        (b"a: !!int 5\n", "f:1:4"),
        (
            b"a: &a [x, x]\n"
            + b"".join(b"%c: &%c [*%c, *%c]\n" % (c, c, c - 1, c - 1) for c in range(98, 120)),
            "f:",
        ),
    ],
)
def test_what_is_refused_has_its_place(text: bytes, where: str) -> None:
    with pytest.raises(RepositoryError) as caught:
        parse_yaml(text, "f")
    assert caught.value.where.startswith(where)


def test_places_are_kept_for_keys_and_items() -> None:
    document = parse_yaml("a:\n  b:\n    - x\n    - y\n", "f")
    assert document.place("a", "b") == "f:2:3"
    assert document.place("a", "b", 1) == "f:4:7"
    assert document.place("a", "b", 1, "deeper") == "f:4:7"


# --- images


@pytest.mark.parametrize("line", ["!", "[z-a]"])
def test_a_line_of_dockerignore_that_is_no_pattern_is_named(line: str) -> None:
    with pytest.raises(RepositoryError) as caught:
        parse_rules(f"# first\n{line}\n", "x/.dockerignore")
    assert caught.value.where == "x/.dockerignore:2"
