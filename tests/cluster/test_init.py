"""What `hubops init` writes is a repository whose hub people use: the way of whoever begins."""

from pathlib import Path

import pytest

from cluster.commands import forgotten, run_hubops
from cluster.conftest import PROJECT, Cluster, Fleet
from cluster.forge import git

# By another name than that of the example fleet, which runs on the tests' cluster.
HUB = "firsthub"


@pytest.mark.long
async def test_the_first_hub_of_a_new_repository_is_deployed_and_proved(
    fleet: Fleet, cluster: Cluster, tmp_path: Path
) -> None:
    assert fleet.hubs
    root = tmp_path / "my hubs"
    assert (await run_hubops(PROJECT, "init", str(root))).code == 0
    hub = root / "hub-charts" / HUB
    (root / "hub-charts/staginghub").rename(hub)
    (hub / "Chart.yaml").write_text((hub / "Chart.yaml").read_text().replace("staginghub", HUB))
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Hubs")
    assert (await run_hubops(root, "check")).code == 0
    async with forgotten(cluster, HUB):
        ended = await run_hubops(root, "deploy", HUB)
        assert ended.code == 0
        assert "ran 4 cells" in ended.text
