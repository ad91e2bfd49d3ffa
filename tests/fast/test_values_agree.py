"""Our values are Helm's: the same files read by helm and by us, compared by a chart that prints its values."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from fast.yaml_texts import UGLY, document
from hubops.clients import process
from hubops.clients.helm import format_values
from hubops.desired.chart_values import for_dependency, for_templates
from hubops.desired.go_scalars import resolve
from hubops.desired.repository import load_fleet
from hubops.desired.values import merge, render_values
from hubops.desired.yaml import parse_yaml
from hubops.errors import ProgramError, RepositoryError
from hubops.local.toolchain import require_tool

BATCH = 200
# Documents in which more than one scalar decides.
READ = {
    "a merge replaces what stands above it": "b: &x {a: 2}\nc:\n  a: 1\n  <<: *x\n",
    "a key below a merge replaces the merged": "b: &x {a: 2}\nc:\n  <<: *x\n  a: 1\n",
    "of several merged maps the first wins": "x: &x {a: 1}\nz: &z {a: 2, c: 2}\nc:\n  <<: [*x, *z]\n",
    "several merges": "<<: {a: 1}\n<<: {b: 1}\n",
    "a quoted merge key is a key": "'<<': 1\n",
    "keys that are numbers": "1e10: a\n3.11: b\n1.0: c\n0x10: d\n1_0: e\n-0.0: f\n.inf: g\n.5_0: h\n",
    "keys that are long numbers": "1234567.5: a\n16777217.5: b\n1e300: c\n0.00001: d\n9223372036854775807: e\n",
    "keys that are words": "y: 1\n'y': 2\noff: 3\n",
    "anchors": "a: &x {b: [1]}\nc: *x\nd: [*x, *x]\n",
    "an anchor on a number": "a: &x 0604373\nb: *x\n",
    "BOM, CRLF and block text": "\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\nc: >-\r\n  x\r\n\r\n  y\r\n",
    "tabs between": "a:\t1\nb: 2\t# x\n",
    "flow style": "a: {b, c: [1, 2,], d: {}}\n",
    "a pair in a list": "a: [b: 1]\n",
    "nothing": "",
    "only a comment": "# x\n",
    "an empty document": "---\n...\n",
    "explicit strings": "a: !!str 5\nb: !!str yes\nc: !!str\n",
    "explicit keys": "? a\n: 1\n? b\n",
    "a backslash before a slash": 'a: "\\\\/"\nb: \'\\/\'\nc: \\/\nd: |\n  "\\/"\n',
    "an alias in brackets of what has a question mark": "a: &x what?\nb: [*x]\n",
    "an exclamation mark that is text": "a: x ! y\nb: '! 5'\nc: |\n  ! 5\n",
    "other letters": "a: \U0001f600 \u00e9 '\n",
}
# True where helm refuses too; else it guesses, or takes what nobody needs.
REFUSED = {
    "a scalar merged": ("c:\n  <<: 5\n", True),
    "a list merged": ("x: &x [1]\nc:\n  <<: *x\n", True),
    "a key that is null": ("~: 1\n", True),
    "a key above 63 bits": ("18446744073709551615: x\n", True),
    "a list as key": ("? [a]\n: 1\n", True),
    "an anchor within itself": ("a: &x [*x]\n", True),
    "an unknown alias": ("a: *nope\n", True),
    "infinity": ("a: .inf\n", True),
    "tabs before": ("a:\n\tb: 1\n", True),
    "a control character": ("a: \x01\n", True),
    "duplicate keys": ("a: {b: 1, b: 2}\n", False),
    "keys that become one": ("yes: 1\ntrue: 2\n", False),
    "two documents": ("a: 1\n---\nb: 2\n", False),
    "an anchor twice": ("a: &x 1\nb: &x 2\nc: *x\n", False),
    "a tag": ("a: !!int '5'\n", False),
    "a bare tag": ("a: ! 5\n", False),
    "a bare tag in braces": ("a: {b: !, c: 1}\n", True),
    "a bare tag behind an anchor": ("a: &x ! 5\n", False),
    "a tag alone in brackets": ("a: [!!str, x]\n", False),
    "a directive": ("# c\n%YAML 1.1\n---\na: 1\n", False),
    "a directive of another version": ("%YAML 1.2\n---\na: 1\n", True),
    "an escaped slash": ('a: 1\nb: "x\\\\\\/y"\n', True),
    "a question mark in brackets": ("a: [http://h/?q=1]\n", True),
    "a question mark in a key in braces": ("a: {b?: 1}\n", True),
    "a colon at an end in brackets": ("a: [x:]\n", False),
}


@pytest.fixture(scope="session")
async def helm() -> Path:
    return await require_tool("helm", lambda _event: None)


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that prints its values; one of its own is there to be deleted by null."""
    chart = tmp_path_factory.mktemp("chart")
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: echo\nversion: 0.1.0\n")
    (chart / "templates" / "values.yaml").write_text("{{ .Values | toJson }}\n")
    return chart


async def ask_helm(helm: Path, chart: Path, *files: bytes) -> Any:
    """The values that helm deploys, or None where it refuses them."""
    command: list[str | Path] = [helm, "template", "x", chart]
    for number, content in enumerate(files):
        file = chart.parent / f"{chart.name}-{number}.yaml"
        file.write_bytes(content)
        command += ["-f", file]
    try:
        printed = await process.run(command)
    except ProgramError:
        return None
    return json.loads(next(line for line in printed.split("\n") if line.startswith("{")))


def same(ours: Any, theirs: Any) -> bool:
    """Equal as JSON; 1 and true are not, 1 and 1.0 are."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    numbers = (int, float)
    if type(ours) in numbers and type(theirs) in numbers:
        return float(ours) == float(theirs)
    return type(ours) is type(theirs) and bool(ours == theirs)


async def assert_scalars_agree(helm: Path, echo: Path, texts: list[str]) -> None:
    document = "".join(f"k{number}: {text}\n" for number, text in enumerate(texts))
    printed = await ask_helm(helm, echo, document.encode())
    assert printed is not None
    wrong = {
        text: (resolve(text), printed[f"k{number}"])
        for number, text in enumerate(texts)
        if not same(resolve(text), printed[f"k{number}"])
    }
    assert wrong == {}


async def test_the_ugly_ones(helm: Path, echo: Path) -> None:
    await assert_scalars_agree(helm, echo, UGLY)


PLAIN = st.text("0123456789eE+-._xobXOBaAfFnNyYtT", min_size=1, max_size=10).filter(
    lambda text: text not in {"-", "..."} and not text.startswith("---") and ".inf" not in text.lower()
)
NOT_NUMBERS = {sign + word for sign in ("", "+", "-") for word in (".nan", ".NaN", ".NAN")}


MANY_PLAIN = st.lists(PLAIN.filter(lambda text: text not in NOT_NUMBERS), min_size=BATCH, max_size=BATCH)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(MANY_PLAIN)
async def test_any_plain_scalar(helm: Path, echo: Path, texts: list[str]) -> None:
    await assert_scalars_agree(helm, echo, texts)


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(MANY_PLAIN)
async def test_very_many_plain_scalars(helm: Path, echo: Path, texts: list[str]) -> None:
    await assert_scalars_agree(helm, echo, texts)


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
async def test_documents_are_read_as_helm_reads_them(text: str, helm: Path, echo: Path) -> None:
    printed = await ask_helm(helm, echo, text.encode())
    assert printed is not None
    assert same(parse_yaml(text.encode(), "values.yaml").value or {}, printed)


@pytest.mark.parametrize(("text", "by_helm"), REFUSED.values(), ids=REFUSED.keys())
async def test_documents_are_refused(text: str, by_helm: bool, helm: Path, echo: Path) -> None:
    assert (await ask_helm(helm, echo, text.encode()) is None) == by_helm
    with pytest.raises(RepositoryError) as caught:
        parse_yaml(text.encode(), "values.yaml")
    assert caught.value.where.startswith("values.yaml")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = st.sampled_from("abcd")
VALUES = st.recursive(
    SCALARS | st.text("abc01eE", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
LAYERS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=4)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(LAYERS)
async def test_layers_merge_as_helm_merges_files(
    helm: Path, echo: Path, layers: list[dict[str, Any]]
) -> None:
    separate = await ask_helm(helm, echo, *(json.dumps(layer).encode() for layer in layers))
    documents = [parse_yaml(json.dumps(layer), "f").value for layer in layers]
    merged = await ask_helm(helm, echo, json.dumps(merge(*documents)).encode())
    assert separate is not None
    assert same(separate, merged)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(LAYERS, st.dictionaries(KEYS, VALUES, max_size=4))
async def test_null_takes_away_what_the_chart_sets(
    helm: Path, echo: Path, layers: list[dict[str, Any]], own: dict[str, Any]
) -> None:
    (echo / "values.yaml").write_text(json.dumps(own))
    try:
        separate = await ask_helm(helm, echo, *(json.dumps(layer).encode() for layer in layers))
        merged = await ask_helm(helm, echo, json.dumps(merge(*layers)).encode())
    finally:
        (echo / "values.yaml").unlink()
    assert separate == merged


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(KEYS, VALUES, max_size=4), LAYERS)
async def test_a_dependency_gets_the_values_that_a_check_looks_at(
    helm: Path, echo: Path, defaults: dict[str, Any], layers: list[dict[str, Any]]
) -> None:
    parent = echo.parent / "parent"
    shutil.copytree(echo, parent / "charts/echo", dirs_exist_ok=True)
    about = "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies: [{name: echo, version: 0.1.0}]\n"
    (parent / "Chart.yaml").write_text(about)
    (parent / "charts/echo/values.yaml").write_text(json.dumps(defaults))
    ours = [{"echo": parse_yaml(json.dumps(layer), "f").value} for layer in layers]
    ours.append({"global": {"shared": 1}})
    printed = await ask_helm(helm, parent, json.dumps(merge(*ours)).encode())
    mine = for_dependency(merge(*ours), "echo", parse_yaml(json.dumps(defaults), "f").value)
    assert same(mine, printed)


async def test_every_letter_reaches_the_chart(helm: Path, echo: Path) -> None:
    """But for those that the chart of this test could not print."""
    codes = (*range(0x7F), 0x85, *range(0xA0, 0x2FFF), 0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0x1F600, 0x10FFFF)
    letters = [chr(code) for code in codes]
    assert await ask_helm(helm, echo, format_values({"a": letters})) == {"a": letters}


# --- a whole hub, from text to what its charts get

# What is refused though helm takes it, as desired/yaml.py says.
ON_PURPOSE = (
    "is there twice",  # a key or an anchor
    "but found another document",
    "did not find expected <document start>",
    "the tag ",
    "a text behind a tag within brackets",
    "directives have no meaning",
    "found unexpected ':'",
)
LAYERS_OF_A_HUB = ["values/organisation.yaml", "values/clusters/c.yaml", "values/stages/production.yaml"]
OWN, LOCAL = "hub-charts/h/values.yaml", "values/local.yaml"
DEFAULTS = """\
a: 1
b: {a: 1, b: {c: null, d: 2}}
c: {a: {b: 1}, d: null}
d: null
hub: {baseUrl: /}
global: {a: 1, b: {c: 3}}
"""


@pytest.fixture
def operations(tmp_path: Path) -> Path:
    """A repository with one hub on a local cluster; its chart and the chart below print their values."""
    texts = {
        "hubops.yaml": "clusters: {c: {local: true}}\n",
        "hub-charts/h/hub.yaml": "cluster: c\n",
        "hub-charts/h/Chart.yaml": "apiVersion: v2\nname: h\nversion: 0.1.0\n"
        "dependencies: [{name: jupyterhub, alias: sub, version: 0.1.0}]\n",
        "chart/templates/values.yaml": "{{ .Values | toJson }}\n",
        "chart/charts/jupyterhub/Chart.yaml": "apiVersion: v2\nname: jupyterhub\nversion: 0.1.0\n",
        "chart/charts/jupyterhub/values.yaml": DEFAULTS,
        "chart/charts/jupyterhub/templates/values.yaml": "{{ .Values | toJson }}\n",
    }
    # As in a deploy, a copy without the hub's values.yaml, which is given by -f.
    texts["chart/Chart.yaml"] = texts["hub-charts/h/Chart.yaml"]
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


async def ask_both(helm: Path, root: Path, *files: Path) -> dict[str, Any] | str:
    """What the hub's chart and the chart below print, or why helm refuses."""
    command: list[str | Path] = [helm, "template", "x", root / "chart"]
    for file in files:
        command += ["-f", file]
    try:
        printed = await process.run(command)
    except ProgramError as error:
        return error.why
    parts = [part.split("\n", 2) for part in printed.removeprefix("---\n").split("\n---\n")]
    return {
        source.removeprefix("# Source: ").removesuffix("/templates/values.yaml"): json.loads(text)
        for source, text, *_ in parts
    }


async def assert_a_hub_agrees(helm: Path, root: Path, texts: dict[str, bytes]) -> bool:
    """Whether the texts could be read; helm gets them as they are, and as a deploy gives them to it."""
    for name in [*LAYERS_OF_A_HUB, OWN, LOCAL]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(texts.get(name, b""))
    (root / "lowest").write_text('{"sub": {"hub": {"baseUrl": "/h/"}}}')
    theirs = ask_both(helm, root, root / "lowest", *(root / name for name in [*LAYERS_OF_A_HUB, OWN, LOCAL]))
    refusal = ""
    try:
        hub = load_fleet(root).require_hub("h")
        rendered = render_values(hub, {}, hub.documents[-1].value)
    except RepositoryError as error:
        refusal = str(error)
    if refusal:
        written = await theirs
        assert isinstance(written, str) or any(each in refusal for each in ON_PURPOSE), (refusal, written)
        return False
    (root / "rendered").write_bytes(format_values(rendered))
    written, deployed = await asyncio.gather(theirs, ask_both(helm, root, root / "rendered"))
    assert not isinstance(written, str), written
    assert same(written, deployed), (written, deployed)
    mine = for_templates(rendered, {"sub": parse_yaml(DEFAULTS, "f").value})
    assert same(written["h/charts/sub"], mine["sub"]), (written["h/charts/sub"], mine["sub"])
    # In passing, helm puts what it merges for a chart below into the global of the chart above; nobody is to need it.
    assert same({**written["h"], "global": 0}, {**mine, "global": 0}), (written["h"], mine)
    return True


TEXTS = st.dictionaries(st.sampled_from([*LAYERS_OF_A_HUB, OWN, LOCAL]), document(), min_size=1, max_size=2)
REUSED = [
    HealthCheck.function_scoped_fixture,
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
]


@settings(max_examples=20, deadline=None, suppress_health_check=REUSED)
@given(TEXTS)
async def test_a_hub_gets_what_its_files_say(helm: Path, operations: Path, texts: dict[str, bytes]) -> None:
    event(f"read: {await assert_a_hub_agrees(helm, operations, texts)}")


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=REUSED)
@given(TEXTS)
async def test_very_many_hubs(helm: Path, operations: Path, texts: dict[str, bytes]) -> None:
    event(f"read: {await assert_a_hub_agrees(helm, operations, texts)}")
