"""A secret is not shown, in whatever form a program prints it."""

import base64
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from hubops.secret import MASK, Redactor, Secret

SECRET = "correct/horse+battery=staple <'&\"\\ ä>"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49/AgEGCCqG+SM49AwEH\n  BG0wawIBAQQgindented\n"
WRITTEN = {
    "raw": SECRET,
    "URL": quote(SECRET, safe=""),
    "URL, a path": quote(SECRET),
    "URL, a form": quote_plus(SECRET),
    "URL, JavaScript": quote(SECRET, safe="!'()*"),
    "URL, small digits": re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
    "JSON": json.dumps({"a": SECRET}),
    "JSON, not ASCII": json.dumps({"a": SECRET}, ensure_ascii=False),
    "JSON, Go": json.dumps(SECRET, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    "Python": repr({"a": SECRET}),
    "YAML": yaml.safe_dump({"a": SECRET}, width=1000, allow_unicode=True),
    "shell": shlex.join(["login", SECRET]),
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_secret_is_masked_in_every_form(written: str) -> None:
    masked = Redactor([Secret(SECRET)]).mask(f"before {written} after")
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    for part in ("correct", "horse", "battery", "staple"):
        assert part not in masked


TOKENS = st.text(st.characters(codec="utf-8"), min_size=6, max_size=60)


@given(
    TOKENS, st.binary(max_size=5), st.binary(max_size=5), st.sampled_from(["b64encode", "urlsafe_b64encode"])
)
def test_base64_is_masked_whatever_stands_around_it(
    value: str, before: bytes, after: bytes, way: str
) -> None:
    """At both ends a character belongs to the neighbouring bytes as well; nothing more may be left."""
    written = getattr(base64, way)(before + value.encode() + after).decode()
    masked = Redactor([Secret(value)]).mask(written)
    own_bits = len(value.encode()) * 8
    left = len(masked.replace(MASK, "").rstrip("="))
    assert MASK in masked
    assert left * 6 <= len(written.rstrip("=")) * 6 - own_bits + 4 * 6


@given(TOKENS, st.text(), st.text())
@example("aaaaaa", "a", "aa")
@example("abcabcabc", "abc", "abc")
def test_no_secret_survives_the_redactor(value: str, before: str, after: str) -> None:
    if value in MASK * 30:
        return
    assert value not in Redactor([Secret(value)]).mask(before + value + after).replace(MASK, "\0")


@given(
    st.lists(TOKENS, min_size=1, max_size=4),
    st.sampled_from([json.dumps, repr, quote, shlex.quote]),
    st.text(),
)
def test_what_is_masked_can_be_masked_again(values: list[str], write: object, around: str) -> None:
    """The end of one secret may be the beginning of another, and both stand in the text."""
    redactor = Redactor(Secret(value) for value in values)
    text = around + write("".join(values)) + around  # type: ignore[operator]
    masked = redactor.mask(text)
    for value in values:
        assert value in MASK * 30 or value not in masked.replace(MASK, "\0")


def test_of_secrets_that_overlap_nothing_is_left() -> None:
    assert Redactor([Secret("abcdefgh"), Secret("efghijkl")]).mask("-abcdefghijkl-") == f"-{MASK}-"
    assert Redactor([Secret("abcdefgh"), Secret("cdefgh")]).mask("abcdefgh cdefgh") == f"{MASK} {MASK}"


@pytest.mark.parametrize("indent", ["", "    ", "\t| "])
def test_each_line_of_a_long_secret_is_masked(indent: str) -> None:
    shown = "\n".join(f"{indent}{line}" for line in PEM.splitlines())
    masked = Redactor([Secret(PEM)]).mask(f"log:\n{shown}\nend")
    assert masked.split("\n")[0] == "log:"
    assert masked.endswith("end")
    for part in ("PRIVATE", "MIGHAgE", "SM49", "BG0waw", "indented"):
        assert part not in masked
    assert "MIGH" not in Redactor([Secret(PEM)]).mask(json.dumps({"key": PEM}))


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(SECRET)
    assert SECRET not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == SECRET
