"""A real `docker buildx`, built from its Go module, on our own BuildKit: the same images as through buildctl."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.conftest import show
from hubops import digest
from hubops.answer import Present
from hubops.checks.smoke import smoke
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.buildx import Buildx
from hubops.clients.registry import Registry
from hubops.desired.seat_model import Seat
from hubops.errors import BuildError, MachineError
from hubops.events import Line
from hubops.local import buildkit, host
from hubops.local.base_image import NAME
from hubops.local.toolchain import provide
from hubops.local.tools import Tool
from hubops.secret import Secret

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


def show_line(line: str) -> None:
    show(Line(line))


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
        "RUN --mount=type=secret,id=ca,target=/ca --mount=type=secret,id=index-token"
        " grep -q canary /ca && grep -qx 'other canary' /run/secrets/index-token && echo $WORD > /word\n"
    )
    return BuildRequest(
        context,
        "localhost:1/small:c1",
        push=False,
        secrets={"ca": secret},
        secret_texts={"index-token": Secret("other canary")},
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


async def test_an_image_on_another_is_the_same_through_either(
    buildx: Buildx, builder: Buildctl, registry: str, tmp_path: Path
) -> None:
    for name, text in (
        ("bottom", "FROM scratch\nCOPY a /\n"),
        ("top", "FROM bottom AS t\nCOPY a /b\nFROM t\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
        (tmp_path / name / "a").write_text(name)
    bottom = BuildRequest(tmp_path / "bottom", f"{registry}/hubops-test/bottom:c1", push=True)
    digest_ = await builder.build(bottom, show_line)
    layout = tmp_path / "layout"
    assert await buildx.lay_out(bottom, layout, show_line) == digest_
    cache = f"{registry}/hubops-test/top:cache1"
    top = BuildRequest(
        tmp_path / "top", "localhost:1/top:c1", push=False, target="t", platforms=["linux/amd64"]
    )
    on_layout = replace(top, contexts={"bottom": layout})
    on_pushed = replace(top, images={"bottom": f"{registry}/hubops-test/bottom@{digest_}"})
    made = {await one.build(each, show_line) for one in (buildx, builder) for each in (on_layout, on_pushed)}
    cached = replace(on_pushed, caches=[cache], cache=cache)
    made |= {await replace(buildx, writes_cache=True).build(cached, show_line) for _ in range(2)}
    assert len(made) == 1
    assert isinstance(await Registry().find_digest(f"{registry}/hubops-test/top", "cache1"), Present)


async def test_what_nobody_needs_is_collected(buildx: Buildx, builder: Buildctl) -> None:
    assert "Total" in await process.run(buildx.collect())
    assert "Total" in await process.run(builder.collect())


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
    with pytest.raises(BuildError, match="the image small cannot be tested") as caught:
        await smoke(buildx, request_, [Seat("hub")], show)
    assert "python3" in caught.value.why


async def test_it_builds_without_root_and_where_our_own_does_not_run(
    buildx: Buildx, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> Builder:
        raise MachineError("buildkitd does not answer")

    own = replace(buildx, writes_cache=True)  # for this builder is not Docker's engine
    assert isinstance(await buildkit.require_builder(show), Buildctl)
    monkeypatch.setattr(buildkit, "require_buildkit", fails)
    assert await buildkit.require_builder(show) == own
    monkeypatch.setattr(host, "is_root", lambda: False)
    assert await buildkit.require_builder(show) == own
