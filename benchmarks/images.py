"""What building a graph of 40 images costs, beside chartpress and a loop of `docker build` over the same Dockerfiles.

Needs the local cluster's registry, BuildKit and Docker. Writes images.md beside this file.
"""
# ruff: noqa: E402 - what is imported lies in the project's environment, which the first lines change to

import importlib.util
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("hubops") is None:
    sys.path.insert(0, str(PROJECT / "toolchain"))
    import bootstrap

    os.chdir(PROJECT)
    bootstrap.run("benchmarks.images", sys.argv[1:])

import argparse
import asyncio
import contextlib
import json
import re
import tempfile
import venv
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from uuid import uuid4

import yaml
from benchmarks.deploy import describe_machine

from hubops.cli.machine import load_workshop
from hubops.clients import process
from hubops.desired.model import Fleet
from hubops.desired.repository import load_fleet
from hubops.execute.build import Bench, Workshop
from hubops.execute.room import Room
from hubops.local import base_image
from hubops.local.docker import Docker, require_docker
from hubops.local.instance import local_instance
from hubops.run import MadeImage, make_images

IMAGES, ROOTS = 40, 8
LEAF = 17
# What must hold: see README.md for why the times of images alone decide.
UNCHANGED_LIMIT_S, RATIO_LIMIT = 2, 1.15
CHARTPRESS = "chartpress==2.3.0"
NOTHING = "already in the registry"
CHART = {"apiVersion": "v2", "name": "bench", "version": "0.1.0"}


def name_of(number: int) -> str:
    return f"bench-i{number:02}"


def sleep_s(number: int) -> float:
    """How long an image's one step takes, without work for the machine: as an installation waits for a server."""
    return 0.5 + number * 7 % 10 / 10


def write_repository(root: Path, base: str) -> None:
    """Eight towers of five images on one base; some copy from one of another tower too."""
    unique = uuid4().hex[:8]
    (root / "user-images").mkdir()
    (root / "hubops.yaml").write_text(f"image-name: hubops-bench/{unique}-{{name}}\n")
    for number in range(IMAGES):
        directory = root / "user-images" / name_of(number)
        directory.mkdir()
        below = name_of(number - ROOTS) if number >= ROOTS else base
        lines = [f"FROM {below}", f"RUN sleep {sleep_s(number):.1f}; : {unique}", f"COPY file /{number}"]
        if number >= 2 * ROOTS and number % 5 == 0:
            lines.append(f"COPY --from={name_of(number - ROOTS - 1)} /{number - ROOTS - 1} /other-{number}")
        (directory / "Dockerfile").write_text("\n".join([*lines, ""]))
        (directory / "file").write_text(f"{number}\n")
    write_chart(root)


def write_chart(root: Path) -> None:
    """What chartpress wants: a chart whose images they are, in the order in which they can be built."""
    images = {
        name_of(number): {
            "contextPath": f"user-images/{name_of(number)}",
            "extraBuildCommandOptions": ["--network=none"],
        }
        for number in range(IMAGES)
    }
    (root / "bench").mkdir()
    (root / "bench" / "Chart.yaml").write_text(yaml.safe_dump(CHART))
    (root / "bench" / "values.yaml").write_text("{}\n")
    told = {"charts": [{"name": "bench", "imagePrefix": "", "images": images}]}
    (root / "chartpress.yaml").write_text(yaml.safe_dump(told, sort_keys=False))


async def push_base(docker: Docker, registry: str) -> str:
    """The base image as any Docker can pull it."""
    layout = await base_image.find_base(print)
    if layout is None:
        return base_image.NAME
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    layer = json.loads((layout / "blobs/sha256" / manifest.partition(":")[2]).read_text())["layers"][0]
    name = f"{registry}/hubops-bench/base:1"
    await docker("import", str(layout / "blobs/sha256" / layer["digest"].partition(":")[2]), name)
    await docker("push", "--quiet", name)
    return name


def bounded(workshop: Workshop, at_once: int) -> Workshop:
    """With room for so many at once, on whatever machine."""

    async def bench() -> Bench:
        return replace(await workshop.bench(), room=lambda: Room(at_once, 64 << 30, 64 << 30, "/"))

    return replace(workshop, bench=bench)


async def build(fleet: Fleet, registry: str, at_once: int) -> tuple[float, dict[str, MadeImage]]:
    workshop = bounded(load_workshop(lambda _: None), at_once)
    await workshop.bench()
    began = monotonic()
    made = await make_images(fleet, fleet.images, registry, workshop, lambda _: None, push=True)
    took_s = monotonic() - began
    for each in made.values():
        if each.error:
            raise each.error
    return took_s, made


def times_of(made: Mapping[str, MadeImage]) -> dict[str, float]:
    return {name: each.took_s for name, each in made.items()}


async def alone_s(directory: Path, base: str, registry: str) -> dict[str, float]:
    """How long each image takes when it is the only one: of a repository like the other, none of whose steps is known."""
    directory.mkdir()
    write_repository(directory, base)
    return times_of((await build(load_fleet(directory), registry, 1))[1])


def shortest_s(fleet: Fleet, took_s: Mapping[str, float], at_once: int) -> float:
    """No order is faster: the longest chain, or all that there is to do shared out evenly."""

    def chain_s(name: str) -> float:
        return took_s[name] + max((chain_s(own) for own in fleet.images[name].own), default=0)

    return max(*(chain_s(name) for name in took_s), sum(took_s.values()) / at_once)


def dependants(fleet: Fleet, name: str) -> set[str]:
    above = {other for other, image in fleet.images.items() if name in image.own}
    return {name}.union(*(dependants(fleet, other) for other in above))


@asynccontextmanager
async def counted(registry: str, requests: list[str]) -> AsyncIterator[str]:
    """The address of a proxy in front of the registry that keeps the first line of each request."""
    host, _, port = registry.partition(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                requests.extend(
                    re.findall(r"^([A-Z]+ /\S*) HTTP/1", data.decode("latin-1"), re.MULTILINE) if keep else []
                )
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, to_writer, keep=True), pump(to_reader, writer, keep=False))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"


async def docker_loop(docker: Docker, root: Path, registry: str) -> float:
    began = monotonic()
    for number in range(IMAGES):
        name, directory = name_of(number), root / "user-images" / name_of(number)
        await docker("build", "--quiet", "--network=none", "--tag", name, str(directory))
        await docker("tag", name, f"{registry}/hubops-bench/docker-{name}:1")
        await docker("push", "--quiet", f"{registry}/hubops-bench/docker-{name}:1")
    return monotonic() - began


async def run_chartpress(docker: Docker, root: Path) -> float:
    """In an environment of its own; it builds and does not push."""
    home = root.parent / "chartpress"
    venv.create(home, with_pip=True)
    await process.run([home / "bin/pip", "install", "--quiet", CHARTPRESS])
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        person = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
        await process.run(["git", "-C", root, *person, *words])
    env = {**os.environ, **docker.env}
    began = monotonic()
    words = ["--force-build", "--builder=docker-build", "--tag=latest"]
    await process.run([home / "bin/chartpress", *words], cwd=root, env=env)
    return monotonic() - began


async def forget(docker: Docker) -> None:
    with contextlib.suppress(Exception):
        await docker("rmi", "--force", *(name_of(number) for number in range(IMAGES)))


def require_fast(unchanged_s: float, ratio: float) -> None:
    """End with an error, after all was written, where a figure is not what it must be."""
    if unchanged_s > UNCHANGED_LIMIT_S:
        raise SystemExit(f"{IMAGES} unchanged images took {unchanged_s:.2f} s, more than {UNCHANGED_LIMIT_S}")
    if ratio > RATIO_LIMIT:
        raise SystemExit(
            f"the graph took {ratio:.2f} times what no order could save, more than {RATIO_LIMIT}"
        )


async def benchmark(at_once: int) -> None:
    os.environ["DOCKER_BUILDKIT"] = "0"  # the builder that every Docker has
    about, registry = describe_machine(), local_instance().registry
    docker = await require_docker(lambda _: None)
    base = await push_base(docker, registry)
    with tempfile.TemporaryDirectory(prefix="hubops-bench-") as directory:
        root = Path(directory) / "repository"
        root.mkdir()
        write_repository(root, base)
        fleet = load_fleet(root)
        all_s, made = await build(fleet, registry, at_once)
        alone = await alone_s(Path(directory) / "alone", base, registry)
        requests: list[str] = []
        async with counted(registry, requests) as address:
            unchanged_s, again = await build(fleet, address, at_once)
        assert {each.note for each in again.values()} == {NOTHING}  # noqa: S101 - else the figures are of another thing
        assert len(requests) == IMAGES, requests  # noqa: S101
        assert all(request.startswith("HEAD ") for request in requests)  # noqa: S101
        (root / "user-images" / name_of(LEAF) / "file").write_text("another\n")
        one_s, once = await build(load_fleet(root), registry, at_once)
        built = {name for name, each in once.items() if each.note != NOTHING}
        assert built == dependants(fleet, name_of(LEAF))  # noqa: S101
        loop_s = await docker_loop(docker, root, registry)
        await forget(docker)
        chartpress_s = await run_chartpress(docker, root)
        await forget(docker)
    ideal_s = shortest_s(fleet, alone, at_once)
    same_s = shortest_s(fleet, times_of(made), at_once)
    sleeps_s = shortest_s(fleet, {name_of(number): sleep_s(number) for number in range(IMAGES)}, at_once)
    rows = [
        (f"hubops, {at_once} at once, built and pushed", f"{all_s:.1f} s"),
        ("… of that no order could save", f"{ideal_s:.1f} s; {all_s / ideal_s:.2f} times that was taken"),
        ("… the same by their times in that run", f"{same_s:.1f} s; {all_s / same_s:.2f} times"),
        ("… of which the steps only sleep", f"{sleeps_s:.1f} s"),
        ("`docker build` and `docker push`, one after the other", f"{loop_s:.1f} s"),
        (f"{CHARTPRESS.replace('==', ' ')}, built, not pushed", f"{chartpress_s:.1f} s"),
        (f"hubops, {IMAGES} unchanged", f"{unchanged_s:.2f} s, {len(requests)} requests, all HEAD"),
        (f"hubops, one file of {name_of(LEAF)} changed", f"{one_s:.1f} s, {len(built)} images built"),
    ]
    text = "\n".join(
        ["# Images", "", about, "", "| figure | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows), ""]
    )
    (PROJECT / "benchmarks" / "images.md").write_text(text)
    print(text)
    require_fast(unchanged_s, all_s / ideal_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--at-once", type=int, default=min(4, cores), help="[default: the cores, at most 4]")
    asyncio.run(benchmark(parser.parse_args().at_once))


if __name__ == "__main__":
    main()
