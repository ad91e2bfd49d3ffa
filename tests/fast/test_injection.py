"""Every place at which a chart, KubeSpawner or Kubernetes takes an image, in the form that it takes there."""

from typing import Any

import pytest

from hubops.desired.injection import inject, named_images
from hubops.desired.model import ImageReference
from hubops.desired.values import find_value, leaves
from hubops.errors import RepositoryError

DIGEST = f"sha256:{'0' * 64}"
IMAGES = {name: ImageReference(f"r:5000/hubops/{name}", "c1", DIGEST) for name in ("earth", "hub", "proxy")}
TEXT = f"r:5000/hubops/earth:c1@{DIGEST}"
MAPPING = {"name": "r:5000/hubops/earth", "tag": f"c1@{DIGEST}"}
EARTH = {"hubops-image": "earth"}
# Of the chart: name and tag, with what else the chart takes beside them.
AS_MAPPING = [
    "hub.image",
    "proxy.chp.image",
    "proxy.traefik.image",
    "proxy.secretSync.image",
    "singleuser.image",
    "singleuser.networkTools.image",
    "scheduling.userScheduler.image",
    "scheduling.userPlaceholder.image",
    "prePuller.hook.image",
    "prePuller.pause.image",
    "prePuller.extraImages.earth",
]
# Of Kubernetes or KubeSpawner: one text.
AS_TEXT = [
    "hub.extraContainers.0.image",
    "hub.initContainers.0.image",
    "singleuser.extraContainers.0.image",
    "singleuser.initContainers.0.image",
    "singleuser.extraPodConfig.initContainers.0.image",
    "singleuser.profileList.0.kubespawner_override.image",
    "singleuser.profileList.0.profile_options.image.choices.earth.kubespawner_override.image",
    "hub.config.KubeSpawner.image",
    "hub.config.KubeSpawner.profile_list.0.kubespawner_override.image",
    "jupyterhub.hub.config.KubeSpawner.image",
    "hubs.hub.config.KubeSpawner.image",
]


def at(dotted: str, value: Any) -> Any:
    """Values with that one value, where a number stands for a list."""
    for key in reversed(dotted.split(".")):
        value = [value] if key.isdecimal() else {key: value}
    return value


def path(dotted: str) -> tuple[str | int, ...]:
    return tuple(int(key) if key.isdecimal() else key for key in dotted.split("."))


def read(values: Any, dotted: str) -> Any:
    return dict(leaves(values)).get(path(dotted), find_value(values, path(dotted)))


@pytest.mark.parametrize("place", AS_MAPPING)
def test_the_chart_takes_name_and_tag(place: str) -> None:
    assert read(inject(at(place, EARTH), IMAGES, ""), place) == MAPPING
    found = inject(at(place, {**EARTH, "pullPolicy": "Always"}), IMAGES, "")
    assert read(found, place) == {**MAPPING, "pullPolicy": "Always"}


@pytest.mark.parametrize("place", AS_TEXT)
def test_kubernetes_and_kubespawner_take_a_text(place: str) -> None:
    values = at(place, EARTH)
    assert read(inject(values, IMAGES, ""), place) == TEXT
    assert list(named_images(values)) == ["earth"]


@pytest.mark.parametrize("place", AS_TEXT)
def test_what_would_be_lost_beside_a_text_is_refused(place: str) -> None:
    with pytest.raises(RepositoryError, match="one text") as caught:
        inject(at(place, {**EARTH, "pullPolicy": "Always"}), IMAGES, "")
    assert "pullPolicy would be lost" in caught.value.why


@pytest.mark.parametrize("place", [*AS_MAPPING, *AS_TEXT])
@pytest.mark.parametrize("beside", ["name", "tag"])
def test_a_name_or_tag_by_hand_is_refused(place: str, beside: str) -> None:
    with pytest.raises(RepositoryError, match="set by hand as well"):
        inject(at(place, {**EARTH, beside: "1"}), IMAGES, "")


def test_what_nothing_builds_is_refused_and_null_takes_a_name_back() -> None:
    with pytest.raises(RepositoryError, match="nothing builds it"):
        inject(at("hub.image", {"hubops-image": "erth"}), IMAGES, "")
    assert inject(at("hub.image", {"hubops-image": None, "tag": "1"}), IMAGES, "") == at(
        "hub.image", {"tag": "1"}
    )
