"""Charts that hubs depend on and that lie in no clone, fetched into a copy of the repository."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from hubops.clients.helm import Helm
from hubops.desired.charts import Charts
from hubops.desired.model import Hub
from hubops.errors import ReleaseError, RepositoryError
from hubops.events import Emit, step


def find_missing(root: Path, hubs: Sequence[Hub]) -> list[Hub]:
    """Those with a dependency that is not on disk; what is damaged is there."""
    charts = Charts(root)
    return [hub for hub in hubs if any(_is_missing(charts, hub, each) for each in _dependencies(hub))]


async def fetch_charts(copy: Path, hubs: Sequence[Hub], helm: Helm, emit: Emit) -> list[str]:
    """Lay what the hubs depend on below `copy`, what several have in common once; says what cannot be had, and why."""
    fetched: dict[str, Path] = {}
    failed: dict[str, str] = {}
    with step(emit, f"charts of {len(hubs)} {'hub' if len(hubs) == 1 else 'hubs'}"):
        for hub in hubs:
            key = json.dumps([hub.chart.value["dependencies"], hub.lock.value], sort_keys=True, default=str)
            chart = copy / "hub-charts" / hub.name
            if key in fetched:
                shutil.copytree(fetched[key] / "charts", chart / "charts", dirs_exist_ok=True)
            elif key not in failed:
                try:
                    await helm.dependency_build(chart)
                    fetched[key] = chart
                except ReleaseError as error:
                    failed[key] = error.what
    return list(failed.values())


def _dependencies(hub: Hub) -> list[dict[str, object]]:
    return list(hub.chart.value.get("dependencies") or ())


def _is_missing(charts: Charts, hub: Hub, dependency: dict[str, object]) -> bool:
    try:
        return charts.find(hub, dependency) is None
    except RepositoryError:
        return False
