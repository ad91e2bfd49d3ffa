"""Writes down, inside an image under test, what is in it and what its user may do; judges nothing.

hubops does not import this file: the image's own Python runs it, 3.8 or newer, with nothing but the
standard library. Its arguments are where to answer, and where hubs mount homes.
"""

import json
import os
import pwd
import sys
import sysconfig
import tempfile
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any, Dict, Iterator, List  # noqa: UP035 - for Python 3.8

DPKG = Path("/var/lib/dpkg/status")
OS_RELEASE = Path("/etc/os-release")
CONDA = ("/opt/conda", "/srv/conda", "/opt/mambaforge", "/opt/miniforge3")

Json = Dict[str, Any]  # noqa: UP006 - for Python 3.8


def main() -> None:
    answer, *mounts = sys.argv[1:]
    facts: Json = {
        "uid": os.getuid(),
        "account": find_account(),
        "home": find_home(),
        "home_fault": try_to_write(find_home()),
        "hidden": {mount: list_hidden(Path(mount)) for mount in mounts},
        "packages": find_packages(),
    }
    Path(answer).write_text(json.dumps(facts), encoding="utf-8")


def find_account() -> str:
    """The name that the image's user has; "" when it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def find_home() -> str:
    """As every program finds it; "~" where there is none."""
    return os.path.expanduser("~")  # noqa: PTH111 - a Path's fails without one


def try_to_write(directory: str) -> str:
    """Why nothing can be written there; "" when it can."""
    try:
        with tempfile.TemporaryFile(dir=directory):
            return ""
    except OSError as error:
        return str(error)


def list_hidden(home: Path) -> List[str]:  # noqa: UP006 - for Python 3.8
    """What a volume mounted there hides, but for dot files, which every new home has."""
    try:
        return sorted(f"{path.name}/" if path.is_dir() else path.name for path in visible(home))
    except OSError:
        return []


def visible(home: Path) -> Iterator[Path]:
    return (path for path in home.iterdir() if not path.name.startswith("."))


def find_packages() -> List[List[str]]:  # noqa: UP006 - for Python 3.8
    """Kind, name and version of all that a package manager put here, in order, each once."""
    found = chain(find_python(), find_debian(), find_conda(), find_npm())
    return [list(package) for package in sorted({tuple(each) for each in found if all(each)})]


def find_python() -> Iterator[List[str]]:  # noqa: UP006 - for Python 3.8
    # Not the path of this script: a package is what is installed.
    for found in metadata.distributions(path=[path for path in sys.path[1:] if path]):
        yield ["python", (found.metadata["Name"] or "").lower().replace("_", "-"), found.version]


def find_debian() -> Iterator[List[str]]:  # noqa: UP006 - for Python 3.8
    text = DPKG.read_text(encoding="utf-8", errors="replace") if DPKG.is_file() else ""
    for paragraph in text.split("\n\n"):
        lines = (line.partition(": ") for line in paragraph.splitlines() if line[:1].strip())
        fields = {name: value for name, _, value in lines}
        if fields.get("Status", "").endswith(" installed"):
            yield [find_distribution(), fields.get("Package", ""), fields.get("Version", "")]


def find_distribution() -> str:
    """Whose packages those of dpkg are, e.g. ubuntu."""
    text = OS_RELEASE.read_text(encoding="utf-8") if OS_RELEASE.is_file() else ""
    lines = dict(line.partition("=")[::2] for line in text.splitlines())
    return lines.get("ID", "").strip("\"'") or "debian"


def find_conda() -> Iterator[List[str]]:  # noqa: UP006 - for Python 3.8
    roots = {Path(name) for name in (sys.prefix, os.environ.get("CONDA_DIR", ""), *CONDA) if name}
    for root in roots:
        for record in chain(root.glob("conda-meta/*.json"), root.glob("envs/*/conda-meta/*.json")):
            about = read_json(record)
            yield ["conda", str(about.get("name") or ""), str(about.get("version") or "")]


def find_npm() -> Iterator[List[str]]:  # noqa: UP006 - for Python 3.8
    for prefix in {"/usr", "/usr/local", sysconfig.get_path("data")}:
        modules = Path(prefix) / "lib" / "node_modules"
        for record in chain(modules.glob("*/package.json"), modules.glob("@*/*/package.json")):
            about = read_json(record)
            yield ["npm", str(about.get("name") or ""), str(about.get("version") or "")]


def read_json(file: Path) -> Json:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    main()
