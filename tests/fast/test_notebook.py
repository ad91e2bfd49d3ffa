"""The parts of the proof that need no hub: notebooks, outputs, pictures, and what the hub's answers mean."""

import asyncio
import base64
import contextlib
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from fast.memory_hub import MemoryHub
from hubops.checks.cells import find_difference, load_proof, parse_notebook, read_png
from hubops.checks.notebook import _sweep, wait_answer
from hubops.checks.proof_model import Cell
from hubops.checks.server_start import Probe, _is_hopeless
from hubops.clients.hub import Progress, log_in, open_hub
from hubops.clients.jupyter import Collector, Ran, open_kernel
from hubops.clients.site import Site, make_client
from hubops.deadline import Deadline
from hubops.desired.probe import PROBE_NAME, probe_values
from hubops.errors import HubError, HubopsError, OutOfReachError, RepositoryError
from hubops.secret import Secret

TOKEN = Secret("t0ken-of-the-service")
Pixel = Callable[[int, int], int]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixel: Pixel, width: int = 60, height: int = 40, filter_type: int = 0) -> bytes:
    """A grey picture, each row with the same PNG filter: 0 none, 1 left neighbour, 2 upper neighbour."""

    def filtered(x: int, y: int) -> int:
        before = {0: 0, 1: pixel(x - 1, y) if x else 0, 2: pixel(x, y - 1) if y else 0}
        return (pixel(x, y) - before[filter_type]) % 256

    rows = b"".join(bytes([filter_type, *(filtered(x, y) for x in range(width))]) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def circle(x: int, y: int) -> int:
    return 255 if (x - 30) ** 2 + (y - 20) ** 2 < 200 else 0


def ran(stdout: str = "", result: str | None = None, picture: bytes | None = None) -> Ran:
    displays = (
        [{"text/plain": "<Figure>", "image/png": base64.b64encode(picture).decode()}] if picture else []
    )
    return Ran(stdout, "", tuple(displays), {"text/plain": result} if result else {}, None)


def notebook(*cells: dict[str, Any], nbformat: int = 4) -> str:
    return json.dumps({"nbformat": nbformat, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": outputs}


def test_the_proof_compares_a_number_a_plot_a_file_and_a_value() -> None:
    cells = load_proof()
    assert any(cell.png for cell in cells)
    assert any("read back" in (cell.stdout or "") for cell in cells)
    assert any(cell.result for cell in cells)
    assert any("1_000_001" in cell.source and cell.stdout for cell in cells)


def test_a_notebook_gives_its_code_cells_with_what_they_must_print() -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]}
    warning = {"output_type": "stream", "name": "stderr", "text": "slow"}
    value = {"output_type": "execute_result", "data": {"text/plain": "3"}}
    text = notebook(
        {"cell_type": "markdown", "source": "x"}, code(["1\n", "2"], stream, warning), code("3", value)
    )
    assert parse_notebook(text, "n") == (Cell(1, "1\n2", stdout="a\nb\n"), Cell(2, "3", result="3"))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        notebook(code("1"), nbformat=3),
        notebook(),
        notebook(code("1", {"output_type": "error", "ename": "E"})),
    ],
    ids=["not JSON", "a list", "no cells", "format 3", "no code", "a stored error"],
)
def test_what_is_no_proof_is_refused_by_name(text: str) -> None:
    with pytest.raises(RepositoryError) as caught:
        parse_notebook(text, "tests/geo.ipynb")
    assert caught.value.where == "tests/geo.ipynb"


@pytest.mark.parametrize(
    ("cell", "got", "difference"),
    [
        (Cell(1, "", stdout="1\n"), ran("1"), ""),
        (Cell(1, ""), ran("anything"), ""),
        (Cell(1, "", stdout="1"), ran("2"), "stdout is '2' and must be '1'"),
        (Cell(1, "", stdout=""), ran("surprise"), "stdout is 'surprise'"),
        (Cell(1, "", stdout="1"), ran("x" * 10_000), "(10000 characters)"),
        (Cell(1, "", result="4"), ran(result="5", picture=png(circle)), "result is '5'"),
        (Cell(1, "", png=png(circle)), ran(), "no image/png"),
        (Cell(1, "", png=png(circle)), ran(picture=b"GIF89a"), "no PNG: the signature"),
        (Cell(1, "", png=png(circle)), ran(picture=png(circle)[:-30]), "no PNG"),
        (Cell(1, "", png=png(circle)), ran(picture=png(circle, width=400)), "400 x 40 pixels"),
        (Cell(1, "", png=png(circle)), ran(picture=png(circle, width=66, height=38)), ""),
    ],
)
def test_a_difference_is_found_and_named(cell: Cell, got: Ran, difference: str) -> None:
    found = find_difference(cell, got)
    assert difference in found
    assert bool(found) == bool(difference)


@given(st.integers(0, 255), st.sampled_from([0, 1, 2]))
def test_a_picture_of_one_colour_is_blank_whatever_its_filter(colour: int, filter_type: int) -> None:
    blank = png(lambda _x, _y: colour, filter_type=filter_type)
    drawn = png(circle, filter_type=filter_type)
    cell = Cell(1, "", png=drawn)
    assert find_difference(cell, ran(picture=blank)) == "the picture is blank"
    assert find_difference(cell, ran(picture=drawn)) == ""


@given(st.binary(max_size=200), st.integers(0, 60))
def test_damage_is_never_taken_for_a_picture(noise: bytes, at: int) -> None:
    whole = png(circle)
    damaged = whole[:at] + noise + whole[at + len(noise) + 1 :]
    with pytest.raises(ValueError, match=r".+"):
        read_png(damaged)


def message(kind: str, content: dict[str, Any], parent: str = "m1") -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": parent}, "content": content}


IDLE = message("status", {"execution_state": "idle"})
REPLY = message("execute_reply", {"status": "ok"})


@pytest.mark.parametrize("ends", [[IDLE, REPLY], [REPLY, IDLE]], ids=["idle first", "reply first"])
def test_outputs_are_collected_until_idle_and_reply_in_any_order(ends: list[dict[str, Any]]) -> None:
    collector = Collector("m1")
    picture = {"image/png": "AA=="}
    for item in [
        message("stream", {"name": "stdout", "text": "a"}),
        message("stream", {"name": "stdout", "text": "of another request"}, parent="m0"),
        message("stream", {"name": "stderr", "text": "w"}),
        message("execute_result", {"data": {"text/plain": "4"}}),
        message("display_data", {"data": picture}),
        message("stream", {"name": "stdout", "text": "b"}),
        ends[0],
    ]:
        collector.add(item)
        assert not collector.done
    collector.add(ends[1])
    assert collector.done
    assert collector.ran == Ran("ab", "w", ({"text/plain": "4"}, picture), {"text/plain": "4"}, None)


def test_an_error_keeps_its_traceback_and_the_reply_does_not_replace_it() -> None:
    collector = Collector("m1")
    collector.add(message("error", {"ename": "ValueError", "evalue": "no", "traceback": ["line"]}))
    collector.add(message("execute_reply", {"status": "error", "ename": "ValueError", "evalue": "no"}))
    assert collector.ran.error is not None
    assert collector.ran.error.traceback == ("line",)


def test_a_request_that_was_aborted_is_an_error() -> None:
    collector = Collector("m1")
    collector.add(message("execute_reply", {"status": "aborted"}))
    assert collector.ran.error is not None


def test_the_death_of_the_kernel_ends_the_waiting() -> None:
    collector = Collector("m1")
    collector.add({**message("status", {"execution_state": "restarting"}), "parent_header": {}})
    assert collector.done
    assert collector.ran.error is not None


@pytest.mark.parametrize(
    ("reason", "text", "told", "hopeless"),
    [
        ("BackOff", 'Back-off pulling image "x"', "", True),
        ("BackOff", 'Back-off pulling image "x"', "Failed to pull image: no space left on device", True),
        ("BackOff", 'Back-off pulling image "x"', "Failed to pull image: 503 Service Unavailable", False),
        ("BackOff", "Back-off restarting failed container notebook", "", True),
        ("Failed", "Error: ImagePullBackOff", "Failed to pull image: unauthorized", True),
        ("Failed", "Error: ImagePullBackOff", "Failed to pull image: i/o timeout", False),
        ("Failed", "Error: ErrImagePull", "", False),
        ("Failed", "Failed to pull image: not found", "", True),
        ("Failed", "Failed to pull image: 503 Service Unavailable", "", False),
        ("Failed", "Error: ErrImageNeverPull", "", True),
        ("FailedScheduling", "0/3 nodes are available: 3 Insufficient memory", "", False),
        ("FailedMount", "MountVolume.SetUp failed", "", False),
        ("Pulled", "Successfully pulled image", "", False),
        ("", "the image was not found by a hook", "", False),
    ],
)
def test_only_what_waiting_does_not_heal_ends_a_start(
    reason: str, text: str, told: str, hopeless: bool
) -> None:
    assert _is_hopeless(Progress(text, reason=reason), ["Pulling image", told]) == hopeless


@pytest.mark.parametrize(("failures", "swept"), [(0, True), (3, True), (4, False)])
async def test_a_hub_that_fails_over_a_start_that_ends_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, failures: int, swept: bool
) -> None:
    async def remove_home() -> None:
        return None

    monkeypatch.setattr("hubops.checks.notebook._SWEEP_PAUSES_S", (0, 0, 0))
    hub = MemoryHub({PROBE_NAME: {"": "ready"}, "ada": {}})
    hub.faults = [500] * failures
    async with hub.open(), open_hub(hub.url, TOKEN) as api:
        with contextlib.nullcontext() if swept else pytest.raises(HubError):
            await _sweep(api, Probe(PROBE_NAME, (), remove_home))
    assert (PROBE_NAME in hub.people) is not swept


@asynccontextmanager
async def answering(status: str, body: str, headers: str = "") -> AsyncIterator[str]:
    """A server that gives one answer to everything; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a-hub/"


@pytest.mark.parametrize(
    ("status", "body", "kind", "shown"),
    [
        ("401 Unauthorized", '{"message": "who?"}', HubError, "HTTP 401: who?"),
        ("403 Forbidden", '{"message": "no t0ken-of-the-service"}', HubError, "HTTP 403: no ***"),
        (
            "404 Not Found",
            '{"message": "No access to resources or resources not found"}',
            HubError,
            "refuses our",
        ),
        ("500 Oops", '{"message": "Spawner failed"}', HubError, "Spawner failed"),
        ("403 Forbidden", "<html>a firewall</html>", OutOfReachError, "HTTP 403"),
        ("401 Unauthorized", "<html>an Ingress</html>", OutOfReachError, "HTTP 401"),
        ("500 Oops", "<html>a proxy</html>", OutOfReachError, "HTTP 500"),
        ("200 OK", "<h1>It works!</h1>", OutOfReachError, "It works"),
        ("200 OK", "[]", OutOfReachError, "[]"),
        ("429 Slow Down", "", OutOfReachError, "HTTP 429"),
        ("502 Bad Gateway", "<html>proxy</html>", OutOfReachError, "HTTP 502"),
        ("503 Unavailable", "no hub yet", OutOfReachError, "no hub yet"),
        ("404 Not Found", "<html>no route</html>", OutOfReachError, "HTTP 404"),
        ("404 Not Found", "default backend - 404", OutOfReachError, "default backend"),
        ("302 Found", "", OutOfReachError, "HTTP 302"),
    ],
)
async def test_an_answer_means_a_refusal_or_nothing_decided(
    status: str, body: str, kind: type[HubopsError], shown: str
) -> None:
    async with answering(status, body) as url, open_hub(url, TOKEN) as hub:
        with pytest.raises(kind) as caught:
            await hub.find_server(PROBE_NAME)
    assert type(caught.value) is kind
    assert shown in str(caught.value)
    assert f"/a-hub/hub/api/users/{PROBE_NAME}" in caught.value.where
    assert caught.value.hint
    assert TOKEN.reveal() not in str(caught.value)


async def test_a_hub_that_moves_is_asked_where_it_is_now() -> None:
    """The first connection leads to what stood there before, and goes on answering."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        status, body = ("404 Gone", "<html>") if connections == 1 else ("200 OK", '{"version": "5.5.4"}')
        with contextlib.suppress(asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                if b"connection: close" in request.lower():
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, open_hub(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", TOKEN) as hub:
        assert await wait_answer(hub, Deadline(5)) == "5.5.4"


async def test_a_closed_connection_to_a_kernel_is_out_of_reach_each_time_it_is_used() -> None:
    async def app(
        scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        await receive()
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 201, "headers": []})
            await send({"type": "http.response.body", "body": b'{"id": "k1"}'})
        else:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1012})

    config = uvicorn.Config(app, ws="wsproto", lifespan="off", log_config=None)
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: H11Protocol(config, ServerState(), {}), "127.0.0.1", 0
    )
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, make_client(url, {}) as client, open_kernel(Site(client), "ada") as kernel:
        for why in ("WebSocketDisconnect", "LocalProtocolError"):
            with pytest.raises(OutOfReachError, match=why):
                await kernel.run("1")


async def test_a_page_of_the_hub_itself_is_its_answer_but_for_one_without_a_route() -> None:
    own = "X-JupyterHub-Version: 5.5.4\r\n"
    async with answering("404 Not Found", "<html>", own) as url, make_client(url, {}) as client:
        with pytest.raises(OutOfReachError):
            await Site(client).send("GET", "user/ada/api/kernels")
    async with answering("500 Oops", "<html>", own) as url, make_client(url, {}) as client:
        with pytest.raises(HubError):
            await Site(client).send("GET", "hub/login")


async def test_only_the_hubs_own_not_found_means_absent() -> None:
    async with answering("404 Not Found", '{"message": "Not Found"}') as url, open_hub(url, TOKEN) as hub:
        assert await hub.find_server(PROBE_NAME) is None


async def test_a_page_that_is_no_hub_and_a_closed_port_are_out_of_reach() -> None:
    async with answering("200 OK", "<h1>It works!</h1>") as url:
        async with open_hub(url, TOKEN) as hub:
            with pytest.raises(OutOfReachError, match="No hub answers"):
                await hub.version()
        with pytest.raises(HubError, match="no login form"):
            await log_in(url, "ada", Secret("password"))
    async with open_hub(url, TOKEN) as hub:
        with pytest.raises(OutOfReachError, match="does not answer") as caught:
            await hub.version()
    assert "GET hub/api/ at http://127.0.0.1" in caught.value.where


def test_the_service_may_act_for_the_probe_and_only_take_off_others() -> None:
    values = probe_values("secret")
    assert values["hub"]["services"] == {"hubops": {"apiToken": "secret"}}
    role = values["hub"]["loadRoles"]["hubops"]
    assert role["services"] == ["hubops"]
    others = {scope for scope in role["scopes"] if not scope.endswith(f"!user={PROBE_NAME}")}
    assert others == {"list:users", "read:servers", "delete:servers", "delete:users"}
