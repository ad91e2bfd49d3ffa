"""Requests and watches, against a real HTTP server that answers by a script."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hubops.answer import Absent, Present, Unknown
from hubops.clients.kube import Kube
from hubops.clients.kubectl import absolute, connect, kubeconfig_directories
from hubops.errors import ClusterError, OutOfReachError

PODS = "/api/v1/namespaces/a/pods"


class Script:
    """Answers each request with the next entry: status, headers and body, or nothing for a cut connection."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, bytes] | None] = []
        self.requests: list[str] = []
        self.url = ""

    def say(self, status: int, body: Any, headers: str = "") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, headers, data))

    def watch(self, *changes: tuple[str, Any]) -> None:
        lines = [
            json.dumps({"type": kind, "object": item}, ensure_ascii=False).encode() for kind, item in changes
        ]
        self.say(200, b"".join(line + b"\n" for line in lines))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" HTTP/")[0])
        answer = self.answers.pop(0) if self.answers else None
        if answer:
            status, headers, body = answer
            writer.write(f"HTTP/1.1 {status} x\r\nConnection: close\r\n{headers}\r\n".encode() + body)
        writer.close()


@pytest.fixture
async def script(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Script]:
    monkeypatch.setattr("hubops.clients.kube._RECONNECT_S", 0.01)
    script = Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield script
    server.close()


@pytest.fixture
async def kube(script: Script) -> AsyncIterator[Kube]:
    async with httpx2.AsyncClient(base_url=script.url, trust_env=False) as client:
        yield Kube(client)


def pod(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


def pods(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "metadata": {"resourceVersion": str(version)}}


async def first(kube: Kube, count: int) -> list[tuple[str, str]]:
    changes = kube.watch(PODS)
    async with asyncio.timeout(5):
        found = [await anext(changes) for _ in range(count)]
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
    return [(kind, item["metadata"]["name"]) for kind, item in found]


async def test_only_404_is_absent(script: Script, kube: Kube) -> None:
    for status in (404, 200, 403, 401, 429, 500, 503, 504):
        script.say(status, {"message": "the reason"})
    script.answers.append(None)
    kinds = [type(await kube.find(f"{PODS}/x")) for _ in range(9)]
    assert kinds == [Absent, Present, *[Unknown] * 7]


async def test_a_refusal_has_the_servers_words_and_a_failure_is_out_of_reach(
    script: Script, kube: Kube
) -> None:
    script.say(403, {"message": 'pods is forbidden: User "u" cannot create'})
    with pytest.raises(ClusterError) as caught:
        await kube.create(PODS, {})
    assert 'User "u" cannot create' in caught.value.why
    script.say(500, b"getting credentials: exec: plugin failed")
    with pytest.raises(OutOfReachError, match="plugin failed"):
        await kube.create(PODS, {})


async def test_a_busy_server_is_asked_again_when_it_says_so(script: Script, kube: Kube) -> None:
    script.say(429, {}, "Retry-After: 1\r\n")
    script.say(200, {"kind": "Pod"})
    assert (await kube.create(PODS, {}))["kind"] == "Pod"
    assert len(script.requests) == 2


async def test_a_watch_goes_on_where_a_stream_ended(script: Script, kube: Kube) -> None:
    script.say(200, pods(5, pod("a", 3)))
    script.watch(("MODIFIED", pod("a", 6)), ("BOOKMARK", pod("", 8)))
    script.watch(("DELETED", pod("a", 9)))
    assert await first(kube, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert "resourceVersion=5" in script.requests[1]
    assert "resourceVersion=8" in script.requests[2]


@pytest.mark.parametrize("by_status", [True, False])
async def test_a_version_that_is_gone_is_made_up_for(script: Script, kube: Kube, *, by_status: bool) -> None:
    script.say(200, pods(5, pod("a", 3), pod("b", 4)))
    if by_status:
        script.say(410, {"message": "too old"})
    else:
        script.watch(("ERROR", {"code": 410}))
    script.say(200, pods(50, pod("b", 40), pod("c", 45)))
    assert await first(kube, 5) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
        ("ADDED", "b"),
        ("ADDED", "c"),
    ]


async def test_a_watch_outlasts_a_cluster_that_is_away_for_a_moment(script: Script, kube: Kube) -> None:
    script.say(200, pods(5, pod("a", 3)))
    script.say(503, {})
    script.answers.append(None)
    script.watch(("MODIFIED", pod("a", 6)))
    assert await first(kube, 2) == [("ADDED", "a"), ("MODIFIED", "a")]


async def test_a_watch_that_never_began_and_one_that_is_forbidden_end(script: Script, kube: Kube) -> None:
    script.say(503, {})
    with pytest.raises(OutOfReachError):
        await first(kube, 1)
    script.say(200, pods(5))
    script.say(403, {"message": "no right to watch"})
    with pytest.raises(ClusterError, match="no right to watch"):
        await first(kube, 1)


async def test_a_line_may_contain_what_other_rules_call_the_end_of_a_line(script: Script, kube: Kube) -> None:
    script.say(200, pods(5))
    script.watch(("ADDED", pod("a\x85b\u2028c", 6)))
    assert await first(kube, 1) == [("ADDED", "a\x85b\u2028c")]


async def test_a_connection_that_nobody_came_to_use_is_closed(tmp_path: Path) -> None:
    """As when a key is wrong: kubectl was not even started."""
    async with asyncio.timeout(5):
        with pytest.raises(KeyError):
            async with connect(Path("/nowhere/kubectl"), None, "campus", tmp_path):
                raise KeyError


def test_paths_of_a_context_lead_to_where_kubectl_would_look(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "plugin").touch()
    user = {"tokenFile": "token", "exec": {"command": "./plugin"}}
    config = {"users": [{"user": user}, {"user": {"exec": {"command": "gke-plugin"}}}, {"user": {}}]}
    found = absolute(config, [tmp_path / "one", tmp_path / "two"])["users"]
    assert found[0]["user"]["tokenFile"] == str(tmp_path / "one" / "token")
    assert Path(found[0]["user"]["exec"]["command"]) == tmp_path / "two" / "plugin"
    assert found[1]["user"]["exec"]["command"] == "gke-plugin"


def test_the_kubeconfig_is_found_as_kubectl_finds_it(tmp_path: Path) -> None:
    environment = {"KUBECONFIG": f"{tmp_path}/a/config:{tmp_path}/b/config"}
    assert kubeconfig_directories(environment) == [tmp_path / "a", tmp_path / "b"]
    assert kubeconfig_directories({}) == [Path.home() / ".kube"]
