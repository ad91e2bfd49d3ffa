"""Runs notebooks' cells inside an image under test and writes down what the kernels said; judges nothing.

hubops does not import this file: the image's own Python runs it, 3.8 or newer, with nothing but the
standard library and jupyter_client. Beside it lie order.json and files/; its argument is where to answer.
"""

import json
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict  # noqa: UP035 - for Python 3.8

HERE = Path(__file__).parent
RUN = Path("/run/secrets/hubops-smoke")
VERSION_LIMIT_S = 60
POLL_S = 1

Json = Dict[str, Any]  # noqa: UP006 - for Python 3.8


def main() -> None:
    order = json.loads((HERE / "order.json").read_text(encoding="utf-8"))
    server = ask_version("jupyterhub-singleuser") if order["singleuser"] else {"code": 0, "output": ""}
    # Without it nobody can work in the image, and most often nothing of Jupyter is there.
    notebooks = order["notebooks"] if server["code"] == 0 else []
    told = [run_notebook(notebook, order["limit_s"]) for notebook in notebooks]
    answer = {"run": RUN.read_text(encoding="utf-8"), "singleuser": server, "notebooks": told}
    Path(sys.argv[1]).write_text(json.dumps(answer), encoding="utf-8")


def ask_version(program: str) -> Json:
    command = [program, "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=VERSION_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"code": 1, "output": str(error)}
    # Its warnings are of interest only where it fails.
    return {"code": done.returncode, "output": done.stdout + (done.stderr if done.returncode else "")}


def run_notebook(notebook: Json, limit_s: float) -> Json:
    """The cells one after the other in a kernel of their own, up to the first that fails.

    The working directory is a copy of what lies beside the notebook. `fault` says why the rest did not run.
    """
    from jupyter_client.manager import (  # type: ignore[import-not-found]  # noqa: PLC0415 - see main
        start_new_kernel,
    )

    sys.stdout.write(f"{notebook['name']}\n")
    sys.stdout.flush()
    end = time.monotonic() + limit_s
    told: Json = {"cells": [], "fault": ""}
    folder = Path(tempfile.mkdtemp()) / "tests"
    shutil.copytree(str(HERE / "files"), str(folder), symlinks=True)
    try:
        manager, client = start_new_kernel(limit_s, notebook["kernel"], cwd=str(folder))
    except (LookupError, RuntimeError, OSError) as error:  # unknown, dead or late, not to be executed
        return {**told, "fault": f"no kernel {notebook['kernel']}: {type(error).__name__}: {error}"}
    try:
        for source in notebook["sources"]:
            cell: Json = {"messages": []}
            cell["id"] = client.execute(source, store_history=False, allow_stdin=False)
            told["cells"].append(cell)
            if not run_cell(cell, manager, client, end):
                break
    except (TimeoutError, queue.Empty):
        told["fault"] = f"the notebook was not done within {limit_s:g} s"
    finally:
        manager.shutdown_kernel(now=True)
    return told


def run_cell(cell: Json, manager: Any, client: Any, end: float) -> bool:
    """Note all that answers the cell, and tell whether the next one may run.

    Raises:
        TimeoutError, queue.Empty: it is not done at `end`.
    """
    idle = False
    while not idle:
        if time.monotonic() > end:
            raise TimeoutError
        try:
            message = client.get_iopub_msg(timeout=POLL_S)
        except queue.Empty:
            if manager.is_alive():
                continue
            note(cell, {"header": {"msg_type": "status"}, "content": {"execution_state": "dead"}})
            return False
        note(cell, message)
        # A kernel that has just started is idle too, but not after this cell.
        mine = message["parent_header"].get("msg_id") == cell["id"]
        idle = mine and message["content"].get("execution_state") == "idle"
    reply: Json = {"parent_header": {}}
    # Answers to what start_new_kernel asked may come late.
    while reply["parent_header"].get("msg_id") != cell["id"]:
        reply = client.get_shell_msg(timeout=max(POLL_S, end - time.monotonic()))
    note(cell, reply)
    return bool(reply["content"]["status"] == "ok")


def note(cell: Json, message: Json) -> None:
    """Keep of a message what `Collector` in hubops.clients.jupyter reads."""
    parent = {"msg_id": message.get("parent_header", {}).get("msg_id")}
    header = {"msg_type": message["header"]["msg_type"]}
    cell["messages"].append({"header": header, "parent_header": parent, "content": message["content"]})


if __name__ == "__main__":
    main()
