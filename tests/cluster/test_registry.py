"""The registry client against the local cluster's registry (what faults give is in tests/fast)."""

import hashlib
import json
import uuid

import httpx2
import pytest

from hubops.answer import Absent, Present
from hubops.clients.registry import Registry, base_url

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
async def index(registry: str) -> tuple[str, str]:
    """An image index of no images: its repository and digest."""
    name = f"hubops-test/{uuid.uuid4().hex}"
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    async with httpx2.AsyncClient() as client:
        url = f"{base_url(registry)}/v2/{name}/manifests/c1"
        (await client.put(url, content=content, headers={"Content-Type": INDEX})).raise_for_status()
    return f"{registry}/{name}", f"sha256:{hashlib.sha256(content).hexdigest()}"


async def test_an_index_is_found_as_it_was_pushed(index: tuple[str, str]) -> None:
    repository, digest = index
    assert await Registry().find_digest(repository, "c1") == Present(digest)


async def test_a_missing_tag_and_a_missing_repository_are_absent(
    registry: str, index: tuple[str, str]
) -> None:
    assert await Registry().find_digest(index[0], "c2") == Absent()
    assert await Registry().find_digest(f"{registry}/hubops-test/{uuid.uuid4().hex}", "c1") == Absent()


async def test_it_can_be_used(registry: str) -> None:
    assert await Registry().find_fault(registry) == ""
