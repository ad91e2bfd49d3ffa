"""Images tested by a real BuildKit: notebooks in a small one with a kernel, what hubs ask in the example's."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.conftest import PROJECT, show
from hubops.answer import Present
from hubops.checks.smoke import smoke
from hubops.checks.trial_model import Trial
from hubops.cli import machine
from hubops.clients.builder import Builder, BuildRequest
from hubops.clients.registry import Registry
from hubops.desired.model import ImageReference
from hubops.desired.repository import load_fleet
from hubops.desired.seat_model import Seat
from hubops.desired.seats import find_seats
from hubops.errors import BuildError
from hubops.run.entrypoint import read_entrypoint

# Two stages, the last one without a name, and what looks like a third.
DOCKERFILE = """\
FROM debian:bookworm-slim AS kernel
RUN apt-get update -q \\
    && apt-get install -y -q --no-install-recommends python3-ipykernel \\
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1234 --create-home person
FROM kernel
COPY <<-"END" /notes
	FROM nowhere
	END
COPY . /context
USER 1234
WORKDIR /home/person
ENTRYPOINT ["/bin/false"]
"""
# What is appended to the example's Dockerfile, and what is then told of the image.
FAULTS = {
    "USER 0": "the user of the image {} is root",
    "USER 1234": "the user of the image {} is user id 1234",
    "USER 0\nRUN rm /opt/earth/bin/jupyterhub-singleuser\nUSER 1000": (
        "jupyterhub-singleuser does not start in the image {}: it is not on the PATH"
    ),
    "USER 0\nRUN echo 'raise ImportError(\"broken\")' > extension.py && {instead} extension singleuser/\nUSER 1000": (
        "jupyterhub-singleuser does not start in the image {}: it ended with exit code 1"
    ),
    "USER 0\nRUN echo '__version__ = \"4.1.6\"' | cat {site}_version.py - > _version.py && {instead} _version\n"
    "USER 1000": "JupyterHub 4.1.6 of the image {} does not fit JupyterHub 5.5.4 of staginghub",
    "USER 0\nRUN chown 0:0 /home/jovyan && chmod 755 /home/jovyan\nUSER 1000": (
        "the user of the image {} cannot write to its home"
    ),
}
SITE = "/opt/earth/lib/python3.11/site-packages/jupyterhub/"
# The byte code is not compared with its source.
INSTEAD = f"f() {{ mv $1.py {SITE}$2$1.py && rm {SITE}$2__pycache__/$1.*; }}; f"
# What answers as people's server does, where Jupyter is not: it asks its hub, and tells that one's version.
SERVER = """\
import os, http.server, urllib.request
version = urllib.request.urlopen(os.environ["JUPYTERHUB_API_URL"]).headers["X-JupyterHub-Version"]
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == os.environ["JUPYTERHUB_SERVICE_PREFIX"] + "api" else 500)
        self.send_header("X-JupyterHub-Version", version)
        self.end_headers()
port = int(os.environ["JUPYTERHUB_SERVICE_URL"].split("/")[2].split(":")[1])
http.server.HTTPServer(("127.0.0.1", port), Server).serve_forever()
"""
PROOF = PROJECT / "src/hubops/checks/proof.ipynb"
SEAT = Seat("staginghub", "5.5.4")

Cells = list[tuple[str, str]]
Image = Callable[..., BuildRequest]
Earth = Callable[[str, str], Awaitable[tuple[Builder, BuildRequest]]]


def notebook(cells: Cells, kernel: str = "python3") -> str:
    def outputs(stdout: str) -> list[dict[str, str]]:
        return [{"output_type": "stream", "name": "stdout", "text": stdout}] if stdout else []

    code = [{"cell_type": "code", "source": source, "outputs": outputs(out)} for source, out in cells]
    return json.dumps({"nbformat": 4, "metadata": {"kernelspec": {"name": kernel}}, "cells": code})


@pytest.fixture
def image(tmp_path: Path, base: dict[str, Path]) -> Image:
    """Makes an image `small` of these notebooks and of more files, by path."""

    def make(
        dockerfile: str = DOCKERFILE, notebooks: dict[str, str] | None = None, **more: str
    ) -> BuildRequest:
        context = tmp_path / "user-images" / "small"
        (context / "tests").mkdir(parents=True, exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        (context / ".dockerignore").write_text("tests\n")
        for name, text in {**(notebooks or {}), **more}.items():
            (context / "tests" / name).write_text(text)
            (context / "tests" / name).chmod(0o600)
        return BuildRequest(context, "localhost:1/small:c1", push=False, contexts=base)

    return make


async def run(builder: Builder, request: BuildRequest, *seats: Seat) -> Trial:
    return await smoke(builder, request, seats, show)


async def does_well(builder: Builder, request: BuildRequest) -> Trial:
    """What is found, whether or not BuildKit knows it from an earlier run of these tests."""
    return replace(await run(builder, request), cached=False, packages=())


async def fails(builder: Builder, request: BuildRequest, *seats: Seat, limit_s: float = 60) -> BuildError:
    with pytest.raises(BuildError) as caught:
        await smoke(builder, request, seats, show, limit_s=limit_s)
    return caught.value


async def test_notebooks_run_as_the_images_user_with_a_home_and_their_own_files(
    builder: Builder, image: Image
) -> None:
    who = (
        "import os\nprint(os.getuid(), os.path.expanduser('~'))\nopen(os.path.expanduser('~/a'), 'w').close()"
    )
    beside = "print(open('data.txt').read(), sorted(os.listdir('/context')), os.access('.', os.W_OK))"
    cells = [(who, "1234 /home/person\n"), (beside, "beside ['.dockerignore', 'Dockerfile'] True\n")]
    again = [("import os\nprint(os.listdir(), 'who' in dir())", "['data.txt'] False\n")]
    request = image(
        notebooks={"a.ipynb": notebook(cells), "b.ipynb": notebook(again)}, **{"data.txt": "beside"}
    )
    assert await does_well(builder, request) == Trial(notebooks=2, cells=3)


async def test_the_proof_needs_nothing_but_a_kernel_for_python(builder: Builder, image: Image) -> None:
    """As on the image that `hubops init` makes; on the example's, it is run by every deploy."""
    missing = "from importlib.util import find_spec\nprint(find_spec('numpy'), find_spec('matplotlib'))"
    proof = PROOF.read_text()
    request = image(notebooks={"a.ipynb": notebook([(missing, "None None\n")]), "proof.ipynb": proof})
    assert await does_well(builder, request) == Trial(notebooks=2, cells=5)


async def test_what_did_well_is_not_run_again_and_stored_outputs_are_compared_all_the_same(
    builder: Builder, image: Image
) -> None:
    source = f"import os\nprint({os.getpid()}, {time.time()} > 0)"
    request = image(notebooks={"a.ipynb": notebook([(source, "")])})
    assert not (await run(builder, request)).cached
    assert (await run(builder, request)).cached
    image(notebooks={"a.ipynb": notebook([(source, f"{os.getpid()} True\n")])})
    assert (await run(builder, request)).cached
    image(notebooks={"a.ipynb": notebook([(source, "another\n")])})
    error = await fails(builder, request)
    assert "stdout is" in error.why
    assert "must be 'another'" in error.why


async def test_a_failure_is_tried_again(builder: Builder, image: Image) -> None:
    soon = time.time() + 6
    request = image(notebooks={"a.ipynb": notebook([(f"import time\nassert time.time() > {soon}", "")])})
    assert "AssertionError" in (await fails(builder, request)).why
    await asyncio.sleep(max(0.0, soon - time.time()))
    assert not (await run(builder, request)).cached


async def test_a_failing_cell_is_named_with_its_source_and_error(builder: Builder, image: Image) -> None:
    request = image(
        notebooks={
            "a.ipynb": notebook([("1 + 1", ""), ("word = 'x'\nint(word)", "")]),
            "b.ipynb": notebook([("import os\nos._exit(3)", "")]),
            "c.ipynb": notebook([("print(1)", "1\n")]),
            "d.ipynb": notebook([("print(1)", "")], kernel="fortran"),
        }
    )
    error = await fails(builder, request)
    what = "cell 2 of user-images/small/tests/a.ipynb fails in the image small: ValueError: invalid literal"
    assert error.what.startswith(what)
    assert error.where == "user-images/small/tests/a.ipynb, cell 2:\n    word = 'x'\n    int(word)"
    assert "----> 2 int(word)" in error.why
    assert (
        "besides: cell 1 of user-images/small/tests/b.ipynb fails in the image small: KernelDied" in error.why
    )
    assert (
        "besides: user-images/small/tests/d.ipynb does not start in the image small: no kernel fortran"
        in error.why
    )
    assert "c.ipynb" not in error.why


async def test_a_notebook_that_does_not_end_is_stopped(builder: Builder, image: Image) -> None:
    request = image(notebooks={"a.ipynb": notebook([("1", ""), ("import time\ntime.sleep(3600)", "")])})
    began = time.monotonic()
    error = await fails(builder, request, limit_s=5)
    assert error.what.startswith("cell 2 of ")
    assert error.why == "the notebook was not done within 5 s"
    assert time.monotonic() - began < 60


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A server on the host's loopback, which a build's own steps reach."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nreached")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"


async def test_a_notebook_has_no_network(builder: Builder, image: Image, server: str) -> None:
    fetch = f"import urllib.request\nprint(urllib.request.urlopen('{server}', timeout=9).read())"
    step = f'RUN ["python3", "-c", "{fetch.replace(chr(10), "; ")}"]\n'
    request = image(DOCKERFILE + step, {"a.ipynb": notebook([(fetch, "b'reached'\n")])})
    lines: list[str] = []
    await builder.build(request, lines.append)
    assert any(line.endswith("b'reached'") for line in lines)
    assert "Connection refused" in (await fails(builder, request)).why


async def test_a_notebook_that_says_too_much_is_stopped(builder: Builder, image: Image) -> None:
    request = image(notebooks={"a.ipynb": notebook([("print('x' * 30_000_000)", "")])})
    assert (await fails(builder, request)).why == "it gave more than 20 MB of outputs"


async def test_nobody_becomes_root_and_a_home_is_as_empty_as_on_the_first_day(
    builder: Builder, image: Image
) -> None:
    source = (
        "import ctypes, glob\nprint(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0), glob.glob('/home/person/*'))"
    )
    dockerfile = DOCKERFILE + "USER 0\nRUN touch /home/person/a\nUSER 1234\n"
    request = image(dockerfile, {"a.ipynb": notebook([(source, "1 []\n")])})
    seat = Seat("hub", "5.5.4", uid=1234, home="/home/person", command=("python3", "-c", SERVER))
    found = await smoke(builder, request, [seat], show)
    assert (found.singleuser, found.notes) == (
        "5.5.4",
        ("people do not see a of /home/person: their volume is mounted over it",),
    )
    image(dockerfile, {"a.ipynb": notebook([(source, "0 ['/home/person/a']\n")])})
    await run(builder, request, replace(seat, privileges=True, home=""))


async def test_an_image_that_nobody_works_in_is_looked_into(builder: Builder, image: Image) -> None:
    found = await run(builder, image(DOCKERFILE))
    assert {("python", "ipykernel"), ("debian", "python3-ipykernel")} <= {
        (p.kind, p.name) for p in found.packages
    }
    found = await run(builder, image("FROM debian:bookworm-slim\n"))
    assert found == Trial(notes=("what is in it is not known, for it has no python3 on the PATH",))


async def test_an_image_without_a_kernel_is_told_so(builder: Builder, image: Image) -> None:
    dockerfile = "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y python3-minimal\n"
    error = await fails(builder, image(dockerfile, {"a.ipynb": notebook([("1", "")])}))
    assert "jupyter_client" in error.why
    error = await fails(builder, image("FROM debian:bookworm-slim\n", {"a.ipynb": notebook([("1", "")])}))
    assert "python3" in error.why
    assert "jupyterlab" in error.hint


async def test_a_failing_dockerfile_keeps_its_own_error(builder: Builder, image: Image) -> None:
    request = image("FROM debian:bookworm-slim\nRUN exit 3", {"a.ipynb": notebook([("1", "")])})
    error = await fails(builder, request)
    assert error.where == "user-images/small/Dockerfile:2"


@pytest.fixture
async def earth(tmp_path: Path) -> Earth:
    """Makes an image of a name: the example's without notebooks, and more lines of its Dockerfile."""
    bench, image = await machine.load_workshop(show).bench(), load_fleet(PROJECT).images["earth"]

    async def make(name: str, lines: str) -> tuple[Builder, BuildRequest]:
        context = tmp_path / "user-images" / name
        shutil.copytree(image.directory, context, ignore=shutil.ignore_patterns("tests"))
        with (context / "Dockerfile").open("a") as file:
            file.write(f"{lines}\n")
        called = ImageReference(f"localhost:1/{name}", "c1")
        return bench.builder, await bench.request(replace(image, directory=context), called, {}, push=False)

    return make


async def test_what_keeps_people_from_working_is_found(earth: Earth) -> None:
    async def fault(number: int, lines: str) -> BuildError:
        return await fails(
            *await earth(f"broken{number}", lines.replace("{site}", SITE).replace("{instead}", INSTEAD)), SEAT
        )

    errors = await asyncio.gather(*(fault(number, lines) for number, lines in enumerate(FAULTS)))
    wanted = [text.format(f"broken{number}") for number, text in enumerate(FAULTS.values())]
    assert [error.what for error in errors] == wanted
    assert "ImportError: broken" in errors[3].why


async def test_an_entrypoint_that_does_not_become_the_server_is_found(earth: Earth) -> None:
    builder, request = await earth("entered", "")
    with pytest.raises(BuildError, match=r'started by ENTRYPOINT \["true"\], does not start') as caught:
        await smoke(builder, request, [SEAT], show, entrypoint=["true"])
    assert caught.value.hint.startswith("Without the ENTRYPOINT it starts.")


async def test_what_a_reviewer_should_know_is_noted(earth: Earth) -> None:
    request = await earth("noted", "RUN touch /home/jovyan/readme.txt\nENV HOME=/tmp")
    found = await smoke(*request, [replace(SEAT, hub_version="", unknown="no chart")], show)
    assert found.notes == (
        "people do not see readme.txt of /home/jovyan: their volume is mounted over it",
        "what people keep in /tmp is lost with their server: their volume is mounted at /home/jovyan",
        "whether it fits the hub's version is not known: no chart",
    )


async def test_earth_does_what_hubs_and_its_notebooks_ask() -> None:
    fleet = load_fleet(PROJECT)
    bench = await machine.load_workshop(show).bench()
    called = ImageReference("localhost:1/earth", "c1")
    request = await bench.request(fleet.images["earth"], called, {}, push=False)
    seats = find_seats(fleet, "earth")
    assert [seat.hub for seat in seats] == ["earthhub", "staginghub"]
    entrypoint = await read_entrypoint(request, Registry())
    assert entrypoint == Present(("tini", "-g", "--", "start-with-course"))
    found = await smoke(bench.builder, request, seats, show, entrypoint=entrypoint.value)
    assert (found.notebooks, found.cells, found.singleuser[:2], found.notes) == (1, 4, "5.", ())
    assert {"numpy", "jupyterhub"} <= {package.name for package in found.packages if package.kind == "python"}
