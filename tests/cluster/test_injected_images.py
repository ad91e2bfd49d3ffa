"""What both charts make of `hubops-image`: each pod, and what the hub starts servers from, has the digest."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import COOKIE, CRYPT, JUPYTERHUB, TOKEN, Objects
from cluster.test_chart_render import render
from hubops.desired.model import Cluster, Hub, ImageReference
from hubops.desired.values import image_names, leaves, merge, render_values
from hubops.errors import ProgramError

NAMES = ("earth", "more", "hub", "proxy", "aside")
IMAGES = {
    name: ImageReference(f"r:5000/hubops/{name}", "c1", f"sha256:{number:064}")
    for number, name in enumerate(NAMES)
}
SECRETS: dict[str, Any] = {
    "hub": {"cookieSecret": COOKIE, "config": {"CryptKeeper": {"keys": [CRYPT]}}},
    "proxy": {"secretToken": TOKEN},
}
# What both charts have.
BOTH: dict[str, Any] = {
    "hub": {"image": {"hubops-image": "hub", "pullPolicy": "Always"}},
    "proxy": {"chp": {"image": {"hubops-image": "proxy"}}},
    "singleuser": {
        "profileList": [
            {"display_name": "a", "default": True},
            {"display_name": "b", "kubespawner_override": {"image": {"hubops-image": "more"}}},
        ]
    },
}
UPSTREAM = merge(
    BOTH,
    {
        "hub": {
            "extraContainers": [{"name": "aside", "image": {"hubops-image": "aside"}}],
            "initContainers": [{"name": "first", "image": {"hubops-image": "aside"}}],
            "config": {"KubeSpawner": {"image_pull_policy": "Always"}},
        },
        "singleuser": {
            "extraContainers": [{"name": "aside", "image": {"hubops-image": "aside"}}],
            "networkTools": {"image": {"hubops-image": "aside"}},
            "profileList": [
                {
                    "display_name": "c",
                    "profile_options": {
                        "image": {
                            "display_name": "Image",
                            "choices": {
                                "more": {
                                    "display_name": "More",
                                    "kubespawner_override": {"image": {"hubops-image": "more"}},
                                }
                            },
                        }
                    },
                }
            ],
        },
        "prePuller": {
            "extraImages": {"aside": {"hubops-image": "aside"}},
            "hook": {"image": {"hubops-image": "aside"}},
        },
    },
)


def hub_of(values: dict[str, Any]) -> Hub:
    return Hub("earth", Path(), "staging", Cluster("local", local=True), "earth", "earth", "earth-ns", "/earth/", "", values)  # fmt: skip


def ours(objects: Objects) -> set[str]:
    """Every image of ours in a pod's containers, and in what the hub reads at its start."""
    texts = [value for value in (v for _, v in leaves(list(objects.values()))) if isinstance(value, str)]
    found = {text for text in texts if text.startswith("r:5000/") and "\n" not in text}
    settings = yaml.safe_load(base64.b64decode(objects["Secret", "hub"]["data"]["values.yaml"]))
    for part in ("name", "image"):
        found |= {v for path, v in leaves(settings) if path[-1] == part and str(v).startswith("r:5000/")}
    user = settings["singleuser"]["image"]
    return {text for text in found if ":c1" in text} | {f"{user['name']}:{user['tag']}"}


@pytest.mark.parametrize("kind", ["embedded", "upstream"])
async def test_each_named_image_is_rendered_by_digest(
    kind: str, helm: Path, request: pytest.FixtureRequest
) -> None:
    chart = JUPYTERHUB if kind == "embedded" else request.getfixturevalue("upstream_chart")
    hub = hub_of(BOTH if kind == "embedded" else UPSTREAM)
    objects = await render(helm, chart, merge(render_values(hub, IMAGES), SECRETS))
    wanted = {str(IMAGES[name]) for name in image_names(hub)}
    assert ours(objects) == wanted
    assert len(wanted) == (4 if kind == "embedded" else 5)
    assert "hubops-image" not in json.dumps(list(objects.values()))


@pytest.mark.parametrize("name", ["extraContainers", "initContainers"])
async def test_what_the_embedded_chart_lacks_is_refused_by_its_schema(name: str, helm: Path) -> None:
    extra = {"hub": {name: [{"name": "aside", "image": {"hubops-image": "aside"}}]}}
    hub = hub_of(merge(BOTH, extra))
    with pytest.raises(ProgramError, match=name):
        await render(helm, JUPYTERHUB, merge(render_values(hub, IMAGES), SECRETS))
