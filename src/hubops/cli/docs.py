"""Building the repository's documentation, where it has one."""

import importlib.util
import sys
import tempfile
from pathlib import Path

from hubops.clients import process
from hubops.errors import MachineError
from hubops.events import Emit, Line, step
from hubops.local import paths


async def build_docs(root: Path, emit: Emit) -> bool:
    """Build docs/ with Sphinx, warnings being failures; False where there is no docs/conf.py.

    What is built is thrown away: it is a check.

    Raises:
        ProgramError: Sphinx fails or warns.
        MachineError: there is no Sphinx.
    """
    if not (root / "docs" / "conf.py").is_file():
        return False
    with step(emit, "docs"), tempfile.TemporaryDirectory(prefix="hubops-docs-") as directory:
        words = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", f"{directory}/doctrees"]
        await process.run(
            [await _python(), *words, root / "docs", f"{directory}/html"],
            on_line=lambda line: emit(Line(line)),
            hint="Correct the pages that it names.",
        )
    return True


async def _python() -> str:
    """A Python that has Sphinx: this one, or the environment that the checkout has for it."""
    if importlib.util.find_spec("sphinx"):
        return sys.executable
    bootstrap = paths.project_dir() / "toolchain" / "bootstrap.py"
    if not bootstrap.is_file():
        raise MachineError("Sphinx is not installed", hint="Install it: pip install 'hubops[docs]'")
    return (await process.run([sys.executable, bootstrap, "python", "docs"])).strip()
