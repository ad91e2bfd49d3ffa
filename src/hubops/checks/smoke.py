"""An image tested before it is trusted: in a container without network, as its user, with a fresh home.

BuildKit does it as one more step of the image's build, so this works wherever images are built, before
anything is pushed, and an image that did well is not tried again.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

from hubops.checks.cells import find_kernel, parse_notebook
from hubops.checks.image_judge import find_image_faults, find_notes, read_packages
from hubops.checks.proof_model import Notebook
from hubops.checks.smoke_judge import find_faults, find_silent, join, unusable
from hubops.checks.trial_model import Trial
from hubops.clients.build_context import copy_context
from hubops.clients.builder import Builder, BuildRequest
from hubops.desired.seat_model import Seat
from hubops.errors import BuildError, ProgramError
from hubops.events import Emit, Line, step

NOTEBOOK_LIMIT_S = 600.0
_NAME = "hubops-smoke"  # of the named context, the secret and the answer
_ANSWER = f"/tmp/{_NAME}.json"  # noqa: S108 - in the container
_SCRIPTS = ("image_facts.py", "server_runner.py", "cell_runner.py")
_RUN = f"RUN --network=none --mount=type=bind,from={_NAME},target=/mnt/{_NAME}"
_SECRET = f" --mount=type=secret,id={_NAME},mode=0444"


@dataclass(frozen=True)
class _Order:
    """What is tried in the image, and how; `entrypoint` is what it starts every command with."""

    request: BuildRequest
    notebooks: Sequence[Notebook]
    seats: Sequence[Seat]
    entrypoint: Sequence[str]
    limit_s: float

    @property
    def mounts(self) -> list[str]:
        return sorted({seat.home for seat in self.seats if seat.home})

    @property
    def look(self) -> str:
        """Find out what the image has."""
        return f"{_RUN} {json.dumps(['python3', f'/mnt/{_NAME}/image_facts.py', _ANSWER, *self.mounts])}"

    @property
    def work(self) -> str:
        """Find out what works in it, with people's volumes as empty as on their first day."""
        # Not a tmpfs, which would be root's alone. What is written is thrown away.
        fresh = "".join(f" --mount=type=bind,from={_NAME},source=home,target={m},rw" for m in self.mounts)
        return f"{_RUN}{_SECRET}{fresh} {json.dumps(['python3', f'/mnt/{_NAME}/cell_runner.py', _ANSWER])}"


@dataclass(frozen=True)
class _Outcome:
    """What came of it; `trial.cached` when it is what an earlier run gave."""

    trial: Trial
    faults: Sequence[BuildError]


async def smoke(
    builder: Builder,
    request: BuildRequest,
    seats: Sequence[Seat],
    emit: Emit,
    *,
    entrypoint: Sequence[str] = (),
    limit_s: float = NOTEBOOK_LIMIT_S,
) -> Trial:
    """Try in an image what the hubs in `seats` ask of it, and run `tests/*.ipynb` of its context.

    `request` is the one the image is built with, for its steps are then in BuildKit's cache; nothing is
    pushed whatever it says. People's server is started by `entrypoint`, as on a hub. Each notebook has a kernel of
    its own and `limit_s`. An image that no hub gives to people and that has no notebooks is only looked into.

    Raises:
        BuildError: the image does not do what it must; names what, or the notebook, the cell, its source, the error.
        RepositoryError: a notebook cannot be read.
        as `Builder.build` where the image itself cannot be built.
    """
    with step(emit, title(request.context.name)) as note:
        order = _Order(request, _load(request.context), seats, entrypoint, limit_s)
        if not (order.notebooks or seats):
            note.text = "no hub gives it to people, and it has no notebooks"
            return await _look(builder, order, emit)
        outcome = await _attempt(builder, order, emit)
        if outcome.faults and outcome.trial.cached:
            # Only what went well is known for good; a failure may have come from outside.
            outcome = await _attempt(builder, order, emit, again=uuid4().hex)
        if outcome.faults:
            raise join(outcome.faults)
        note.text = describe(outcome.trial)
        return outcome.trial


def title(image: str) -> str:
    """How the step is called."""
    return f"test of the image {image}"


def describe(trial: Trial) -> str:
    """What was tried, in words."""
    told = [f"JupyterHub {trial.singleuser} starts"] if trial.singleuser else []
    told += [f"{trial.cells} cells of {trial.notebooks} notebooks did well"] if trial.notebooks else []
    return ", ".join([*told, *(["as in an earlier run"] if trial.cached else [])])


def _load(context: Path) -> list[Notebook]:
    notebooks = []
    for path in sorted((context / "tests").glob("*.ipynb")):
        name, text = f"user-images/{context.name}/tests/{path.name}", path.read_text("utf-8", "replace")
        notebooks.append(Notebook(name, cells=parse_notebook(text, name), kernel=find_kernel(text)))
    return notebooks


async def _look(builder: Builder, order: _Order, emit: Emit) -> Trial:
    """What is in the image; where it has no Python, that nobody knows."""
    try:
        said, _ = await _run(builder, order, order.look, emit)
        return Trial(packages=read_packages(json.loads(said)))
    except ProgramError:
        return Trial(notes=("what is in it is not known, for it has no python3 on the PATH",))
    except (ValueError, LookupError, TypeError) as error:
        raise _unreadable(order, error) from error


async def _attempt(builder: Builder, order: _Order, emit: Emit, again: str = "") -> _Outcome:
    """One build up to the run; `again` is what makes BuildKit run it although it knows the answer."""
    try:
        said, run = await _run(builder, order, f"{order.look}\n{order.work}", emit, again)
        return _judge(order, json.loads(said), run)
    except ProgramError as error:
        raise unusable(order.request.context.name, error.why) from error
    # Whatever runs in the container can write the answer too.
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unreadable(order, error) from error


async def _run(
    builder: Builder, order: _Order, instructions: str, emit: Emit, again: str = ""
) -> tuple[bytes, str]:
    """The answer from the container, and what it repeats if it is of this run and not of an earlier one."""
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}-") as name:
        # A secret's value is the one input that does not decide whether BuildKit runs a step again.
        run, context = Path(name) / "run", Path(name) / "context"
        run.write_text(uuid4().hex)
        await asyncio.to_thread(_write_context, order, again, context)
        request = replace(
            order.request,
            contexts={**order.request.contexts, _NAME: context},
            secrets={**order.request.secrets, _NAME: run},
            # With its empty directories, and one that everybody may write to.
            as_is=order.request.as_is | {_NAME},
        )
        called = title(order.request.context.name)
        said = await builder.run_after(request, instructions, _ANSWER, lambda line: emit(Line(line, called)))
        return said, run.read_text()


def _unreadable(order: _Order, error: Exception) -> BuildError:
    return unusable(order.request.context.name, f"the answer from the container cannot be read: {error!r}")


def _judge(order: _Order, answer: Any, run: str) -> _Outcome:
    image = order.request.context.name
    faults = list(find_image_faults(image, order.seats, answer, order.entrypoint))
    faults += find_faults(image, order.notebooks, answer)
    trial = Trial(
        len(order.notebooks),
        sum(len(notebook.cells) for notebook in order.notebooks),
        next((str(server["version"]) for server in answer["servers"]), ""),
        read_packages(answer),
        (*find_notes(order.seats, answer), *find_silent(order.notebooks)),
        cached=answer["run"] != run,
    )
    return _Outcome(trial, faults)


def _write_context(order: _Order, again: str, context: Path) -> None:
    """The scripts, their order, and what lies beside the notebooks; stored outputs decide no run."""
    copy_context(order.request.context / "tests", context / "files")
    (context / "files").mkdir(parents=True, exist_ok=True)
    for notebook in (context / "files").glob("*.ipynb"):
        notebook.unlink()
    notebooks = [
        {
            "name": notebook.name,
            "kernel": notebook.kernel,
            "sources": [cell.source for cell in notebook.cells],
        }
        for notebook in order.notebooks
    ]
    told = {
        "entrypoint": list(order.entrypoint),
        "commands": list(dict.fromkeys(seat.command for seat in order.seats)),
        "hub_version": max((seat.hub_version for seat in order.seats), default=""),
        "privileges": any(seat.privileges for seat in order.seats),
        "limit_s": order.limit_s,
        "again": again,
        "notebooks": notebooks,
    }
    (context / "order.json").write_text(json.dumps(told))
    for name in _SCRIPTS:
        (context / name).write_bytes(files("hubops.checks").joinpath(name).read_bytes())
    for path in (context, context / "files", *context.glob("*.*")):
        path.chmod(0o755)
    (context / "home").mkdir()
    (context / "home").chmod(0o777)
