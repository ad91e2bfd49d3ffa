"""The parts of the local cluster that need no Docker."""

import asyncio
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hubops import digest
from hubops.clients import process
from hubops.errors import HubopsError, MachineError, UsageError
from hubops.events import Event, Line
from hubops.local import (
    base_image,
    cluster,
    daemon,
    docker,
    host,
    instance,
    made,
    oci,
    paths,
    preflight,
    readiness,
    recipe,
    runc_caps,
    toolchain,
)
from hubops.local.tools import CADDY, NODE_IMAGE, TOOLS, Download, Tool

SCRIPT = b"#!/bin/sh\necho tool v1.2.3\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        entry = tarfile.TarInfo("linux-amd64/tool")
        entry.size = len(SCRIPT)
        tar.addfile(entry, io.BytesIO(SCRIPT))
    return data.getvalue()


FILES = {"/tool": SCRIPT, "/tool.tgz": archive()}


@pytest.fixture
def server() -> Iterator[str]:
    """A download server on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = FILES.get(self.path)
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def tool_from(url: str, sha256: str, member: str = "") -> Tool:
    platform = f"linux-{host.architecture()}"
    return Tool("tool", "v1.2.3", "kind", "./none", downloads={platform: Download(url, sha256, member)})


async def run_program(path: Path) -> str:
    return await process.run([path])


@pytest.mark.parametrize(("path", "member"), [("/tool", ""), ("/tool.tgz", "linux-amd64/tool")])
@pytest.mark.usefixtures("home")
async def test_an_official_binary_is_downloaded_and_kept(server: str, path: str, member: str) -> None:
    tool = tool_from(server + path, digest.of_bytes(FILES[path]), member)
    events: list[Event] = []
    found = await toolchain.provide(tool, events.append)
    assert await run_program(found.program) == "tool v1.2.3\n"
    again = await toolchain.provide(tool, events.append)
    assert again == found
    assert len([e for e in events if not isinstance(e, Line)]) == 2  # one step, begun and ended


@pytest.mark.usefixtures("home")
async def test_a_download_that_is_not_what_was_pinned_is_refused(server: str) -> None:
    tool = tool_from(server + "/tool", "0" * 64)
    with pytest.raises(MachineError, match="not what was pinned") as caught:
        await toolchain.provide(tool, lambda _: None)
    assert server in caught.value.where
    assert await toolchain.find_tool(tool) is None


@pytest.mark.usefixtures("home")
async def test_without_the_server_the_tool_is_built(server: str) -> None:
    """The build of this tool cannot succeed, which shows that it was tried."""
    tool = tool_from(server + "/absent", "0" * 64)
    events: list[Event] = []
    with pytest.raises(HubopsError, match=r"go build|cannot be run|pip"):
        await toolchain.provide(tool, events.append)
    assert any("/absent" in e.text and "404" in e.text for e in events if isinstance(e, Line))


async def test_a_program_on_path_is_used_within_the_tested_range(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = home / "bin" / "tool"
    program.parent.mkdir()
    program.write_bytes(SCRIPT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    inside = Tool("tool", "v1.2.3", "kind", "x", minimum=(1, 2), below=(1, 3))
    outside = Tool("tool", "v1.3.0", "kind", "x", minimum=(1, 3), below=(1, 4))
    assert await toolchain.find_tool(inside) == toolchain.Found(program, "PATH")
    assert await toolchain.find_tool(outside) is None


def test_every_tool_has_its_module_and_a_range_of_its_own_version() -> None:
    for tool in TOOLS.values():
        module = paths.project_dir() / "toolchain" / tool.module
        assert (module / "go.mod").exists()
        assert (module / "go.sum").exists()
        version = tuple(int(part) for part in tool.version.removeprefix("v").split("."))
        assert not tool.minimum or tool.minimum <= version < tool.below


def test_the_tag_of_the_edges_image_follows_its_caddy() -> None:
    """The binary comes from outside the image's directory; this file makes its version part of the content."""
    assert (paths.project_dir() / "images" / "edge" / "caddy.version").read_text().strip() == CADDY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 10.0.0.2\nsearch lan\n", ["nameserver 10.0.0.2", "search lan"]),
        ("# x\nnameserver 127.0.0.53\nnameserver 9.9.9.9\n", ["nameserver 9.9.9.9"]),
        ("nameserver 127.0.0.11\noptions edns0\n", []),
        ("nameserver ::1\n", []),
    ],
)
def test_a_loopback_name_server_is_not_handed_on(tmp_path: Path, text: str, expected: list[str]) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    assert host.nameservers((tmp_path / "absent", file)) == expected


def test_a_layout_is_a_function_of_its_tar_and_appears_whole(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        tar = tmp_path / f"{name}.tar"
        tar.write_bytes(b"not really a tar, but the same one")
        digests.append(oci.write_layout(tar, tmp_path / name, "amd64"))
    assert digests[0] == digests[1] == oci.layout_digest(tmp_path / "a")
    for blob in (tmp_path / "a/blobs/sha256").iterdir():
        assert digest.of_file(blob) == blob.name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_only_granted_capabilities_are_asked_of_runc(tmp_path: Path) -> None:
    wanted = {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": []}}
    (tmp_path / "config.json").write_text(json.dumps({"process": wanted, "root": {"path": "x"}}))
    (tmp_path / "process.json").write_text(json.dumps(wanted))
    have = {"CAP_CHOWN"}
    runc_caps.rewrite(["--root", "/r", "create", "--bundle", str(tmp_path), "id"], have)
    runc_caps.rewrite(["exec", "--process", str(tmp_path / "process.json"), "id"], have)
    spec = json.loads((tmp_path / "config.json").read_text())
    assert spec["process"]["capabilities"] == {"bounding": ["CAP_CHOWN"], "ambient": []}
    assert spec["root"] == {"path": "x"}
    assert json.loads((tmp_path / "process.json").read_text())["capabilities"]["bounding"] == ["CAP_CHOWN"]


@pytest.mark.usefixtures("home")
def test_an_instance_keeps_its_ports() -> None:
    made = instance.load_instance("other", edge_port=9000)
    assert (made.edge_port, made.registry_port) == (9000, 5001)
    instance.save_instance(made)
    assert instance.load_instance("other") == made
    with pytest.raises(UsageError, match="9000, not 9001"):
        instance.load_instance("other", edge_port=9001)
    with pytest.raises(UsageError, match="cannot name"):
        instance.load_instance("../x")


def item(title: str, *, done: bool, disk_gb: float = 1) -> preflight.Item:
    return preflight.Item(title, 1, disk_gb, done)


@pytest.mark.usefixtures("home")
def test_too_little_disk_is_said_before_anything_is_done() -> None:
    with pytest.raises(MachineError, match="GB of disk are needed"):
        preflight.check_machine([item("Docker", done=True), item("x", done=False, disk_gb=1e9)])


REFUSAL = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock:"
    " dial unix /var/run/docker.sock: connect: permission denied"
)
SILENCE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@dataclass(frozen=True)
class Engine:
    """What the docker program says, and how that must be told; without words it answers."""

    said: str
    what: str
    why: str
    hint: str
    missing: int = 0


ENGINES = {
    "outside the group": Engine(REFUSAL, "does not let us in", REFUSAL, "group docker"),
    "outside it, where capabilities are missing too": Engine(REFUSAL, "does not let us in", REFUSAL, "group docker", 1 << 24),
    "not running": Engine(SILENCE, "is not running", SILENCE, "start Docker"),
    "without a capability": Engine("", "cannot run a cluster", "denies its containers CAP_SYS_RESOURCE", "use sudo", 1 << 24),
}  # fmt: skip


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("case", ENGINES)
def test_a_docker_that_cannot_be_used_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str
) -> None:
    engine = ENGINES[case]
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{engine.said}' >&2\nexit {1 if engine.said else 0}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(host, "missing_capabilities", lambda: engine.missing)
    monkeypatch.setattr(docker, "_OWN_SOCKET", tmp_path / "none")
    with pytest.raises(MachineError, match=f"{engine.what}, and .*nothing was done") as caught:
        preflight.check_machine([item("Docker", done=False)])
    assert engine.why in caught.value.why
    assert engine.hint in caught.value.hint


@pytest.mark.usefixtures("home")
def test_without_docker_and_root_one_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(docker, "_OWN_SOCKET", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match=r"is not installed, .*nothing was done") as caught:
        preflight.check_machine([item("Docker", done=False)])
    assert "docker.com" in caught.value.hint
    monkeypatch.setattr(preflight, "_has_buildx", lambda: False)
    with pytest.raises(MachineError, match="docker buildx, which is not there; nothing was done"):
        preflight.check_machine([item("Docker", done=True)])
    monkeypatch.setattr(preflight, "_has_buildx", lambda: True)
    preflight.check_machine([item("Docker", done=True)])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    preflight.check_machine([item("Docker", done=True)])


def test_the_list_names_what_is_left_and_its_sum() -> None:
    lines = preflight.format_items([item("a", done=True), item("b", done=False), item("c", done=False)])
    assert "about 2 minutes on two cores and 2 GB" in lines[-1]
    assert preflight.format_items([item("a", done=True)]) == ["Everything is made; making sure that it runs."]


@pytest.fixture
def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that ./start makes, in the place of today's keys; the root of a checkout of its own."""
    root = home / "clone"
    for name in ("toolchain", "images", "user-images", "hub-charts", "charts", "values"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(name)
    (root / "toolchain/kubernetes").mkdir()
    (root / "toolchain/node").mkdir()
    (root / "hubops.yaml").write_text("registry: r.example.org\n")
    monkeypatch.setattr(paths, "project_dir", lambda: root)
    monkeypatch.setattr(base_image, "find_made", lambda: asyncio.sleep(0, home / "base"))
    oci.write_layout(_tar(home), home / "base", "amd64")
    for tool in TOOLS.values():
        put(toolchain.cached(tool))
    mine = instance.local_instance()
    instance.save_instance(mine)
    node, pause = (toolchain.cached(TOOLS[name]) for name in ("node", "pause"))
    image = recipe.node_recipe(node, pause).image(home / "base")
    record_cluster(mine, image)
    made.note_started(mine, root)
    put(home / "environment")
    return root


def record_cluster(mine: instance.Instance, image: str) -> None:
    (mine.directory / "kind.json").write_text(json.dumps(cluster._kind_config(mine, image), indent=2))
    (mine.directory / "cluster.image").write_text(image)
    (mine.directory / "cluster.recipe").write_text("recipe")


def _tar(directory: Path) -> Path:
    (directory / "rootfs.tar").write_bytes(b"as good as one")
    return directory / "rootfs.tar"


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def undone(root: Path) -> list[str]:
    found = preflight.items(root.parent / "environment")
    return [each.title.partition(",")[0] for each in found if not each.done and each.title != "Docker"]


IMAGES, HUBS = "images of the hub and its users", "staginghub and earthhub"
NODE, CLUSTER = "tools and Kubernetes", "local cluster and registry"
UPDATES = {
    "nothing": ((), []),
    "Kubernetes": (("toolchain/kubernetes/go.mod",), [NODE, CLUSTER, HUBS]),
    "a tool beside it": (("toolchain/caddy/go.mod",), [NODE]),
    "the node's image": (("toolchain/node/Dockerfile",), [CLUSTER, HUBS]),
    "an image": (("user-images/earth/Dockerfile",), [IMAGES, HUBS]),
    "a hub": (("hub-charts/staginghub/values.yaml",), [HUBS]),
    "what all hubs share": (("hubops.yaml",), [HUBS]),
}


@pytest.mark.parametrize("case", UPDATES)
def test_after_an_update_the_list_names_what_is_made_anew(started: Path, case: str) -> None:
    files, left = UPDATES[case]
    for name in files:
        put(started / name)
        (started / name).write_text("another")
    assert undone(started) == left


@pytest.mark.usefixtures("started")
def test_another_instance_has_a_cluster_of_its_own_to_make(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBOPS_LOCAL", "another")
    assert undone(started) == [CLUSTER, IMAGES, HUBS]


def test_an_official_node_needs_neither_kubernetes_nor_a_base(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = instance.local_instance()
    record_cluster(mine, NODE_IMAGE)
    toolchain.cached(TOOLS["node"]).unlink()
    monkeypatch.setattr(base_image, "find_made", lambda: asyncio.sleep(0))
    assert undone(started) == []


async def test_a_daemon_is_started_once_replaced_when_deaf_and_ended(tmp_path: Path) -> None:
    marker = tmp_path / "answers"
    argv = ["/bin/sleep", "60"]

    async def answers() -> bool:
        return marker.exists()

    async def appear() -> None:
        await asyncio.sleep(0.2)
        marker.touch()

    async with asyncio.TaskGroup() as group:
        group.create_task(appear())
        assert await daemon.ensure_running("sleep", argv, answers, tmp_path)
    first = int((tmp_path / "sleep.pid").read_text())
    assert not await daemon.ensure_running("sleep", argv, answers, tmp_path)
    marker.unlink()
    async with asyncio.TaskGroup() as group:
        group.create_task(appear())
        assert await daemon.ensure_running("sleep", argv, answers, tmp_path)
    second = int((tmp_path / "sleep.pid").read_text())
    assert second != first
    await daemon.stop("sleep", tmp_path)
    assert not (tmp_path / "sleep.pid").exists()


async def test_a_daemon_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    async def answers() -> bool:
        return False

    with pytest.raises(MachineError, match="sh does not answer") as caught:
        await daemon.ensure_running("sh", ["sh", "-c", "echo the reason; exit 1"], answers, tmp_path)
    assert "the reason" in caught.value.why


SINCE = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
OLD, NEW = "2026-01-02T11:59:00Z", "2026-01-02T12:00:09Z"


def pod_of(name: str, *, address: str, started: str, ready: bool = True) -> Any:
    condition = {"type": "Ready", "status": str(ready)}
    states = [{"state": {"running": {"startedAt": started}}}]
    status = {"podIP": address, "conditions": [condition], "containerStatuses": states}
    return {"metadata": {"name": name}, "status": status}


def leads_to(name: str, address: str, *, serving: bool = True) -> Any:
    target = {"kind": "Pod", "name": name}
    endpoint = {"addresses": [address], "conditions": {"serving": serving}, "targetRef": target}
    return {"endpoints": [endpoint]}


NODE_ITSELF = {"endpoints": [{"addresses": ["172.18.0.2"], "conditions": {}}]}


@pytest.mark.parametrize(
    ("pods", "slices", "settled"),
    [
        ([], [], True),
        ([pod_of("hub", address="a", started=NEW)], [leads_to("hub", "a"), NODE_ITSELF], True),
        ([pod_of("hub", address="a", started=OLD)], [leads_to("hub", "a")], False),
        ([pod_of("hub", address="b", started=NEW)], [leads_to("hub", "a")], False),
        ([pod_of("hub", address="a", started=NEW, ready=False)], [leads_to("hub", "a")], False),
        ([pod_of("hub", address="a", started=OLD, ready=False)], [leads_to("hub", "a", serving=False)], True),
        ([], [{"endpoints": None}], True),
    ],
    ids=[
        "empty",
        "well",
        "pod of before",
        "address of before",
        "not ready yet",
        "does not come up",
        "no pods",
    ],
)
def test_a_cluster_is_settled_when_nothing_is_of_before_its_start(
    pods: Any, slices: Any, *, settled: bool
) -> None:
    assert readiness.is_of_after(pods, slices, SINCE) is settled
