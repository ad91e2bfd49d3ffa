"""Images built by a real BuildKit and pushed to a real registry."""

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cluster.conftest import free_port
from hubops.answer import Absent, Present
from hubops.clients import process
from hubops.clients.buildctl import Buildctl
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.registry import Registry
from hubops.desired.dockerignore import is_ignored, parse_rules
from hubops.errors import BuildError, OutOfReachError
from hubops.local import base_image
from hubops.local.docker import find_docker
from hubops.local.up import Local

FILES = ["a", "b.txt", ".hidden", ".d/x", "d/a", "d/b.txt", "d/e/a", "d/e/c.md", "foo", "xfoo", "tests/t.py"]
PATTERNS = [
    "",
    ".*",
    "*",
    "?",
    "./d",
    "/d/",
    "**/a",
    "**foo",
    "d/**\n!d/e",
    "*\n!d/e/a",
    "**/*.txt",
    "fo?",
    "[fx]*",
    "# a\n #a",
    "d/../a",
    "*/a",
    "**/e/**",
    "[^a]*",
    "d\n!d/e/a\nd/e",
    "**/t.py\n!tests",
    "!a",
]


Context = Callable[..., Path]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    def make(dockerfile: str, **files: str) -> Path:
        directory = tmp_path / "context"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            (directory / name).write_text(text)
        return directory

    return make


async def test_a_push_is_found_by_the_digest_that_the_build_gave(
    builder: Builder, registry: str, context: Context
) -> None:
    reference = f"{registry}/hubops-test/pushed"
    request = BuildRequest(context("FROM scratch\nCOPY a /\n", a="1"), f"{reference}:c1", push=True)
    digest = await builder.build(request, lambda _line: None)
    assert await Registry().find_digest(reference, "c1") == Present(digest)
    assert await Registry().find_digest(reference, "c2") == Absent()
    assert await Registry().find_fault(registry) == ""


async def test_the_digest_is_a_function_of_the_content(builder: Builder, context: Context) -> None:
    async def digest(text: str, changed_at_s: int, mode: int) -> str:
        directory = context("FROM scratch\nCOPY . /\n", a=text)
        (directory / "a").chmod(mode)
        os.utime(directory / "a", (changed_at_s, changed_at_s))
        request = BuildRequest(directory, "localhost:1/x:c1", push=False)
        return await builder.build(request, lambda _line: None)

    assert await digest("1", 1_000_000, 0o644) == await digest("1", 1_720_000_000, 0o600)
    # Same path, size and time, as after unpacking an archive: still another image.
    assert await digest("2", 1_000_000, 0o644) != await digest("1", 1_000_000, 0o644)
    assert await digest("1", 1_000_000, 0o755) != await digest("1", 1_000_000, 0o644)


async def test_named_contexts_and_secrets_reach_the_build_and_secrets_stay_out(
    builder: Builder, base: dict[str, Path], context: Context, tmp_path: Path
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "program").write_text("from the named context")
    (tmp_path / "secret").write_text("canary")
    directory = context(
        f"FROM {base_image.NAME}\nCOPY --from=tools program /\nARG WORD\n"
        "RUN --mount=type=secret,id=ca,target=/ca grep -q canary /ca && grep named /program && echo $WORD\n"
        "RUN test ! -s /ca\n"
    )
    lines: list[str] = []
    request = BuildRequest(
        directory,
        "localhost:1/x:c1",
        push=False,
        secrets={"ca": tmp_path / "secret"},
        contexts={**base, "tools": tmp_path / "tools"},
        arguments={"WORD": f"word-{tmp_path.name}"},
    )
    await builder.build(request, lines.append)
    assert any(line.endswith(f"word-{tmp_path.name}") for line in lines if line.startswith("#"))


async def test_a_failing_command_names_its_line_and_shows_its_output(
    builder: Builder, base: dict[str, Path], context: Context
) -> None:
    long = " \\\n".join(f"    && echo {number}" for number in range(25))
    directory = context(
        f"FROM {base_image.NAME}\n\nRUN true \\\n{long} \\\n    && echo the reason && exit 3\n"
    )
    with pytest.raises(BuildError) as caught:
        await builder.build(
            BuildRequest(directory, "localhost:1/x:c1", push=False, contexts=base), lambda _line: None
        )
    assert caught.value.where.endswith("context/Dockerfile:3")
    assert "the reason\n" in caught.value.why
    assert "exit code 3" in caught.value.why


async def test_a_registry_out_of_reach_is_not_the_dockerfiles_fault(
    builder: Builder, context: Context
) -> None:
    request = BuildRequest(context("FROM scratch\nCOPY a /\n", a="1"), "localhost:1/x:c1", push=True)
    with pytest.raises(OutOfReachError, match="registry"):
        await builder.build(request, lambda _line: None)


@pytest.fixture
async def full_registry(local: Local) -> AsyncIterator[str]:
    """The address of a registry with 1 MiB of room."""
    docker = await find_docker()
    assert docker
    image = await docker("inspect", "--format", "{{.Config.Image}}", local.instance.registry_container)
    address = f"localhost:{free_port()}"
    words = ["run", "--detach", "--rm", "--network=host", "--tmpfs=/var/lib/registry:size=1m"]
    container = await docker(*words, f"--env=REGISTRY_HTTP_ADDR={address}", image.strip())
    while await Registry().find_fault(address):
        await asyncio.sleep(0.2)
    yield address
    await docker("rm", "--force", container.strip())


async def test_a_registry_whose_disk_is_full_is_told(
    builder: Builder, context: Context, full_registry: str
) -> None:
    blob = random.Random(0).randbytes(2 << 20).hex()
    request = BuildRequest(context("FROM scratch\nCOPY a /\n", a=blob), f"{full_registry}/x:c1", push=True)
    with pytest.raises(OutOfReachError, match=r"cannot store it[\s\S]*disk is full"):
        await builder.build(request, lambda _line: None)


async def test_the_operators_docker_configuration_is_not_written(
    builder: Builder, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "docker" / "config.json"
    config.parent.mkdir()
    config.write_text('{"auths": {"registry.example.org": {"auth": "YTpi"}}}')
    before = (config.read_bytes(), config.stat().st_mtime_ns)
    monkeypatch.setenv("DOCKER_CONFIG", str(config.parent))
    request = BuildRequest(context("FROM scratch\nCOPY a /\n", a="1"), "localhost:1/x:c1", push=False)
    await builder.build(request, lambda _line: None)
    assert (config.read_bytes(), config.stat().st_mtime_ns) == before
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize("patterns", PATTERNS, ids=repr)
async def test_dockerignore_is_read_as_buildkit_reads_it(
    patterns: str, builder: Buildctl, tmp_path: Path
) -> None:
    directory, out = tmp_path / "context", tmp_path / "out"
    for name in FILES:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    (directory / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (directory / ".dockerignore").write_text(patterns)
    command = [str(builder.buildctl), f"--addr={builder.address}", "build", "--frontend=dockerfile.v0"]
    command += [f"--local=context={directory}", f"--local=dockerfile={directory}"]
    await process.run([*command, f"--output=type=local,dest={out}"])
    rules = parse_rules(patterns, ".dockerignore")
    expected = {name for name in FILES if not is_ignored(name, rules)}
    assert {name for name in FILES if (out / name).is_file()} == expected
