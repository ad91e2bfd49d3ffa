"""The documentation, done as it says: every command is run, every block of values is rendered, every link leads somewhere.

A page is read as Markdown. In a `console` block the lines behind `$ ` are run, and those below must occur in what they
print, in that order, `…` standing for anything; `# exits 20` behind a command says how it ends. A block with a path for a
caption is that file: with `<hub>` in it an example, else it is written. A `text` block of class `message` quotes what
hubops may say, one of class `printed` what a command before it did.
"""

import ast
import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
import yaml
from markdown_it import MarkdownIt

from charts import JUPYTERHUB, Values, required_values
from cluster.conftest import NAME, PROJECT, Cluster, Fleet, show
from cluster.object_store import serve_store
from cluster.test_chart_render import template
from hubops.clients import process
from hubops.desired.model import ImageReference
from hubops.desired.repository import load_fleet
from hubops.desired.values import image_names, merge, render_values
from hubops.local.toolchain import require_tool

DOCS = PROJECT / "docs"
NEW_HUB = "workshop"
EXAMPLE = "earthhub"
COMMAND_LIMIT_S = 180

# Commands that no test of a page can run, with the reason; nothing else may be left out.
NOT_RUN = {
    "sudo ./start": "brings up a bare machine; test_start.py does that",
    "./test": "is what runs this",
}
# What these pages do or quote began on others; each page can be run alone.
GOES_ON_FROM = {
    "new-hub.md": ["deployment-workflow.md"],
    "change-and-remove.md": ["new-hub.md"],
    "deploy-py.md": ["README.md", "deployment-workflow.md"],
    "troubleshooting.md": ["deployment-workflow.md"],
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `text` is without the options of its directive."""

    page: Path
    line: int
    language: str
    caption: str
    kind: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


@dataclass(frozen=True)
class Step:
    """A command of a console block, how it is to end, and the lines that it is to print."""

    command: str
    code: int
    shown: list[str] = field(default_factory=list)


def read_blocks(page: Path) -> list[Block]:
    return [
        read_block(page, token.map[0] + 1 if token.map else 0, token.info, token.content)
        for token in MarkdownIt("commonmark").parse(page.read_text())
        if token.type in {"fence", "code_block"}
    ]


def read_block(page: Path, line: int, info: str, content: str) -> Block:
    directive = re.fullmatch(r"\{code-block\} (\w+)", info)
    if not directive:
        named = re.match(r"# (\S+)\n", content) if info == "yaml" else None
        return Block(page, line, info, named[1] if named else "", "", content)
    head, _, text = content.partition("\n\n")
    options = dict(re.findall(r"^:(\w+): (.*)$", head, re.MULTILINE))
    return Block(page, line, directive[1], options.get("caption", ""), options.get("class", ""), text)


def read_steps(block: Block) -> list[Step]:
    steps: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            code = re.search(r" # exits (\d+)$", line)
            steps.append(Step(line.removeprefix("$ "), int(code[1]) if code else 0))
        else:
            assert steps, f"{block.place}: output before the first command"
            steps[-1].shown.append(line)
    return steps


def pages() -> list[Path]:
    """The README, then every page in the order of the index."""
    index = DOCS / "index.md"
    trees = [block for block in read_blocks(index) if block.language == "{toctree}"]
    names = [name for tree in trees for name in tree.text.split("\n\n")[-1].split()]
    found = [path for name in names for path in sorted(DOCS.glob(f"{name}.md"))]
    assert {*found, index} == set(DOCS.rglob("*.md")), "a page is in no table of contents"
    return [PROJECT / "README.md", index, *found]


PAGES = pages()


def blocks(*languages: str) -> Iterator[Block]:
    return (block for page in PAGES for block in read_blocks(page) if block.language in languages)


def expression(shown: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in shown.rstrip().split("…")))


def find_missing(shown: list[str], printed: list[str]) -> str:
    """The first shown line that does not occur in what was printed, after those before it."""
    left = iter(printed)
    for line in shown:
        wanted = expression(line)
        if line.strip(" …") and not any(wanted.fullmatch(text.rstrip()) for text in left):
            return line
    return ""


async def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    words: list[str | Path] = [
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-d",
        tmp_path / "trees",
    ]
    await process.run([sys.executable, *words, DOCS, tmp_path / "html"])
    assert (tmp_path / "html" / "authentication.html").exists()


def test_no_block_escapes() -> None:
    """What is not run must not look like something to run."""
    known = {"console", "yaml", "text", "{toctree}"}
    for page in PAGES:
        for block in read_blocks(page):
            assert block.language in known, f"{block.place}: a block of {block.language or 'no language'}"
            commands = [line for line in block.text.splitlines() if line.startswith("$ ")]
            bare = block.language != "console" and block.kind != "printed" and commands
            assert not bare, f"{block.place}: commands outside a console block"
            if block.language == "text":
                assert block.kind in {"message", "printed"}, f"{block.place}: nobody checks this"
            if block.language == "yaml":
                assert block.caption, f"{block.place}: which file is this?"
    written = {step.command for block in blocks("console") for step in read_steps(block)}
    for command, reason in NOT_RUN.items():
        assert command in written, f"{command} is in no page any more"
        print(f"not run: {command} ({reason})")  # noqa: T201 - who asks what is not tested reads it here


def test_quoted_messages_are_those_of_the_code() -> None:
    files = sorted((PROJECT / "src").rglob("*.py"))
    constants = [
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    for block in blocks("text"):
        if block.kind != "message":
            continue
        for line in block.text.splitlines():
            for part in filter(None, line.split("…")):
                known = any(part in constant for constant in constants)
                assert known, f"{block.place}: hubops does not say {part!r}"


@dataclass
class Reader:
    """Somebody who follows the pages, in a clone with a remote, and remembers what was printed."""

    clone: Path
    env: dict[str, str]
    transcript: list[str] = field(default_factory=list)
    followed: list[Path] = field(default_factory=list)

    async def follow(self, page: Path) -> None:
        """Do what a page says, from a clean checkout of the main branch, and before it the pages it goes on from."""
        for earlier in (each for each in PAGES if each.name in GOES_ON_FROM.get(page.name, ())):
            if earlier not in self.followed:
                await self.follow(earlier)
        self.followed.append(page)
        await self.run(
            "git switch -q --discard-changes main && git reset -q --hard origin/main && git clean -qfd"
        )
        for block in read_blocks(page):
            if block.language == "console":
                await self.run_block(block)
            elif re.match(r"(hub-charts|secrets)/[^<]*$", block.caption):
                (self.clone / block.caption).write_text(block.text)
            elif block.kind == "printed":
                missing = find_missing(block.text.splitlines(), self.transcript)
                assert not missing, f"{block.place}: nobody printed {missing!r}"

    async def run_block(self, block: Block) -> None:
        for step in read_steps(block):
            if step.command in NOT_RUN:
                continue
            code, printed = await self.run(step.command)
            all_of_it = "\n".join(printed)
            assert code == step.code, f"{block.place}: {step.command}: exit code {code}:\n{all_of_it}"
            missing = find_missing(step.shown, printed)
            assert not missing, f"{block.place}: {step.command}: no {missing!r} there in:\n{all_of_it}"

    async def run(self, command: str) -> tuple[int, list[str]]:
        """A command in a shell of its own, at the top of the clone: its exit code, and the lines that it prints."""
        began = monotonic()
        child = await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            cwd=self.clone,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(COMMAND_LIMIT_S):
            output, _ = await child.communicate()
        print(f"{monotonic() - began:5.1f} s  $ {command}")  # noqa: T201 - shown when the test fails
        lines = output.decode().splitlines()
        self.transcript += lines
        return child.returncode or 0, lines


@pytest.fixture(scope="module")
async def reader(
    fleet: Fleet, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Reader]:
    assert EXAMPLE in fleet.hubs
    root = tmp_path_factory.mktemp("docs")
    tools = [await require_tool(name, show) for name in ("sops", "age-keygen")]
    async with serve_store(root / "store") as store:
        reader = Reader(root / "operations", {**reader_env(cluster, tools), **store.env})
        await make_clone(reader)
        yield reader
    await forget_new_hub(cluster)


async def make_clone(reader: Reader) -> None:
    """This project as it is now: a repository with one commit, and a bare `origin`.

    A value that nobody reads makes what all hubs share another than in any run before, which may have proved it.
    """
    listed = await process.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=PROJECT)
    for name in listed.splitlines():
        if (PROJECT / name).is_file():
            (reader.clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, reader.clone / name)
    shared = reader.clone / "values" / "organisation.yaml"
    shared.write_text(f"run-of-the-docs: {uuid4().hex}\n{shared.read_text()}")
    commands = (
        "git init -q --bare -b main ../origin.git",
        "git init -q -b main && git add -A && git commit -qm 'The fleet'",
        "git remote add origin ../origin.git && git push -qu origin main",
    )
    for command in commands:
        code, lines = await reader.run(command)
        assert code == 0, lines


def reader_env(cluster: Cluster, tools: list[Path]) -> dict[str, str]:
    """As an operator's shell: tools at hand, kubectl and helm pointing at the cluster, and no CI system around."""
    around = re.compile(r"CI|(GITHUB|GITLAB|TRAVIS|PYTHON|PYTEST|GIT|SOPS|HUBOPS)_?.*")
    environ = {name: value for name, value in os.environ.items() if not around.fullmatch(name)}
    programs = [str(tool.parent) for tool in (cluster.kubectl, cluster.helm, *tools)]
    people = {f"GIT_{who}_{what}": "teacher" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {
        **environ,
        **people,
        "PATH": os.pathsep.join([*programs, environ["PATH"]]),
        "KUBECONFIG": str(cluster.kubeconfig),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HUBOPS_LOCAL": NAME,
    }


async def forget_new_hub(cluster: Cluster) -> None:
    """The pages remove it; this is for those that failed before."""
    await cluster.run("delete", "namespace", NEW_HUB, "--ignore-not-found")
    await cluster.run("delete", "secret", "-n", "hubops", "-l", f"hubops.dev/hub={NEW_HUB}")
    await cluster.run("delete", "lease", "-n", "hubops", f"deploy-{NEW_HUB}", "--ignore-not-found")
    (cluster.kubeconfig.parent / "secrets" / f"{NEW_HUB}.json").unlink(missing_ok=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
async def test_a_page_does_what_it_says(reader: Reader, page: Path) -> None:
    await reader.follow(page)


EXAMPLES = list(blocks("yaml"))


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.place)
async def test_an_example_is_valid(
    block: Block, helm: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    root = make_example(tmp_path, block)
    hub = load_fleet(root).hubs[EXAMPLE]
    if not re.search(r"/(values|organisation|secrets/.*)\.yaml|^secrets/", block.caption):
        return
    chart = request.getfixturevalue("upstream_chart") if block.kind == "upstream" else JUPYTERHUB
    image = ImageReference("r.example.org/image", "c0")
    values = render_values(hub, dict.fromkeys(image_names(hub), image))
    await template(helm, chart, merge(required_values(), values[hub.prefix]))


def make_example(directory: Path, block: Block) -> Path:
    """The fleet of this project, where one file says what the block says; secrets, and what a cluster's hubs share, are values of its own here."""
    root = directory / "operations"
    shutil.copytree(PROJECT, root, ignore=shutil.ignore_patterns(".*", "src", "tests", "docs", "toolchain"))
    said: Values = yaml.safe_load(block.text.replace("RANDOM", "a" * 64))
    path = block.caption.replace("<hub>", EXAMPLE).replace("<image>", "earth")
    if path.startswith(("secrets/", "values/clusters/")):
        path = f"hub-charts/{EXAMPLE}/values.yaml"
    file = root / path.replace(NEW_HUB, EXAMPLE)
    whole = path == "hubops.yaml" or path.startswith("values/")
    below = yaml.safe_load(file.read_text()) if whole else {}
    file.write_text(json.dumps(merge(below, said)))
    return root


# Run by the Python of a hub's pod: are these traits of these classes, and do the classes take the values?
TRAITS = """
import importlib, json, sys
from importlib.metadata import entry_points
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator
from jupyterhub.crypto import CryptKeeper
from ltiauthenticator.lti11.auth import LTI11Authenticator
from ltiauthenticator.lti13.auth import LTI13Authenticator
from traitlets.config import Config

found = {cls.__name__: cls for cls in (JupyterHub, Authenticator, CryptKeeper, LTI11Authenticator, LTI13Authenticator)}
database = orm.new_session_factory("sqlite:///:memory:")()
names = {}
for entry in entry_points(group="jupyterhub.authenticators"):
    try:
        names[entry.name] = entry.load()
        found[names[entry.name].__name__] = names[entry.name]
    except ImportError:
        pass

for place, config in json.load(sys.stdin):
    for name, traits in config.items():
        unknown = set(traits) - set(found[name].class_trait_names(config=True))
        if unknown:
            print(f"{place}: {name} has no {unknown}")
        elif issubclass(found[name], Authenticator):
            try:
                found[name](db=database, config=Config({name: traits}))
            except Exception as error:
                print(f"{place}: {name}: {error}")
        elif name == "CryptKeeper":
            pass
        elif "." in traits["authenticator_class"]:
            module, _, attribute = traits["authenticator_class"].rpartition(".")
            getattr(importlib.import_module(module), attribute)
        elif traits["authenticator_class"] not in names:
            print(f"{place}: {traits['authenticator_class']} names no authenticator")
"""


async def test_the_hubs_own_classes_take_what_the_examples_say(fleet: Fleet, cluster: Cluster) -> None:
    assert EXAMPLE in fleet.hubs
    said = []
    for block in EXAMPLES:
        values = yaml.safe_load(block.text)
        config = values.get("jupyterhub", {}).get("hub", {}).get("config", {})
        said += [(block.place, config)] if config else []
    assert len(said) > 8
    words = ("exec", "--stdin", "--namespace", EXAMPLE, "deploy/hub", "--", "python3", "-c", TRAITS)
    complaints = await cluster.run(*words, stdin=json.dumps(said))
    assert complaints == ""
