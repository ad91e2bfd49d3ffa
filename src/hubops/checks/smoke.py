"""An image's own notebooks, run in it before it is trusted: in a container without network, as its user.

BuildKit runs them as one more step of the image's build, so this works wherever images are built, before
anything is pushed, and an image with notebooks that did well is not run again.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

from hubops.checks.cells import find_kernel, parse_notebook
from hubops.checks.proof_model import Notebook, Smoke
from hubops.checks.smoke_judge import find_faults, join, unusable
from hubops.clients.build_context import copy_context
from hubops.clients.builder import Builder, BuildRequest
from hubops.errors import BuildError, ProgramError
from hubops.events import Emit, Line, step

NOTEBOOK_LIMIT_S = 600.0
_NAME = "hubops-smoke"  # of the named context, the secret and the answer
_ANSWER = f"/tmp/{_NAME}.json"  # noqa: S108 - in the container
_INSTRUCTION = (
    f"RUN --network=none --mount=type=bind,from={_NAME},target=/mnt/{_NAME}"
    f" --mount=type=secret,id={_NAME},mode=0444"
    f' ["python3", "/mnt/{_NAME}/cell_runner.py", "{_ANSWER}"]'
)


@dataclass(frozen=True)
class _Order:
    """What is run in the image, and how."""

    request: BuildRequest
    notebooks: Sequence[Notebook]
    singleuser: bool
    limit_s: float


@dataclass(frozen=True)
class _Outcome:
    """What came of it; `cached` when it is what an earlier run gave."""

    singleuser: str
    faults: Sequence[BuildError]
    cached: bool


async def smoke(
    builder: Builder,
    request: BuildRequest,
    emit: Emit,
    *,
    singleuser: bool,
    limit_s: float = NOTEBOOK_LIMIT_S,
) -> Smoke:
    """Run `tests/*.ipynb` of an image's context in the image; each has a kernel of its own and `limit_s`.

    `request` is the one the image is built with, for its steps are then in BuildKit's cache; nothing is
    pushed whatever it says. With `singleuser` the image must have a working jupyterhub-singleuser too.

    Raises:
        BuildError: the image does not do what it must; names the notebook, the cell, its source, the error.
        RepositoryError: a notebook cannot be read.
        as `Builder.build` where the image itself cannot be built.
    """
    with step(emit, f"smoke notebooks of {request.context.name}") as note:
        order = _Order(request, _load(request.context), singleuser, limit_s)
        if not (order.notebooks or singleuser):
            note.text = "it has none"
            return Smoke()
        outcome = await _attempt(builder, order, emit)
        if outcome.faults and outcome.cached:
            # Only what went well is known for good; a failure may have come from outside.
            outcome = await _attempt(builder, order, emit, again=uuid4().hex)
        if outcome.faults:
            raise join(outcome.faults)
        cells = sum(len(notebook.cells) for notebook in order.notebooks)
        told = [f"{cells} cells of {len(order.notebooks)} notebooks did well"] if cells else []
        told += [f"jupyterhub-singleuser {outcome.singleuser}"] if singleuser else []
        note.text = ", ".join([*told, *(["as in an earlier run"] if outcome.cached else [])])
        return Smoke(len(order.notebooks), cells, outcome.singleuser, outcome.cached)


def _load(context: Path) -> list[Notebook]:
    notebooks = []
    for path in sorted((context / "tests").glob("*.ipynb")):
        name, text = f"user-images/{context.name}/tests/{path.name}", path.read_text("utf-8", "replace")
        notebooks.append(Notebook(name, cells=parse_notebook(text, name), kernel=find_kernel(text)))
    return notebooks


async def _attempt(builder: Builder, order: _Order, emit: Emit, again: str = "") -> _Outcome:
    """One build up to the run; `again` is what makes BuildKit run it although it knows the answer."""
    image = order.request.context.name
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}-") as name:
        # A secret's value is the one input that does not decide whether BuildKit runs a step again.
        run, context = Path(name) / "run", Path(name) / "context"
        run.write_text(uuid4().hex)
        await asyncio.to_thread(_write_context, order, again, context)
        request = replace(
            order.request,
            contexts={**order.request.contexts, _NAME: context},
            secrets={**order.request.secrets, _NAME: run},
        )
        try:
            said = await builder.run_after(request, _INSTRUCTION, _ANSWER, lambda line: emit(Line(line)))
            answer = json.loads(said)
            faults = list(find_faults(image, order.notebooks, answer))
            return _Outcome(answer["singleuser"]["output"].strip(), faults, answer["run"] != run.read_text())
        except ProgramError as error:
            raise unusable(image, error.why) from error
        # Whatever runs in the container can write the answer too.
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise unusable(image, f"the answer from the container cannot be read: {error!r}") from error


def _write_context(order: _Order, again: str, context: Path) -> None:
    """The runner, its order, and what lies beside the notebooks; stored outputs decide no run."""
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
    told = {"singleuser": order.singleuser, "limit_s": order.limit_s, "again": again}
    (context / "order.json").write_text(json.dumps({**told, "notebooks": notebooks}))
    (context / "cell_runner.py").write_bytes(files("hubops.checks").joinpath("cell_runner.py").read_bytes())
    for path in (context, context / "files", context / "order.json", context / "cell_runner.py"):
        path.chmod(0o755)
