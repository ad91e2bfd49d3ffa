"""A hub that is disabled and enabled on a real cluster: nothing of it runs, its page says why, and its data is as it was."""

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2

from cluster.conftest import NAME, Cluster, Fleet
from cluster.forge import make_origin
from cluster.test_deploy import volumes
from cluster.test_people import make_token, start_server, xsrf
from hubops.clients import process
from hubops.clients.hub import log_in
from hubops.errors import HubError
from hubops.secret import Secret

HUB, OTHER = "staginghub", "earthhub"
REASON = "Until winter: <b>bring</b> a coat"


async def replicas(cluster: Cluster) -> dict[str, int]:
    """Of every workload of the hub, how many pods it is to have."""
    items = json.loads(await cluster.run("get", "deployments,statefulsets", "-n", HUB, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["spec"]["replicas"] for item in items}


async def pods(cluster: Cluster) -> list[str]:
    return (await cluster.run("get", "pods", "-n", HUB, "-o", "name")).split()


async def until(limit_s: float, reached: Callable[[], Awaitable[bool]]) -> None:
    began = time.monotonic()
    while not await reached():
        assert time.monotonic() - began < limit_s
        await asyncio.sleep(0.5)


async def test_a_disabled_hub_is_gone_but_for_its_data_and_comes_back_as_it_was(
    fleet: Fleet, cluster: Cluster, tmp_path: Path
) -> None:
    root, access = make_origin(tmp_path).work, fleet.hubs[HUB]

    async def hubops(*words: str) -> str:
        env = {**os.environ, "HUBOPS_LOCAL": NAME}
        command = [sys.executable, "-m", "hubops.cli.main", "--verbose", *words]
        return await process.run(command, env=env, cwd=root, on_line=print)

    async with httpx2.AsyncClient(base_url=access.url, trust_env=False, timeout=30) as browser:
        await browser.get("hub/login")
        fields = {"username": access.username, "password": access.password, "_xsrf": xsrf(browser)}
        await browser.post("hub/login", data=fields)
        with contextlib.suppress(HubError):  # it may run since another test
            await start_server(access.url, access.username, await make_token(browser, access.username))
        before = await volumes(cluster, HUB)
        ran = await replicas(cluster)
        assert {"hub", "proxy"} <= ran.keys()

        await hubops("disable", HUB, REASON)
        assert "disable" in await hubops("plan", HUB)
        await hubops("deploy", HUB)
        try:
            assert set((await replicas(cluster)).values()) == {0}

            async def nothing_runs() -> bool:
                return not await pods(cluster)

            await until(60, nothing_runs)
            for path in ("", "hub/login", f"user/{access.username}/lab"):
                page = await browser.get(path)
                assert (page.status_code, "Until winter: &lt;b&gt;bring" in page.text) == (503, True)
            assert (await browser.get(f"{fleet.url}/{OTHER}/hub/api/")).status_code == 200
            assert await volumes(cluster, HUB) == before
            assert "its people's servers" not in await hubops("plan", HUB), "it is done"
        finally:
            await hubops("enable", HUB)
            deployed = await hubops("deploy", HUB)
    assert re.search(rf"^hub {HUB}  deployed and proved", deployed, re.MULTILINE)
    assert await replicas(cluster) == ran
    assert await volumes(cluster, HUB) == before
    assert await log_in(access.url, access.username, Secret(access.password))
