"""One of several builders of the same tag, as a process that may be killed at any moment.

Builds, pushes, and takes for a deploy what the registry has then; written down is what would be recorded, and what
helm would be given.
"""

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hubops.clients.buildctl import Buildctl
from hubops.clients.registry import Registry
from hubops.desired.model import Cluster, Fleet, Hub, Image
from hubops.desired.values import render_values
from hubops.execute.build import Bench, Workshop
from hubops.execute.bundle import make_bundle
from hubops.execute.room import Room
from hubops.run.images import build_images, find_images

PLENTY = Room(2, 8 << 30, 50 << 30, "/")


async def main(buildctl: str, address: str, registry: str, root: Path, own: Path) -> None:
    image = Image("earth", root / "user-images" / "earth", tools=("own",))
    fleet = Fleet(root, registry, "hubops/{name}", {}, {"earth": image})
    hub = Hub(
        "course", root / "hub-charts" / "course", "staging", Cluster("local", local=True), "earth", "course",
        "course", "/course/", "", {},
    )  # fmt: skip
    client = Registry()

    async def bench() -> Bench:
        # No two builds give the same layers, as with packages that are fetched at other times.
        return Bench(Buildctl(Path(buildctl), address), lambda: PLENTY, tools={"own": find_own})

    async def find_own() -> Path:
        return own / "content"

    workshop = Workshop(client, bench, own / "logs")
    built = (await build_images(fleet, ["earth"], registry, workshop, lambda _: None, push=True))["earth"]
    machine: Any = SimpleNamespace(registry=registry, workshop=workshop)
    images = await find_images(fleet, ["earth"], machine)
    content = make_bundle(root, hub, render_values(hub, images), images, own / "bundle").content
    found = {
        "built": str(built),
        "recorded": content.images["earth"],
        "given": content.values["singleuser"]["image"],
    }
    (own / "part").write_text(json.dumps(found))
    (own / "part").rename(own / "record")


if __name__ == "__main__":
    _, buildctl, address, registry, root, own = sys.argv
    asyncio.run(main(buildctl, address, registry, Path(root), Path(own)))
