"""A hub with people at work, moved from the upstream chart to ours and back, and to upstream's next: nothing is lost."""

import tarfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from cluster.conftest import Cluster, Fleet
from cluster.own_hub import Browser, Door, Operator, own_hub
from cluster.test_deploy import UPSTREAM_VALUES
from hubops.clients import process
from hubops.clients.hub import open_hub
from hubops.secret import Secret

pytestmark = pytest.mark.long
HUB = "movedhub"
VALUES = yaml.safe_load(UPSTREAM_VALUES)["jupyterhub"]


@pytest.fixture(scope="module")
async def operator(
    fleet: Fleet, cluster: Cluster, upstream_chart: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    directory = tmp_path_factory.mktemp("move")
    async with own_hub(fleet, cluster, directory, HUB, ("ada", "ben", "student")) as operator:
        for archive in sorted(upstream_chart.parent.glob("jupyterhub-*.tgz")):
            with tarfile.open(archive) as packed:
                packed.extractall(operator.root / "upstream" / archive.stem)  # noqa: S202 - the upstream chart
        yield operator


async def depend(operator: Operator, directory: Path) -> None:
    """The two lines of Chart.yaml, and its lock."""
    file = operator.root / "hub-charts" / operator.hub / "Chart.yaml"
    chart = yaml.safe_load(file.read_text())
    version = yaml.safe_load((directory / "Chart.yaml").read_text())["version"]
    repository = f"file://../../{directory.relative_to(operator.root)}"
    chart["dependencies"] = [{"name": "jupyterhub", "version": version, "repository": repository}]
    file.write_text(yaml.safe_dump(chart))
    await process.run([operator.cluster.helm, "dependency", "update", file.parent])


async def require_all_there(operator: Operator, ada: Browser, kernel: str, before: dict[str, str]) -> None:
    """Her session, token, home, server and what her kernel knows; hub and proxy restarted (docs/chart.md says so)."""
    assert (await ada.http.get("hub/home")).is_success, "still logged in"
    async with open_hub(operator.access.url, ada.token) as hub:
        person = await hub.find_person("ada")
        assert person
        assert person.servers[""].ready, "the token is known, and the server"
    assert await ada.run(kernel, "print(kept)") == "41\n"
    assert await operator.inside("jupyter-ada", "cat ~/paper") == "results\n"
    after = await operator.pods()
    common = after.keys() & before.keys()
    restarted = {part for part in common if after[part] != before[part]}
    assert "singleuser-server" in common
    assert restarted == {"hub", "proxy"}


async def homes(operator: Operator) -> str:
    fields = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.spec.volumeName}{'\\n'}{end}"
    return await operator.kube("get", "persistentvolumeclaims", "-o", fields)


async def test_people_notice_nothing_of_another_chart(operator: Operator) -> None:
    theirs, *_, next_version = sorted((operator.root / "upstream").glob("*/jupyterhub"))
    ours = operator.root / "charts" / "jupyterhub"
    await depend(operator, theirs)
    await operator.deploy(VALUES)
    async with AsyncExitStack() as stack:
        ada = await Door(operator, stack).let_in("ada")
        await Door(operator, stack).let_in("ben")
        await ada.start()
        await operator.inside("jupyter-ada", "echo results > ~/paper")
        kernel = await ada.make_kernel()
        await ada.run(kernel, "kept = 41")
        claims = await homes(operator)
        for chart in (ours, theirs, next_version):
            before = await operator.pods()
            await depend(operator, chart)
            await operator.deploy(VALUES)
            print(f"FIGURE: to {chart.relative_to(operator.root)}")  # noqa: T201
            await require_all_there(operator, ada, kernel, before)
            assert await homes(operator) == claims
    async with open_hub(operator.access.url, Secret(operator.access.token)) as hub:
        assert {"ada", "ben"} <= {person.name for person in await hub.list_people()}
