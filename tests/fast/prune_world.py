"""A fleet in git, its clusters and its registry, as far as pruning asks them: over real HTTP, and in a real clone."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fast.deploys import P, record
from fast.memory_api import MemoryApi
from fast.test_git import git
from fleets import put, write_fleet
from hourglass import Hourglass
from hubops.answer import Present
from hubops.clients.registry import Registry
from hubops.desired.images import reference
from hubops.desired.model import Cluster
from hubops.desired.repository import load_fleet
from hubops.plan.prune_model import Pruning
from hubops.run.prune import Scope, look_at_images, prune_images
from hubops.secret import Redactor
from hubops.state.image_model import MARKS
from hubops.state.model import HUB_LABEL, RECORDS

OLD = ["c" + f"{number:020x}" for number in range(9)]


class World:
    """A clone with its remote, two clusters, a registry, and a clock; `meanwhile` happens between two looks."""

    def __init__(self, root: Path, registry: Any) -> None:
        self.root = root
        self.clusters = {"campus": MemoryApi(), "cloud": MemoryApi()}
        self.kubes: dict[str, Any] = {}
        self.registry = registry
        self.now = datetime(2026, 3, 10, tzinfo=UTC)
        self.meanwhile: Callable[[], object] = lambda: None
        self.emit = lambda _: None
        self.redactor = Redactor()

    async def machine(self, cluster: Cluster) -> Any:
        return SimpleNamespace(cluster=cluster)

    @asynccontextmanager
    async def session(self, machine: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(machine=machine, kube=self.kubes[machine.cluster.name], emit=self.emit)

    @asynccontextmanager
    async def hold_and_write(self, session: Any, name: str) -> AsyncIterator[Any]:
        assert name == "images.prune"
        self.meanwhile()
        yield SimpleNamespace(kube=session.kube, lease=SimpleNamespace(require_held=lambda: None))

    def tag(self, image: str = "shared") -> str:
        """The tag of the files as they are."""
        return reference(load_fleet(self.root), self.registry.host, image).tag

    async def prune(self, *, delete: bool = True) -> Pruning:
        registry = Registry(None, 5, Hourglass().patience)
        scope = Scope(self.registry.host, registry, local=False, clock=lambda: self.now)
        act: Any = prune_images if delete else look_at_images
        found: Pruning = await act(load_fleet(self.root), scope, self)
        return found

    async def prune_ripe(self) -> Pruning:
        """As if nobody had needed any of the images for a month."""
        found = await Registry().read_tags(f"{self.registry.host}/hubs/shared")
        digests = found.value.values() if isinstance(found, Present) else ()
        since = (self.now - timedelta(days=30)).isoformat()
        marks = {f"{self.registry.host}/hubs/shared@{digest}": since for digest in digests}
        self.clusters["campus"].objects[MARKS] = {"data": {"marks": json.dumps(marks)}}
        return await self.prune()

    def tags(self) -> set[str]:
        return {tag for tags in self.registry.tags.values() for tag in tags}

    def writes(self) -> list[str]:
        return [write for api in self.clusters.values() for write in api.writes]


@asynccontextmanager
async def open_world(directory: Path, registry: Any) -> AsyncIterator[World]:
    """With a fleet of three hubs, whose images are in the registry."""
    root = directory / "clone"
    root.mkdir()
    write_fleet(root, 3)
    world = World(root, registry)
    async with AsyncExitStack() as stack:
        for name, api in world.clusters.items():
            world.kubes[name] = await stack.enter_async_context(api.open())
        settings = (root / "hubops.yaml").read_text()
        put(root, "hubops.yaml", settings.replace("registry.example.org", registry.host))
        git(directory, "init", "-q", "--bare", "-b", "main", "origin.git")
        git(root, "init", "-q", "-b", "main")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "The fleet")
        git(root, "remote", "add", "origin", "../origin.git")
        git(root, "push", "-qu", "origin", "main")
        registry.push("hubs/shared", world.tag())
        registry.push("hubs/hub", world.tag("hub"))
        yield world


def pod(api: MemoryApi, name: str, image: str, **status: Any) -> None:
    api.objects[f"/api/v1/pods/{name}"] = {
        "metadata": {"namespace": "course", "name": name},
        "spec": {"containers": [{"image": image}]},
        "status": status,
    }


def written(api: MemoryApi, image: str, hub: str = "course", number: int = 1, **changes: Any) -> None:
    """A record of a deploy, as execute/records.py writes it."""
    about = record(number, P, hub=hub, **changes)
    about = replace(about, content=replace(about.content, images={"gone": image}))
    document = {**asdict(about), "ending": about.ending.value}
    api.objects[f"{RECORDS}/{about.name}"] = {
        "metadata": {"name": about.name, "labels": {HUB_LABEL: hub}},
        "data": {"record": base64.b64encode(json.dumps(document).encode()).decode()},
    }
