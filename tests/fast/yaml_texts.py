"""YAML as people write it, and worse: texts for the readers of values, ours and Helm's."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

UGLY = """3228e95 84e9260 88e2954 38449e8 0604373 9152039 1e10 1e400 22:22 22:22:22 yes y Y n no on off True tRUE
0o17 0O17 0b11 0B11 0b2 -0b101 0x1F 0x1f_ff 0xFFFFFFFFFFFFFFFFFF 0x 0o 9223372036854775808 18446744073709551615
18446744073709551616 -9223372036854775809 +9223372036854775808 9007199254740993 0777777777777777777777
08 0_8 0_ 1_000 1__0 -_1 _1 + +5 -0 -0.0 0. .5 .5_0 ._5 .5_ +.5 +.5_1 -.5e3 1.e5 1e+5 1e-400 .1e400 2001-12-14
2001-12-14T21:59:43Z null Null NULL nULL ~ .5. .e5 1.2.3 1e 1e+ 0e0 00 1.5e300 1_e_5 1e1_0 = <<""".split()

PLAIN = [*UGLY, "b c", "a#b", "a:b", "é😀", "http://h/?q=1", "-x", "a'b", 'a"b', "-", "?x", ":x", "*", "&", "!", "%x", "@x", "`x"]  # fmt: skip
QUOTED = [
    "''", "'x'", "'it''s'", "'1e3'", "' x '", "'a: b # c'", "'é😀'", '""', '"x"', '"1"', r'"\x41\u00e9\U0001F600"', r'"\n\t\0\e\_\N\L\P"',
    r'"\/"', r'"\\/"', r'"\q"', r'"\ud83d\ude00"', '"\u2028\u0085"', "'\t'",
]  # fmt: skip
TAGGED = ["!!str 5", "!!str", "!!int 5", "!!float 1", "!!null x", "!!bool yes", "!own x", "! 5"]
ALIASES = ["*x", "*y"]
ANCHORS = "p: &x {a: 1, b: {c: null, e: 1}}\nq: &y [0604373, {a: *x}]\n"
KEYS = [
    "'a'", '"b"', "yes", "y", "1", "1.0", "0x10", "1e3", "3.11", "1_0", "-0.0", ".5", "true", "2001-01-01", "1234567.5", "~", "null", "''", "é",
    "a b", "<<", "'<<'", "18446744073709551615", "? a", "!!str a", ".inf", "a?b", "*x ",
]  # fmt: skip
DEEPEST = 3
HEADERS = ["|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "| # c"]
LINES = ["x", "y z", "x ", "", " x", "  x", "é", "- x"]
ODD_LINES = ["# x", "a: 1", "\tx", "x\ty", "---", "...", "'"]
BETWEEN = ["  ", "\t", " \t "]
AFTER = [" ", "\t", "  # c", "\t# c: 1", "#x"]
STARTS = [
    "\n",
    "# c\n",
    "---\n",
    "--- # c\n",
    "\ufeff",
    "\ufeff---\n",
    "\t\n",
    "%YAML 1.1\n---\n",
    "---\n---\n",
]
ENDS = ["", "\n\n", "\n...\n", "\n# c", "\n...\n# c\n", "\n\t\n", "\n---\n", "\n---\na: 1\n"]


def seldom(usual: list[str], odd: list[str], one_of: int = 6) -> st.SearchStrategy[str]:
    """Something usual, but for one of so many; not the first or last number, which Hypothesis likes."""
    numbers = st.integers(1, one_of)
    return numbers.flatmap(lambda number: st.sampled_from(odd if number == one_of // 2 + 1 else usual))


def keys(depth: int) -> st.SearchStrategy[str]:
    """At the top some of those keys that Helm knows."""
    return seldom(["sub", "a", "b", "global"] if depth == DEEPEST else ["a", "b", "c", "d"], KEYS, 12)


@st.composite
def flow(draw: DrawFn, depth: int = 2) -> str:
    kinds = ["plain", "plain", "quoted", *(["list", "map", "map"] if depth else [])]
    kind = draw(seldom(kinds, ["tagged", "alias", "alias"], 10))
    if kind == "plain":
        return draw(seldom(["x", "1", "null", *UGLY], PLAIN, 12))
    if kind in {"quoted", "tagged", "alias"}:
        return draw(st.sampled_from({"quoted": QUOTED, "tagged": TAGGED, "alias": ALIASES}[kind]))
    comma = draw(seldom([", "], [",", " ,\t", ",\n    "]))
    end = draw(seldom([""], [",", " "]))
    inner = draw(st.lists(flow(depth - 1), max_size=3))
    if kind == "list":
        return f"[{comma.join(inner)}{end}]"
    colon = draw(seldom([": "], [":", " : "], 12))
    names = draw(st.lists(keys(depth), min_size=len(inner), max_size=len(inner), unique=True))
    return f"{{{comma.join(name + colon + item for name, item in zip(names, inner, strict=True))}{end}}}"


@st.composite
def several_lines(draw: DrawFn, indent: int) -> str:
    """A text in several lines, of every style."""
    pad = " " * (indent + int(draw(seldom(["2"], ["0", "1", "3"], 12))))
    lines = draw(st.lists(seldom(LINES, ODD_LINES, 20), max_size=4))
    style = draw(st.sampled_from(["block", "block", "plain", "'", '"']))
    if style == "block":
        return "\n".join([draw(st.sampled_from(HEADERS)), *(f"{pad}{line}" for line in lines)])
    body = f"\n{pad}".join(["x", *lines])
    if style == "plain":
        return body
    if style == "'":
        return "'" + body.replace("'", "''") + "'"
    return f'"{body}{draw(seldom([""], [chr(92) + chr(10) + pad]))}"'


@st.composite
def block(draw: DrawFn, indent: int, depth: int) -> list[str]:
    """A mapping or list in lines of its own."""
    pad = " " * indent
    is_list = depth < DEEPEST and draw(seldom(["map"], ["list"], 4)) == "list"
    twice = draw(seldom([""], ["twice"], 40))
    names = draw(st.lists(keys(depth), min_size=1, max_size=3, unique=not is_list and not twice))
    lines: list[str] = []
    for name in names:
        lines += draw(seldom([""], ["blank", f"{pad}# c", "# c"], 8)).replace("blank", "\n").split("\n")[1:]
        key = "-" if is_list else name + draw(seldom([":"], [" :"], 20))
        kind = draw(st.sampled_from(["flow", "block", "block", "block", "lines", "nothing", "null"]))
        if kind == "block" and depth:
            head = draw(seldom([""], [" # c", " &z", " !!map"], 20))
            deeper = indent + int(draw(seldom(["2"], ["4", "1", "0"], 20)))
            lines += [f"{pad}{key}{head}", *draw(block(deeper, depth - 1))]
            continue
        value = draw(
            {"nothing": st.just(""), "null": st.just("null"), "lines": several_lines(indent)}.get(
                kind, flow()
            )
        )
        after = "" if kind == "lines" else draw(seldom([""], AFTER))
        lines += f"{pad}{key}{draw(seldom([' '], BETWEEN))}{value}{after}".split("\n")
    return lines


@st.composite
def document(draw: DrawFn) -> bytes:
    """A file of values, whole; not every one is YAML."""
    kind = draw(seldom(["block"], ["nothing", "flow"], 10))
    body = "\n".join(draw(block(0, DEEPEST))) if kind == "block" else draw(flow()) if kind == "flow" else ""
    if ("*x" in body or "*y" in body) and draw(seldom(["known"], ["unknown"], 10)) == "known":
        body = ANCHORS + body
    start = draw(seldom([""], STARTS))
    end = draw(seldom(["\n"], ENDS))
    return (start + body + end).replace("\n", draw(seldom(["\n"], ["\r\n"]))).encode()
