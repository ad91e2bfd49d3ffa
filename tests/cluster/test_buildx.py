"""A real `docker buildx`, built from its Go module, on our own BuildKit: the same images as through buildctl."""

import tarfile
from pathlib import Path

import pytest

from cluster.conftest import show
from hubops import digest
from hubops.checks.smoke import smoke
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.buildx import Buildx
from hubops.errors import BuildError, MachineError
from hubops.local import buildkit, host
from hubops.local.base_image import NAME
from hubops.local.toolchain import provide
from hubops.local.tools import Tool

PLUGIN = Tool("docker-buildx", "v0.29.1", "buildx", "github.com/docker/buildx/cmd/buildx")


@pytest.fixture
async def buildx(builder: Buildctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buildx:
    """The plug-in in an operator's Docker configuration, whose chosen builder is our BuildKit."""
    config = tmp_path / "docker"
    config.mkdir()
    (config / "cli-plugins").symlink_to((await provide(PLUGIN, show)).program.parent)
    (config / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.delenv("BUILDX_CONFIG", raising=False)
    await process.run(
        ["docker", "buildx", "create", "--use", "--name=own", "--driver=remote", builder.address]
    )
    return Buildx()


@pytest.fixture
def request_(tmp_path: Path, base: dict[str, Path]) -> BuildRequest:
    """A build that takes everything a build can be given."""
    context, tools, secret = tmp_path / "small", tmp_path / "tools", tmp_path / "secret"
    context.mkdir()
    tools.mkdir()
    (tools / "program").write_text("from the named context")
    secret.write_text("canary")
    (context / "Dockerfile").write_text(
        f"FROM {NAME}\nCOPY . /context\nCOPY --from=tools program /\nARG WORD\n"
        "RUN --mount=type=secret,id=ca,target=/ca grep -q canary /ca && echo $WORD > /word\n"
    )
    return BuildRequest(
        context,
        "localhost:1/small:c1",
        push=False,
        secrets={"ca": secret},
        contexts={**base, "tools": tools},
        arguments={"WORD": "word"},
    )


async def test_an_image_has_the_same_digest_through_either(
    buildx: Buildx, builder: Buildctl, request_: BuildRequest, tmp_path: Path
) -> None:
    before = digest.of_tree(tmp_path / "docker")
    lines: list[str] = []
    assert await buildx.build(request_, lines.append) == await builder.build(request_, lines.append)
    assert digest.of_tree(tmp_path / "docker") == before


async def test_an_archive_is_what_docker_loads(
    buildx: Buildx, builder: Buildctl, request_: BuildRequest, tmp_path: Path
) -> None:
    for one in (buildx, builder):
        await one.save(request_, tmp_path / "archive.tar", print)
        with tarfile.open(tmp_path / "archive.tar") as archive:
            assert "manifest.json" in archive.getnames()


async def test_a_failing_command_names_its_line_and_shows_its_output(
    buildx: Buildx, request_: BuildRequest
) -> None:
    with (request_.context / "Dockerfile").open("a") as file:
        file.write("RUN echo the reason && exit 3\n")
    with pytest.raises(BuildError) as caught:
        await buildx.build(request_, print)
    assert caught.value.where.endswith("small/Dockerfile:6")
    assert "the reason\n" in caught.value.why
    assert caught.value.why.endswith("the command ended with exit code 3")


async def test_what_a_users_image_must_have_is_tried_through_it_too(
    buildx: Buildx, request_: BuildRequest
) -> None:
    with pytest.raises(BuildError, match="smoke notebooks of the image small cannot be run in it") as caught:
        await smoke(buildx, request_, show, singleuser=True)
    assert "python3" in caught.value.why


async def test_it_builds_without_root_and_where_our_own_does_not_run(
    buildx: Buildx, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> Builder:
        raise MachineError("buildkitd does not answer")

    assert isinstance(await buildkit.require_builder(show), Buildctl)
    monkeypatch.setattr(buildkit, "require_buildkit", fails)
    assert await buildkit.require_builder(show) == buildx
    monkeypatch.setattr(host, "is_root", lambda: False)
    assert await buildkit.require_builder(show) == buildx
