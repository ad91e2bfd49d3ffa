"""Several builders of one tag at once, killed at random: what a deploy recorded is what it runs, and stays there."""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.registry_server import serve_registry
from hubops.answer import Present
from hubops.clients.buildctl import Buildctl
from hubops.clients.registry import Registry
from hubops.desired.model import ImageReference
from hubops.local.up import Local

SCRIPT = Path(__file__).with_name("racing_builder.py")


@pytest.fixture(scope="module")
async def address(local: Local, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with serve_registry(local.instance, tmp_path_factory.mktemp("registry")) as address:
        yield address


@dataclass
class Race:
    """Builders of one image, whose content `name` decides, each with a directory of its own."""

    directory: Path
    name: str
    builder: Buildctl
    registry: str

    def prepare(self) -> None:
        image, chart = self.directory / "user-images" / "earth", self.directory / "hub-charts" / "course"
        for directory in (image, chart):
            directory.mkdir(parents=True)
        (image / "Dockerfile").write_text(f"FROM scratch\nLABEL race={self.name}\nCOPY --from=own a /\n")
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: course\nversion: 0.1.0\n")

    async def start(self, number: int) -> asyncio.subprocess.Process:
        own = self.directory / str(number)
        (own / "content").mkdir(parents=True)
        (own / "content" / "a").write_bytes(f"{self.name} {number}".encode() * 1000)
        words = [self.builder.buildctl, self.builder.address, self.registry, self.directory, own]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return await asyncio.create_subprocess_exec(sys.executable, SCRIPT, *map(str, words), env=env)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted(self.directory.glob("*/record"))]


async def run_race(race: Race, chance: random.Random, usual_s: float) -> int:
    """2 to 4 builders begin within a second; most are killed before they are through. How many were."""
    race.prepare()
    killed = 0

    async def one(number: int) -> None:
        nonlocal killed
        await asyncio.sleep(chance.random())
        process = await race.start(number)
        try:
            # The first is killed in any case: a race that nobody loses shows nothing.
            dies = number == 0 or chance.random() < 2 / 3
            life_s = chance.uniform(0, usual_s / 2 if number == 0 else 1.5 * usual_s) if dies else 120
            await asyncio.wait_for(process.wait(), life_s)
            assert process.returncode == 0
        except TimeoutError:
            process.kill()
            await process.wait()
            killed += 1

    async with asyncio.TaskGroup() as group:
        for number in range(chance.randint(2, 4)):
            group.create_task(one(number))
    return killed


async def time_alone(race: Race) -> float:
    """Seconds that a builder takes here without rivals, so that lives end in the midst of its work."""
    race.prepare()
    began = time.monotonic()
    assert await (await race.start(0)).wait() == 0
    return time.monotonic() - began


async def require_pullable(image: ImageReference) -> None:
    """Its manifest and every blob of it, as who pulls asks for them."""
    manifest = await Registry().read_manifest(image.repository, image.digest)
    assert isinstance(manifest, Present), image
    host, _, name = image.repository.partition("/")
    async with httpx2.AsyncClient() as client:
        for blob in (manifest.value["config"], *manifest.value["layers"]):
            answer = await client.get(f"http://{host}/v2/{name}/blobs/{blob['digest']}")
            assert answer.status_code == 200
            assert len(answer.content) == blob["size"]


@pytest.mark.parametrize("races", [2, pytest.param(100, marks=pytest.mark.long)])
async def test_races_of_builders_that_are_killed(
    races: int, builder: Buildctl, address: str, tmp_path: Path
) -> None:
    chance = random.Random(races)
    recorded: set[str] = set()
    killed = several = 0
    usual_s = await time_alone(Race(tmp_path / "alone", f"{tmp_path.name}-alone", builder, address))
    for number in range(races):
        race = Race(tmp_path / str(number), f"{tmp_path.name}-{number}", builder, address)
        killed += await run_race(race, chance, usual_s)
        # Whatever the killed ones left, who comes after them goes on.
        assert await (await race.start(9)).wait() == 0
        records = race.records()
        for record in records:
            image = ImageReference.parse(record["recorded"])
            assert image.digest
            assert record["given"] == {"name": image.repository, "tag": f"{image.tag}@{image.digest}"}
        found: set[str] = {record[key] for record in records for key in ("built", "recorded")}
        several += len(found) > 1
        recorded |= found
    # Also those whose tag went to another: nothing that was recorded is lost.
    for text in recorded:
        await require_pullable(ImageReference.parse(text))
    print(f"{races} races: {killed} builders killed, {len(recorded)} digests, {several} tags that moved")  # noqa: T201
    assert killed >= races
