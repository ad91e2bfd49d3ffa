"""What lies beside an image in a real registry, and what describes the image."""

import uuid
from pathlib import Path

import httpx2
import pytest

from hourglass import Hourglass
from hubops.answer import Absent, Present, Unknown
from hubops.clients.artifacts import Artifacts, attached_tag
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.registry import Registry, base_url
from hubops.clients.registry_questions import ACCEPT
from hubops.errors import OutOfReachError

KIND = "application/vnd.cyclonedx+json"


@pytest.fixture
def request_(registry: str, tmp_path: Path) -> BuildRequest:
    """A build of an image with two layers."""
    (tmp_path / "a").write_text(uuid.uuid4().hex)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY a /\nCOPY a /b\nUSER 7\n")
    return BuildRequest(tmp_path, f"{registry}/hubops-test/{uuid.uuid4().hex}:c1", push=True)


async def test_a_file_is_found_beside_its_image_and_nowhere_else(
    builder: Builder, request_: BuildRequest
) -> None:
    digest, repository = await builder.build(request_, print), request_.reference.removesuffix(":c1")
    artifacts = Artifacts(Registry())
    assert await artifacts.find(repository, digest, "sbom") == Absent()
    for content in (b"first", b"second"):
        await artifacts.attach(repository, digest, "sbom", KIND, content)
        assert await artifacts.find(repository, digest, "sbom") == Present(content)
    assert await artifacts.find(repository, digest, "other") == Absent()
    assert await Registry().find_digest(repository, "c1") == Present(digest)
    host, _, name = repository.partition("/")
    async with httpx2.AsyncClient() as client:
        url = f"{base_url(host)}/v2/{name}/manifests/{attached_tag(digest, 'sbom')}"
        found = (await client.get(url, headers=ACCEPT)).raise_for_status().json()
    assert (found["artifactType"], found["subject"]["digest"]) == (KIND, digest)


async def test_what_describes_an_image_is_the_same_before_and_after_the_push(
    builder: Buildctl, request_: BuildRequest
) -> None:
    digest = await builder.build(request_, print)
    manifest, config = await builder.describe(request_, digest, print)
    assert [layer["size"] > 0 for layer in manifest["layers"]] == [True, True]
    assert config["config"]["User"] == "7"
    repository = request_.reference.removesuffix(":c1")
    assert await Artifacts(Registry()).find_documents(repository, digest) == Present((manifest, config))
    # For a builder that cannot be asked for them.
    assert await Builder.describe(builder, request_, digest, print) == (manifest, config)


async def test_an_image_that_is_not_there_gets_no_files(registry: str) -> None:
    repository, digest = f"{registry}/hubops-test/{uuid.uuid4().hex}", "sha256:" + "0" * 64
    with pytest.raises(OutOfReachError, match="the image is not there"):
        await Artifacts(Registry()).attach(repository, digest, "sbom", KIND, b"x")
    assert await Artifacts(Registry()).find_documents(repository, digest) == Absent()


async def test_a_registry_out_of_reach_is_unknown() -> None:
    digest, artifacts = "sha256:" + "0" * 64, Artifacts(Registry(patience=Hourglass().patience))
    assert isinstance(await artifacts.find("localhost:1/x", digest, "sbom"), Unknown)
    assert isinstance(await artifacts.find_documents("localhost:1/x", digest), Unknown)
    with pytest.raises(OutOfReachError):
        await artifacts.attach("localhost:1/x", digest, "sbom", KIND, b"x")
