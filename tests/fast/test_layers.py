"""The house (docs/adr/0001): who may import whom, and where I/O may happen."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hubops"
STAGES = ["desired", "state", "plan", "execute", "checks", "report"]
LEAVES = {"errors", "answer", "secret", "names", "digest", "deadline", "events"}
IO_STAGES = {"state", "execute", "checks"}
EDGES = {"cli", "local", "scaffold", "dashboard"}
PURE_STAGES = {"desired", "plan", "report"}
# These of desired/ read files: they are handed the directory. files: YAML, each once; repository: which hubs and
# images there are; image_files: what these are made of; images: what decides an image; charts: what a chart takes,
# unpacked or packed; keys: the schemas that the package brings along;
# manifests/api: what it brings along of Kubernetes.
FILE_READERS = {
    "desired/files.py",
    "desired/repository.py",
    "desired/image_files.py",
    "desired/images.py",
    "desired/charts.py",
    "desired/keys.py",
    "desired/manifests/api.py",
}
READING = {
    "read_text",
    "read_bytes",
    "open",
    "iterdir",
    "glob",
    "rglob",
    "is_file",
    "is_dir",
    "exists",
    "stat",
}
IMPURE = {
    "os",
    "time",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "asyncio",
    "httpx2",
    "shutil",
    "tempfile",
    "uuid",
}
STANDARD_ONLY_LEAVES = LEAVES | {"local.paths", "local.host", "local.preflight", "local.runc_caps"}

MODULES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, whole names; TYPE_CHECKING and lazy imports included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[tuple[str, ...]]:
    names = {name.removeprefix("hubops.") for name in imports(path) if name.startswith("hubops.")}
    known = {tuple(n.split(".")) for n in names}
    return {n for n in known if (SOURCE.joinpath(*n).with_suffix(".py")).exists()}


def place(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def may_import(importer: Path, imported: tuple[str, ...]) -> bool:
    here, there = place(importer), imported[0]
    if there in LEAVES or here == there:
        return True
    if here in LEAVES or here == "clients":
        return False
    if here in STAGES and there == "clients":
        return here in IO_STAGES and not importer.name.endswith("model.py")
    if here in STAGES:
        return there in STAGES and STAGES.index(there) < STAGES.index(here) and imported[-1].endswith("model")
    if here == "run":
        return there in STAGES or there == "clients"
    return here in EDGES and (here == "cli" or there in {"clients", "run", *STAGES})


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    wrong = [
        ".".join(name)
        for name in own_imports(path)
        if path.name != "__init__.py" and not may_import(path, name)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_pure_stages_and_models_do_no_input_or_output(path: Path) -> None:
    name = path.relative_to(SOURCE).as_posix()
    if name in FILE_READERS or not (place(path) in PURE_STAGES or path.name.endswith("model.py")):
        return
    roots = {module.split(".")[0] for module in imports(path)}
    assert roots & IMPURE == set()
    called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert called & READING == set()


def test_leaves_and_the_bootstrap_use_the_standard_library_only() -> None:
    foreign = {"click", "httpx2", "jsonschema_rs", "rich", "uvicorn", "yaml"}
    for dotted in STANDARD_ONLY_LEAVES:
        path = SOURCE.joinpath(*dotted.split(".")).with_suffix(".py")
        assert {module.split(".")[0] for module in imports(path)} & foreign == set(), dotted


def test_the_list_of_start_needs_no_package() -> None:
    """It is printed before there is an environment, by all that it imports in turn."""
    code = f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import hubops.local.preflight"
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], check=True)


def test_no_package_lives_outside_the_house() -> None:
    places = {place(path) for path in MODULES}
    assert places <= {*STAGES, *LEAVES, *EDGES, "clients", "run", "__init__"}
