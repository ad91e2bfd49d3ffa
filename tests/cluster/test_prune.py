"""Pruning a real registry: what is deleted is gone, and all that is needed can be pulled."""

import hashlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.registry_server import serve_registry
from fast.prune_world import World, open_world, pod, written
from hubops.answer import Absent, Present
from hubops.clients.registry import Registry
from hubops.local.up import Local

INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


class RealRegistry:
    """Pushes as any client does: blobs, manifests, and indexes of those."""

    def __init__(self, host: str) -> None:
        self.host = host

    def push(self, name: str, tag: str, text: str = "") -> str:
        """An image with a layer of its own."""
        config = self._blob(name, json.dumps({"text": text or tag}).encode())
        body = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {**config, "mediaType": CONFIG},
            "layers": [config],
        }
        return self._manifest(name, tag, body, IMAGE)

    def push_index(self, name: str, tag: str, parts: list[str]) -> str:
        listed = [{"mediaType": IMAGE, "digest": part, "size": 1} for part in parts]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed, "annotations": {"tag": tag}}
        return self._manifest(name, tag, body, INDEX)

    def _blob(self, name: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        started = httpx2.post(f"http://{self.host}/v2/{name}/blobs/uploads/").raise_for_status()
        place = httpx2.URL(started.headers["Location"]).copy_merge_params({"digest": digest})
        httpx2.put(place, content=content).raise_for_status()
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}

    def _manifest(self, name: str, tag: str, body: dict[str, Any], kind: str) -> str:
        content = json.dumps(body).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        url = f"http://{self.host}/v2/{name}/manifests/{tag or digest}"
        httpx2.put(url, content=content, headers={"Content-Type": kind}).raise_for_status()
        return digest


@pytest.fixture
async def world(local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    (tmp_path / "settings").touch()
    async with (
        serve_registry(local.instance, tmp_path) as address,
        open_world(tmp_path, RealRegistry(address)) as world,
    ):
        monkeypatch.setattr("hubops.run.prune.hold_and_write", world.hold_and_write)
        yield world


@pytest.mark.parametrize("images", [12, pytest.param(60, marks=pytest.mark.long)])
async def test_a_real_registry_keeps_what_is_needed_and_loses_the_rest(images: int, world: World) -> None:
    chance, host = random.Random(images), world.registry.host
    name, needed, spare = f"{host}/hubs/shared", set[str](), set[str]()
    parts = [world.registry.push("hubs/shared", "", f"part {number}") for number in range(images)]
    for number in range(images):
        tag = f"c{number:020x}"
        if chance.random() < 1 / 3:
            own = chance.sample(parts, 2)
            digest = world.registry.push_index("hubs/shared", tag, own)
        else:
            own, digest = [], world.registry.push("hubs/shared", tag)
        match chance.randrange(4):
            case 0:
                pod(world.clusters["campus"], tag, f"{name}@{digest}")
            case 1:
                # And another build took its tag.
                written(world.clusters["cloud"], f"{name}:{tag}@{digest}", hub=f"hub-{number}")
                spare.add(world.registry.push("hubs/shared", tag, "another build"))
            case 2:
                digest = own_tag(world, tag, f"kept-{number}")
            case _:
                spare.add(digest)
                continue
        needed |= {digest, *own}
    found = await world.prune_ripe()
    assert {each.digest for each in found.delete} == spare
    for digest in needed:
        assert await Registry().find_digest(name, digest) == Present(digest)
    for digest in spare:
        assert await Registry().find_digest(name, digest) == Absent()
    left = await Registry().read_tags(name)
    assert isinstance(left, Present)
    assert world.tag() in left.value
    assert not {*left.value.values()} & spare
    assert (await world.prune_ripe()).delete == []


def own_tag(world: World, tag: str, name: str) -> str:
    """Somebody gives the image a name of their own."""
    url = f"http://{world.registry.host}/v2/hubs/shared/manifests"
    kinds = {"Accept": f"{INDEX}, {IMAGE}"}
    found = httpx2.get(f"{url}/{tag}", headers=kinds).raise_for_status()
    kind = found.headers["Content-Type"]
    httpx2.put(f"{url}/{name}", content=found.content, headers={"Content-Type": kind}).raise_for_status()
    return str(found.headers["Docker-Content-Digest"])
