"""Programs of ours that run in a pod of somebody else's image: sent there as source, in the pod's command."""

import json
from importlib.resources import files

# The packages arrive as JSON, and become what they are here: packages side by side in one.
_BEGIN = """
import json, os, pathlib, runpy, sys
top = pathlib.Path("/tmp/code")
for name, text in json.loads(sys.argv.pop(1)).items():
    file = top / "sent" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(top), os.environ.get("PYTHONPATH")]))
sys.path.insert(0, str(top))
runpy.run_module("sent." + sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def sent_command(module: str, *packages: str) -> list[str]:
    """The command that runs a module of these packages of execute/; it needs python3, and a /tmp to write to."""
    here = files("hubops.execute")
    code = {
        f"{package}/{file.name}": file.read_text(encoding="utf-8")
        for package in packages
        for file in here.joinpath(package).iterdir()
        if file.name.endswith(".py")
    }
    return ["python3", "-c", _BEGIN, json.dumps(code), module]
