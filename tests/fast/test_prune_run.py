"""Looking at everything that may need an image, and stopping where something cannot be asked."""

import base64
import json
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fast.memory_api import MemoryApi
from fast.memory_registry import MemoryRegistry
from fast.prune_world import OLD, World, open_world, pod, written
from fast.test_git import git
from fleets import put
from hubops.clients.artifacts import attached_tag
from hubops.desired.repository import load_fleet
from hubops.errors import HubopsError
from hubops.state.image_model import MARKS
from hubops.state.model import RECORDS


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    (tmp_path / "settings").touch()
    registry = MemoryRegistry()
    async with registry.open(), open_world(tmp_path, registry) as world:
        monkeypatch.setattr("hubops.run.prune.hold_and_write", world.hold_and_write)
        yield world


async def test_what_nobody_needs_goes_after_its_time_and_not_before(world: World) -> None:
    world.registry.push("hubs/shared", OLD[0])
    for _ in range(2):  # looking begins nothing
        found = await world.prune(delete=False)
        assert ([each.tags for each in found.wait], found.delete) == ([(OLD[0],)], [])
        world.now += timedelta(hours=25)
    assert world.writes() == []
    assert (await world.prune()).delete == []
    world.now += timedelta(hours=23)
    assert (await world.prune()).delete == []
    world.now += timedelta(hours=1)
    assert OLD[0] in world.tags()
    assert [each.tags for each in (await world.prune()).delete] == [(OLD[0],)]
    assert world.tags() == {world.tag(), world.tag("hub")}
    assert json.loads(world.clusters["campus"].objects[MARKS]["data"]["marks"]) == {}
    assert world.clusters["cloud"].writes == []


async def test_everybody_who_needs_an_image_keeps_it(world: World) -> None:
    registry, host = world.registry, world.registry.host
    kept = {name: registry.push("hubs/shared", OLD[number]) for number, name in enumerate(["pod", "pulled", "cron", "record", "live", "written", "spare"])}  # fmt: skip
    registry.push("hubs/shared", "exam-2026", "somebody's")
    gone = registry.push("hubs/gone", OLD[7])
    campus, cloud = world.clusters.values()
    pod(campus, "a", f"{host}/hubs/shared:{OLD[0]}")
    pod(cloud, "b", "mirror/x:1", containerStatuses=[{"imageID": f"mirror/x@{kept['pulled']}"}])
    template = {"spec": {"initContainers": [{"image": f"{host}/hubs/shared@{kept['cron']}"}]}}
    campus.objects["/apis/batch/v1/cronjobs/c"] = {
        "metadata": {"namespace": "x", "name": "c"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    }
    written(cloud, f"{host}/hubs/shared:{OLD[3]}@{kept['record']}")
    written(cloud, f"{host}/hubs/gone:{OLD[7]}@{gone}", hub="long-gone")
    script = f"c.KubeSpawner.image = '{host}/hubs/shared:{OLD[4]}'"
    live = base64.b64encode(json.dumps({"hub": {"extraConfig": {"a": script}}}).encode()).decode()
    hub = next(h for h in load_fleet(world.root).hubs.values() if h.cluster.name in world.clusters)
    world.clusters[hub.cluster.name].objects[f"/api/v1/namespaces/{hub.namespace}/secrets/hub"] = {"data": {"values.yaml": live}}  # fmt: skip
    git(world.root, "switch", "-qc", "branch")
    put(world.root, "user-images/shared/Dockerfile", "FROM scratch\nLABEL a=branch\n")
    git(world.root, "commit", "-qam", "branch")
    branch = world.tag()
    registry.push("hubs/shared", branch)
    git(world.root, "switch", "-q", "main")
    image = {"image": {"name": f"{host}/hubs/shared", "tag": OLD[5]}}
    put(
        world.root,
        "values/clusters/cloud.yaml",
        json.dumps({"jupyterhub": {"singleuser": {"networkTools": image}}}),
    )
    found = await world.prune_ripe()
    assert [each.tags for each in found.delete] == [(OLD[6],)]
    assert world.tags() == {*OLD[:6], OLD[7], "exam-2026", branch, world.tag(), world.tag("hub")}


async def test_the_list_of_what_is_in_an_image_goes_after_it(world: World) -> None:
    current = world.registry.tags["hubs/shared"][world.tag()]
    lists = [attached_tag(digest, "sbom") for digest in (current, world.registry.push("hubs/shared", OLD[0]))]
    for tag in lists:
        world.registry.push("hubs/shared", tag, tag)
    assert [each.tags for each in (await world.prune_ripe()).delete] == [(OLD[0],)]
    assert [each.tags for each in (await world.prune_ripe()).delete] == [(lists[1],)]
    assert world.tags() == {lists[0], world.tag(), world.tag("hub")}


@pytest.mark.long
async def test_every_branch_keeps_what_it_builds(world: World) -> None:
    tags = [world.tag()]
    for branch in ("mine", "theirs", "old"):
        git(world.root, "switch", "-qc", branch)
        put(world.root, "user-images/shared/Dockerfile", f"FROM scratch\nLABEL a={branch}\n")
        git(world.root, "commit", "-qam", branch)
        tags.append(world.tag())
        world.registry.push("hubs/shared", tags[-1])
        git(world.root, "switch", "-q", "main")
    git(world.root, "push", "-q", "origin", "theirs", "old")
    git(world.root, "branch", "-qD", "theirs", "old")
    # A web site, and a branch whose image has no files on any other.
    git(world.root, "switch", "-q", "--orphan", "pages")
    put(world.root, "index.html", "x")
    git(world.root, "add", "-A")
    git(world.root, "commit", "-qm", "pages")
    git(world.root, "switch", "-q", "main")
    found = await world.prune_ripe()
    assert found.delete == []
    assert world.tags() == {*tags, world.tag("hub")}
    git(world.root, "push", "-q", "origin", ":old")
    git(world.root, "fetch", "-q", "--prune")
    assert [each.tags for each in (await world.prune_ripe()).delete] == [(tags[3],)]
    put(world.root, "user-images/shared/Dockerfile", "FROM scratch\nLABEL a=not-committed\n")
    world.registry.push("hubs/shared", world.tag())
    assert (await world.prune_ripe()).delete == []


@pytest.mark.long
async def test_what_happens_between_two_looks_counts(world: World) -> None:
    digest = world.registry.push("hubs/shared", OLD[0])
    world.registry.push("hubs/shared", OLD[1])
    world.registry.push("hubs/shared", OLD[2])
    await world.prune()
    world.now += timedelta(hours=25)

    def meanwhile() -> None:
        pod(world.clusters["cloud"], "late", f"{world.registry.host}/hubs/shared:{OLD[1]}")
        world.registry.tags["hubs/shared"]["exam"] = digest
        world.registry.push("hubs/shared", OLD[2], "pushed anew")

    world.meanwhile = meanwhile
    assert (await world.prune()).delete == []
    assert {*OLD[:3], "exam"} <= world.tags()


@pytest.mark.long
async def test_an_index_goes_with_what_is_in_it_alone(world: World) -> None:
    a, b, c = (world.registry.push("hubs/shared", "", text) for text in "abc")
    # Its tag went to another since it was recorded.
    recorded = world.registry.push("hubs/shared", "", "recorded", parts=(b,))
    index = world.registry.push("hubs/shared", OLD[0], parts=(a, b, c))
    other = world.registry.push("hubs/shared", OLD[1], parts=(c,))
    written(world.clusters["cloud"], f"{world.registry.host}/hubs/shared:{OLD[0]}@{recorded}")
    await world.prune_ripe()
    assert world.registry.deleted == [index, *sorted([a, c]), other]
    assert {b, recorded} <= world.registry.manifests["hubs/shared"].keys()


def status(part: str, code: int) -> Callable[[str, str], int]:
    return lambda _method, path: code if part in path else 0


async def refuses(world: World, match: str) -> None:
    """Whatever is spare stays, and nothing is written."""
    with pytest.raises(HubopsError, match=match):
        await world.prune()
    assert world.registry.deleted == []


@pytest.fixture
async def ripe(world: World) -> World:
    """There is something that would be deleted now."""
    digest = world.registry.push("hubs/shared", OLD[0])
    marks = {f"{world.registry.host}/hubs/shared@{digest}": "2026-02-01T00:00:00+00:00"}
    world.clusters["campus"].objects[MARKS] = {"data": {"marks": json.dumps(marks)}}
    return world


@pytest.mark.long
@pytest.mark.parametrize("code", [403, 500])
async def test_a_cluster_that_cannot_be_asked_stops_it(code: int, ripe: World) -> None:
    for part in ("/v1/pods", "/deployments", "/cronjobs", RECORDS, "/secrets/hub", "/configmaps/cluster"):
        for api in ripe.clusters.values():
            api.fault = status(part, code)
            await refuses(ripe, "cluster|nobody can tell")
            api.fault = status("never", 0)
    assert (await ripe.prune()).delete


async def test_pods_that_cannot_be_listed_stop_it(ripe: World) -> None:
    ripe.clusters["cloud"].fault = status("/v1/pods", 500)
    await refuses(ripe, "the cluster cannot answer now")


@pytest.mark.long
async def test_marks_that_cannot_be_read_stop_it(ripe: World) -> None:
    ripe.clusters["campus"].fault = status(MARKS, 500)
    await refuses(ripe, "since when images are spare")
    ripe.clusters["campus"].fault = status("never", 0)
    ripe.clusters["campus"].objects[MARKS]["data"]["marks"] = "{"
    await refuses(ripe, "cannot be understood")


@pytest.mark.long
async def test_another_cluster_than_ours_stops_it(ripe: World) -> None:
    ripe.clusters["cloud"].objects["/api/v1/namespaces/hubops/configmaps/cluster"] = {
        "data": {"name": "other"}
    }
    await refuses(ripe, "not the cluster cloud")


async def test_a_registry_that_cannot_tell_stops_it(ripe: World) -> None:
    for part, code in (("/tags/list", 401), ("/manifests/", 429)):
        ripe.registry.fault = status(part, code)
        await refuses(ripe, "the registry cannot tell")


@pytest.mark.long
async def test_a_registry_that_deletes_nothing_is_told(ripe: World) -> None:
    ripe.registry.fault = lambda method, _: 405 if method == "DELETE" else 0
    await refuses(ripe, "deletes nothing")


@pytest.mark.long
async def test_a_deletion_that_fails_is_gone_on_with(ripe: World) -> None:
    ripe.registry.push("hubs/hub", OLD[1])
    await ripe.prune()
    ripe.now += timedelta(hours=25)
    ripe.registry.push("hubs/shared", OLD[2])
    ripe.registry.fault = lambda method, path: 500 if method == "DELETE" and "hubs/hub" in path else 0
    with pytest.raises(HubopsError, match="was deleted"):
        await ripe.prune()
    ripe.registry.fault = status("never", 0)
    await ripe.prune()
    assert OLD[1] not in ripe.tags()
    assert OLD[2] in ripe.tags()


async def test_a_branch_that_cannot_be_read_stops_it(ripe: World) -> None:
    git(ripe.root, "switch", "-qc", "broken")
    put(ripe.root, "hub-charts/hub-1/values.yaml", "a: [")
    git(ripe.root, "commit", "-qam", "broken")
    git(ripe.root, "switch", "-q", "main")
    await refuses(ripe, "the branch broken cannot be read")
    git(ripe.root, "branch", "-qD", "broken")
    assert (await ripe.prune()).delete


async def test_a_branch_that_only_the_remote_has_stops_it(ripe: World, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(tmp_path / "origin.git"), "other")
    git(tmp_path / "other", "switch", "-qc", "theirs")
    git(tmp_path / "other", "push", "-q", "origin", "theirs")
    await refuses(ripe, "does not have the branch origin/theirs")
    git(ripe.root, "fetch", "-q")
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "more")
    git(tmp_path / "other", "push", "-q", "origin", "theirs")
    await refuses(ripe, "does not have the branch origin/theirs")


@pytest.mark.long
async def test_a_remote_that_does_not_answer_stops_it(ripe: World, tmp_path: Path) -> None:
    (tmp_path / "origin.git").rename(tmp_path / "away.git")
    await refuses(ripe, "the git remote origin does not tell")


@pytest.mark.long
async def test_a_cluster_of_a_branch_is_asked_too(ripe: World) -> None:
    git(ripe.root, "switch", "-qc", "more")
    text = (ripe.root / "hubops.yaml").read_text()
    put(ripe.root, "hubops.yaml", text + "  another: {kubeconfig-context: another}\n")
    git(ripe.root, "commit", "-qam", "another cluster")
    git(ripe.root, "switch", "-q", "main")
    with pytest.raises(KeyError, match="another"):
        await ripe.prune()
    api = ripe.clusters["another"] = MemoryApi()
    async with api.open() as kube:
        ripe.kubes["another"] = kube
        pod(api, "a", f"{ripe.registry.host}/hubs/shared:{OLD[0]}")
        assert (await ripe.prune()).delete == []


@pytest.mark.long
async def test_without_git_or_a_cluster_nothing_is_decided(ripe: World) -> None:
    (ripe.root / ".git").rename(ripe.root / "git")
    await refuses(ripe, "git")
    (ripe.root / "git").rename(ripe.root / ".git")
    git(ripe.root, "switch", "-qc", "local")
    settings = (ripe.root / "hubops.yaml").read_text().partition("clusters:")[0]
    shutil.rmtree(ripe.root / "hub-charts")
    put(ripe.root, "hubops.yaml", settings)
    git(ripe.root, "commit", "-qam", "no cluster")
    git(ripe.root, "branch", "-qD", "main")
    git(ripe.root, "push", "-q", "origin", "local:main", "--force")
    await refuses(ripe, "no cluster pulls from")
