"""What an image starts every command with, and how people's server is tried with it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fast.memory_registry import MemoryRegistry
from hourglass import Hourglass
from hubops.answer import Answer, Present, Unknown
from hubops.checks import server_runner
from hubops.checks.image_judge import find_image_faults, find_notes
from hubops.clients.builder import BuildRequest
from hubops.clients.registry import Registry
from hubops.desired.dockerfile import parse_dockerfile
from hubops.desired.entrypoint import Entrypoint, find_entrypoint
from hubops.desired.seat_model import Seat
from hubops.digest import named
from hubops.run.entrypoint import read_entrypoint

PROJECT = Path(__file__).parents[2]
DOCKERFILES = {
    "words": ('FROM a:1\nENTRYPOINT ["tini", "--"]', Entrypoint(("tini", "--"), "a:1")),
    "a shell's": ("FROM a:1\nENTRYPOINT exec start", Entrypoint(("/bin/sh", "-c", "exec start"), "a:1")),
    "another shell's": (
        'FROM a:1\nSHELL ["/bin/bash", "-lc"]\nENTRYPOINT start',
        Entrypoint(("/bin/bash", "-lc", "start"), "a:1"),
    ),
    "over two lines": ('FROM a:1\nENTRYPOINT ["tini", \\\n  "--"]', Entrypoint(("tini", "--"), "a:1")),
    "the last one": ('FROM a:1\nENTRYPOINT ["b"]\nentrypoint ["c"]', Entrypoint(("c",), "a:1")),
    "none": ("FROM a:1\nENTRYPOINT []", Entrypoint((), "a:1")),
    "the base's": ("FROM docker.io/library/a:latest\nCMD x", Entrypoint(None, "a")),
    "of nothing": ("FROM scratch\nCOPY a b", Entrypoint((), "scratch")),
    "an earlier stage's": (
        'FROM a:1 AS Base\nENTRYPOINT ["b"]\nFROM base\nRUN c',
        Entrypoint(("b",), "a:1"),
    ),
    "of a stage that is not it": (
        'FROM a:1 AS base\nENTRYPOINT ["b"]\nFROM c:2\nRUN d',
        Entrypoint(None, "c:2"),
    ),
    "by an argument": ("ARG V=3\nFROM a:$V", Entrypoint(None, "a:4")),
    "in a comment": ('FROM a:1\n# ENTRYPOINT ["b"]', Entrypoint(None, "a:1")),
    "no Dockerfile": ("", Entrypoint((), "")),
}


@pytest.mark.parametrize("case", DOCKERFILES)
def test_the_entrypoint_is_the_dockerfiles(case: str) -> None:
    text, expected = DOCKERFILES[case]
    assert find_entrypoint(parse_dockerfile(text), {"V": "4"}) == expected


def test_a_target_is_its_own_image() -> None:
    text = 'FROM a:1 AS one\nENTRYPOINT ["b"]\nFROM one AS two\nENTRYPOINT ["c"]'
    assert find_entrypoint(parse_dockerfile(text), {}, "ONE").words == ("b",)


def test_the_examples_images_say_theirs() -> None:
    for file in ("user-images/earth", "src/hubops/scaffold/repository/user-images/notebook"):
        found = find_entrypoint(parse_dockerfile((PROJECT / file / "Dockerfile").read_text()), {})
        assert (found.words or ())[:3] == ("tini", "-g", "--")


# --- where the Dockerfile does not say it


def request_of(tmp_path: Path, base: str, **more: Any) -> BuildRequest:
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\n")
    return BuildRequest(tmp_path, "localhost:1/a:c1", push=False, **more)


def layout(directory: Path, config: dict[str, Any]) -> Path:
    """An OCI layout whose blobs lie under names of our own."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (directory / "oci-layout").write_text("{}")
    (directory / "index.json").write_text(json.dumps({"manifests": [{"digest": "sha256:m"}]}))
    (blobs / "m").write_text(json.dumps({"config": {"digest": "sha256:c"}, "layers": []}))
    (blobs / "c").write_text(json.dumps({"config": config}))
    return directory


async def test_a_base_made_here_says_it_itself(tmp_path: Path) -> None:
    base = layout(tmp_path / "base", {"Entrypoint": ["tini"], "User": "1"})
    request = request_of(tmp_path, "debian:bookworm-slim", contexts={"debian:bookworm-slim": base})
    assert await read_entrypoint(request, Registry(tmp_path)) == Present(("tini",))
    (base / "blobs/sha256/c").write_text(json.dumps({"config": {"Entrypoint": None}}))
    assert await read_entrypoint(request, Registry(tmp_path)) == Present(())
    (base / "blobs/sha256/c").unlink()
    assert isinstance(await read_entrypoint(request, Registry(tmp_path)), Unknown)


class Images(MemoryRegistry):
    """One that has the documents of images."""

    def add(self, name: str, tag: str, config: dict[str, Any]) -> str:
        """The digest of an image with this configuration."""
        blob = self.keep(name, {"config": config})
        digest = self.keep(name, {"schemaVersion": 2, "config": {"digest": blob}, "layers": []})
        self.tags.setdefault(name, {})[tag] = digest
        return digest

    def keep(self, name: str, document: dict[str, Any]) -> str:
        content = json.dumps(document).encode()
        self.manifests.setdefault(name, {})[named(content)] = content
        return named(content)

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        return super().answer(method, path.replace("/blobs/", "/manifests/"))


async def ask(images: Images, tmp_path: Path, base: str, **more: Any) -> Answer[tuple[str, ...]]:
    async with images.open():
        named_here = {name: text.format(images.host) for name, text in more.items()}
        request = request_of(tmp_path, base.format(images.host), images=named_here)
        return await read_entrypoint(request, Registry(tmp_path, patience=Hourglass().patience))


async def test_a_base_in_a_registry_is_asked_for_by_its_digest_where_it_is_locked(tmp_path: Path) -> None:
    images = Images()
    old = images.add("bases/a", "1", {"Entrypoint": ["old"]})
    images.add("bases/a", "1", {"Entrypoint": ["new"]})
    assert await ask(images, tmp_path, "{}/bases/a:1") == Present(("new",))
    assert await ask(images, tmp_path, "earth", earth=f"{{}}/bases/a@{old}") == Present(("old",))
    assert await ask(images, tmp_path, "a:1", **{"a:1": f"{{}}/bases/a:1@{old}"}) == Present(("old",))


async def test_what_cannot_be_asked_is_not_known(tmp_path: Path) -> None:
    images = Images()
    found = await ask(images, tmp_path, "{}/bases/a:1")
    assert isinstance(found, Unknown)
    assert found.reason.startswith("its registry has no image localhost:")
    images.fault = lambda _method, _path: 403
    assert isinstance(await ask(images, tmp_path, "{}/bases/a:1"), Unknown)


# --- people's server is started by it

SERVER = """\
import os, http.server
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", os.environ.get("SAID", "5.4.0"))
        self.end_headers()
    def log_message(self, *_): pass
port = int(os.environ["JUPYTERHUB_SERVICE_URL"].split("/")[2].split(":")[1])
http.server.HTTPServer(("127.0.0.1", port), Server).serve_forever()
"""
COMMAND = [sys.executable, "-c", SERVER]
SEAT = Seat("staginghub", "5.5.4", command=tuple(COMMAND))


def tried(*entrypoint: str) -> dict[str, Any]:
    return server_runner.try_server(COMMAND, list(entrypoint), "5.5.4", 10)


def answer_with(server: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": 1000, "account": "jovyan", "home": "/home/jovyan", "home_fault": "", "fresh_home_fault": "",
        "hidden": {}, "servers": [server],
    }  # fmt: skip


def test_an_entrypoint_that_becomes_the_command_does_well() -> None:
    assert tried()["version"] == "5.4.0"
    assert tried("sh", "-c", 'SAID=5.9 exec "$@"', "sh")["version"] == "5.9"
    assert "alone" not in tried("env")


@pytest.mark.parametrize(
    ("entrypoint", "fault"),
    [
        (["false"], "it ended with exit code 1"),
        (["sh", "-c", "echo ready"], "it ended with exit code 0"),
        (["/no/such/script"], "it is not on the PATH"),
    ],
)
def test_one_that_does_not_is_a_fault_that_names_it(entrypoint: list[str], fault: str) -> None:
    server = tried(*entrypoint)
    assert (server["fault"], server["alone"]) == (fault, True)
    [error] = find_image_faults("earth", [SEAT], answer_with(server), entrypoint)
    assert f"started by ENTRYPOINT {json.dumps(entrypoint)}, does not start in the image earth" in error.what
    assert error.hint.startswith("Without the ENTRYPOINT it starts.")


def test_where_nothing_starts_without_it_either_the_server_is_to_blame() -> None:
    server = server_runner.try_server(["false"], ["env"], "5.5.4", 10)
    assert (server["fault"], server["alone"]) == ("it ended with exit code 1", False)
    [error] = find_image_faults("earth", [SEAT], answer_with(server), ["env"])
    assert "install jupyterhub" in error.hint


def test_one_that_must_be_process_1_is_no_fault_but_a_note() -> None:
    server = tried("sh", "-c", "echo s6-overlay-suexec: fatal: can only run as pid 1; exit 100")
    assert list(find_image_faults("earth", [SEAT], answer_with(server), ["/init"])) == []
    assert list(find_notes([SEAT], answer_with(server))) == [
        "its ENTRYPOINT is not tested: it wants to be process 1, which it is on a hub only"
    ]
