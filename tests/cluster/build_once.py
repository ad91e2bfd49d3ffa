"""Builds the images of a repository by the BuildKit at an address, to be killed: ADDRESS ROOT REGISTRY."""

import asyncio
import sys
from pathlib import Path

from cluster.conftest import show
from hubops.clients.buildctl import Buildctl
from hubops.clients.registry import Registry
from hubops.desired.repository import load_fleet
from hubops.execute.build import Bench, Workshop
from hubops.execute.room import Room
from hubops.local import base_image
from hubops.local.toolchain import require_tool
from hubops.run.images import build_images


async def main(address: str, root: Path, registry: str) -> None:
    async def bench() -> Bench:
        builder = Buildctl(await require_tool("buildctl", show), address)
        layout = await base_image.find_base(show)
        stand_ins = {base_image.NAME: layout} if layout else {}
        return Bench(builder, lambda: Room(2, 8 << 30, 50 << 30, "/"), stand_ins=stand_ins)

    fleet = load_fleet(root)
    workshop = Workshop(Registry(), bench, root / "logs")
    await build_images(fleet, fleet.images, registry, workshop, show, push=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
