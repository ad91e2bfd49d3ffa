"""What the runner in an image's container tells, compared with what the image's notebooks store. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubops.checks.cells import find_fault, last_line, locate
from hubops.checks.proof_model import Notebook
from hubops.clients.jupyter import Collector
from hubops.errors import BuildError

_HINT = "Correct the image's Dockerfile or packages, or the notebook, with the outputs stored in it."


def find_faults(image: str, notebooks: Sequence[Notebook], answer: Mapping[str, Any]) -> Iterator[BuildError]:
    """All that is wrong, at most one for each notebook.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: the answer is not one of the runner's.
    """
    if any(server["fault"] for server in answer["servers"]):
        return  # then none was run
    for notebook, told in zip(notebooks, answer["notebooks"], strict=True):
        if fault := _find_fault(image, notebook, told):
            yield fault


def find_silent(notebooks: Sequence[Notebook]) -> Iterator[str]:
    """Notes on those with which nothing is compared."""
    for notebook in notebooks:
        if all((cell.stdout, cell.result, cell.png) == (None, None, None) for cell in notebook.cells):
            yield f"{notebook.name} stores no outputs: it must only run to its end"


def join(faults: Sequence[BuildError]) -> BuildError:
    """The first, which names the others."""
    first, *others = faults
    first.why = "\n".join([first.why, *(f"besides: {other.what}" for other in others)])
    return first


def unusable(image: str, why: str) -> BuildError:
    """The error for an image in which not even the test works."""
    return BuildError(
        f"the image {image} cannot be tested",
        where=f"user-images/{image}",
        why=why,
        hint="It takes python3 on the PATH of the image's user, with jupyter_client and ipykernel where there are"
        " notebooks (install jupyterlab), and a /tmp that everybody may write to.",
    )


def _find_fault(image: str, notebook: Notebook, told: Mapping[str, Any]) -> BuildError | None:
    if not told["cells"]:
        what = f"{notebook.name} does not start in the image {image}: {last_line(told['fault'])}"
        return BuildError(what, where=notebook.name, why=told["fault"], hint=_HINT)
    # Cells after one that failed are missing.
    for cell, ran in zip(notebook.cells, told["cells"], strict=False):
        collector = Collector(ran["id"])
        for message in ran["messages"]:
            collector.add(message)
        fault = find_fault(cell, collector.ran) if collector.done else told["fault"] or "it did not end"
        if fault:
            what = f"cell {cell.number} of {notebook.name} fails in the image {image}: {last_line(fault)}"
            return BuildError(what, where=locate(notebook.name, cell), why=fault, hint=_HINT)
    if len(told["cells"]) != len(notebook.cells):
        raise ValueError(f"cells of {notebook.name} are missing")
    return None
