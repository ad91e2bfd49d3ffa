"""Serves the directory of a hub's database, and what the hub says of it (ask.py).

Arguments: those of volume/server.py, then those that JupyterHub itself is started with.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..volume.server import Handler as VolumeHandler
from ..volume.server import Routes, serve

_SHOWN = 12  # lines of what a hub says before it ends


class Handler(VolumeHandler):
    """Besides what can be asked of a volume: /answer."""

    def writes(self) -> Routes:
        return {**super().writes(), "/answer": self._ask}

    def _ask(self, _: dict[str, str], question: bytes) -> None:
        self.answer_slowly(lambda: _answer(self.server.root, question))


def _answer(root: Path, question: bytes) -> dict[str, Any]:
    """What ask.py writes; a hub that is not made ready is an `error`, with the end of what it said."""
    with tempfile.TemporaryDirectory() as directory:
        asked, answer, said = (Path(directory) / name for name in ("question", "answer", "said"))
        asked.write_bytes(question)
        command = [sys.executable, "-m", f"{__package__}.ask", str(asked), str(answer), *sys.argv[4:]]
        with said.open("wb") as out:
            # The configuration is what it is: its lines would go to the pod's log, where others read.
            subprocess.run(command, cwd=root, stdout=out, stderr=out, check=False)
        with contextlib.suppress(OSError):
            found: dict[str, Any] = json.loads(answer.read_text())
            return found
        return {"error": "\n".join(said.read_text(errors="replace").splitlines()[-_SHOWN:])}


if __name__ == "__main__":
    serve(Handler)
