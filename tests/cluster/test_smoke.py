"""Smoke notebooks run by a real BuildKit in a small image with a kernel."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.conftest import PROJECT, show
from hubops.checks.proof_model import Smoke
from hubops.checks.smoke import smoke
from hubops.cli import machine
from hubops.clients.builder import Builder, BuildRequest
from hubops.errors import BuildError
from hubops.events import Event, StepEnded

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
SINGLEUSER = """\
COPY --chmod=755 <<END /usr/bin/jupyterhub-singleuser
#!/bin/sh
echo 5.5.1
END
"""

Cells = list[tuple[str, str]]
Image = Callable[..., BuildRequest]


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


async def run(builder: Builder, request: BuildRequest, *, singleuser: bool = False) -> Smoke:
    return await smoke(builder, request, show, singleuser=singleuser)


async def does_well(builder: Builder, request: BuildRequest, *, singleuser: bool = False) -> Smoke:
    """What is found, whether or not BuildKit knows it from an earlier run of these tests."""
    return replace(await run(builder, request, singleuser=singleuser), cached=False)


async def fails(
    builder: Builder, request: BuildRequest, *, singleuser: bool = False, limit_s: float = 60
) -> BuildError:
    with pytest.raises(BuildError) as caught:
        await smoke(builder, request, show, singleuser=singleuser, limit_s=limit_s)
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
    assert await does_well(builder, request) == Smoke(notebooks=2, cells=3)


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


async def test_a_users_image_has_a_working_singleuser(builder: Builder, image: Image) -> None:
    request = image()
    error = await fails(builder, request, singleuser=True)
    assert error.what == "the image small has no jupyterhub-singleuser that works"
    assert "No such file" in error.why
    request = image(DOCKERFILE + SINGLEUSER)
    assert await does_well(builder, request, singleuser=True) == Smoke(singleuser="5.5.1")


async def test_an_image_without_notebooks_is_not_even_built(builder: Builder, image: Image) -> None:
    events: list[Event] = []
    assert await smoke(builder, image("FROM nowhere"), events.append, singleuser=False) == Smoke()
    assert [event.note for event in events if isinstance(event, StepEnded)] == ["it has none"]


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


async def test_earth_does_what_its_notebooks_ask() -> None:
    bench = await machine.load_workshop(show).bench()
    request = bench.request(PROJECT / "user-images" / "earth", "localhost:1/earth:c1", push=False)
    found = await smoke(bench.builder, request, show, singleuser=True)
    assert (found.notebooks, found.cells, found.singleuser[:2]) == (1, 4, "5.")
