"""Rendering hubs by helm as a deploy would, but without a cluster, a network and secrets."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hubops.clients.helm import Helm
from hubops.desired.charts import LOCAL
from hubops.desired.manifests.api import load_api
from hubops.desired.manifests.given import values_for_helm
from hubops.desired.manifests.model import Rendering
from hubops.desired.rules.views import HubView
from hubops.errors import HubopsError
from hubops.events import Emit, step
from hubops.execute.bundle import is_fetched, lay_chart
from hubops.secret import Redactor

_IS_NOT_YAML = "YAML parse error"
Minors = Callable[[HubView], Sequence[int]]


async def render_hubs(
    views: Sequence[HubView], minors: Minors, program: Path, emit: Emit
) -> dict[str, list[Rendering]]:
    """What helm makes of each hub for the minor versions that are asked of it; as many at once as there are cores."""
    with tempfile.TemporaryDirectory(prefix="hubops-render-") as directory:
        kitchen = _Kitchen(Path(directory), program)
        with step(emit, f"render {len(views)} {'hub' if len(views) == 1 else 'hubs'}"):
            async with asyncio.TaskGroup() as tasks:
                found = [tasks.create_task(kitchen.render(view, minors(view))) for view in views]
    return {view.hub.name: each.result() for view, each in zip(views, found, strict=True)}


class _Kitchen:
    """A directory of this run. A chart that several hubs depend on is packed once."""

    def __init__(self, directory: Path, program: Path) -> None:
        self._directory = directory
        # An empty home, for nothing is fetched; and nobody wants to read that each of hundreds of hubs is rendered.
        self._helm = Helm(program, None, directory / "helm", lambda _event: None, Redactor())
        self._slots = asyncio.Semaphore(os.cpu_count() or 1)
        self._packed: dict[Path, asyncio.Task[Path]] = {}

    async def render(self, view: HubView, minors: Iterable[int]) -> list[Rendering]:
        async with self._slots:
            try:
                chart = await self._lay(view)
            except HubopsError as error:
                return [
                    Rendering(minor, failure=f"Error: {error.what}\n{error.why}".strip()) for minor in minors
                ]
            found = [await self._render(view, chart, minor) for minor in minors]
            shutil.rmtree(self._directory / "hubs" / view.hub.name)
            return found

    async def _render(self, view: HubView, chart: Path, minor: int) -> Rendering:
        hub, values, version = view.hub, values_for_helm(view), load_api(minor).release
        text, failure = await self._helm.render(
            hub.release, hub.namespace, chart, values, version, debug=False
        )
        if _IS_NOT_YAML in failure:
            text, _ = await self._helm.render(hub.release, hub.namespace, chart, values, version, debug=True)
        return Rendering(minor, text, failure)

    async def _lay(self, view: HubView) -> Path:
        """The hub's chart with the charts it depends on in it, as `helm dependency build` leaves it.

        That would ask the network for those that were fetched and lie there.
        """
        hub, charts = view.hub, Path("charts")
        wanted = hub.chart.value["dependencies"]
        chart = lay_chart(view.fleet.root, hub, self._directory / "hubs" / hub.name)
        fetched = {found.path.name for each in wanted if (found := view.charts.find(hub, each))}
        for path in (chart / charts).glob("*.tgz"):
            if path.name not in fetched and is_fetched(path, wanted):
                path.unlink()
        for each in wanted:
            if (repository := each.get("repository") or "").startswith(LOCAL):
                packed = await self._pack((hub.directory / repository.removeprefix(LOCAL)).resolve())
                (chart / charts).mkdir(exist_ok=True)
                shutil.copy(packed, chart / charts)
        return chart

    async def _pack(self, chart: Path) -> Path:
        if chart not in self._packed:
            target = self._directory / "packed" / str(len(self._packed))
            self._packed[chart] = asyncio.create_task(self._helm.package(chart, target))
        return await self._packed[chart]
