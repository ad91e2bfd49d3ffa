"""Starts people's server and runs notebooks' cells inside an image under test; writes down what it sees.

hubops does not import this file: the image's own Python runs it, 3.8 or newer, with nothing but the
standard library and jupyter_client. Beside it lie order.json and files/; its argument is the answer of
image_facts.py, to which it adds.
"""

import ctypes
import json
import queue
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict  # noqa: UP035 - for Python 3.8

from image_facts import find_home, try_to_write  # type: ignore[import-not-found]  # it lies beside this file
from server_runner import try_server  # type: ignore[import-not-found]  # so does this

HERE = Path(__file__).parent
RUN = Path("/run/secrets/hubops-smoke")
SERVER_LIMIT_S = 60
POLL_S = 1
MOST_CHARACTERS = 20_000_000  # of a cell's outputs
PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h

Json = Dict[str, Any]  # noqa: UP006 - for Python 3.8


def main() -> None:
    answer, order = Path(sys.argv[1]), json.loads((HERE / "order.json").read_text(encoding="utf-8"))
    if not order["privileges"]:
        # As in a pod with allowPrivilegeEscalation: false, sudo and the like are of no use from here on.
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    how = (order["entrypoint"], order["hub_version"], SERVER_LIMIT_S)
    servers = [try_server(command, *how) for command in order["commands"]]
    # Where none starts nobody can work in the image, and most often nothing of Jupyter is there.
    notebooks = [] if any(server["fault"] for server in servers) else order["notebooks"]
    told: Json = json.loads(answer.read_text(encoding="utf-8"))
    told["fresh_home_fault"] = try_to_write(find_home())
    told["servers"] = servers
    told["notebooks"] = [run_notebook(notebook, order["limit_s"]) for notebook in notebooks]
    told["run"] = RUN.read_text(encoding="utf-8")
    answer.write_text(json.dumps(told), encoding="utf-8")


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
            cell: Json = {"messages": [], "characters": 0}
            cell["id"] = client.execute(source, store_history=False, allow_stdin=False)
            told["cells"].append(cell)
            if not run_cell(cell, manager, client, end):
                break
    except (TimeoutError, queue.Empty):
        told["fault"] = f"the notebook was not done within {limit_s:g} s"
    except OverflowError:
        told["cells"][-1]["messages"] = []
        told["fault"] = f"it gave more than {MOST_CHARACTERS // 1_000_000} MB of outputs"
    finally:
        manager.shutdown_kernel(now=True)
    return told


def run_cell(cell: Json, manager: Any, client: Any, end: float) -> bool:
    """Note all that answers the cell, and tell whether the next one may run.

    Raises:
        TimeoutError, queue.Empty: it is not done at `end`.
        OverflowError: it gives more than can be kept.
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
    """Keep of a message what `Collector` in hubops.clients.jupyter reads.

    Raises:
        OverflowError: the cell gives more than can be kept.
    """
    cell["characters"] += len(str(message["content"]))
    if cell["characters"] > MOST_CHARACTERS:
        raise OverflowError
    parent = {"msg_id": message.get("parent_header", {}).get("msg_id")}
    header = {"msg_type": message["header"]["msg_type"]}
    cell["messages"].append({"header": header, "parent_header": parent, "content": message["content"]})


if __name__ == "__main__":
    main()
