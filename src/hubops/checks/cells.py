"""Notebooks as proofs: cells with stored outputs read from nbformat 4, and runs compared with them. Pure."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from hubops.checks.proof_model import Cell
from hubops.clients.jupyter import Ran
from hubops.errors import RepositoryError

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The five filters of PNG (RFC 2083, section 6) give each row of one colour one of five forms, the
# first row one of five others: a blank picture has at most ten different filtered rows.
_BLANK_ROWS = 10
_KERNEL = "python3"  # what ipykernel calls its own
_SHOWN = 200  # characters of an output in a message
_HEADLINE = 120  # characters
_SOURCE_LINES = 12
_TRACEBACK_LINES = 8
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def load_proof() -> tuple[Cell, ...]:
    """The cells that hubops brings itself. They need a kernel for Python, and use numpy and matplotlib where they are."""
    text = files("hubops.checks").joinpath("proof.ipynb").read_text(encoding="utf-8")
    return parse_notebook(text, "proof.ipynb")


def parse_notebook(text: str, name: str) -> tuple[Cell, ...]:
    """The code cells of a notebook with what their stored outputs require.

    Raises:
        RepositoryError: it is not nbformat 4, a stored output is an error, or there is no code.
    """
    try:
        notebook = json.loads(text)
        sources = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        cells = tuple(_cell(number, cell) for number, cell in enumerate(sources, 1))
    except (ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise RepositoryError("A notebook cannot be used as a proof", where=name, why=why) from error
    if notebook.get("nbformat") != 4:  # noqa: PLR2004 - the version of the format
        raise RepositoryError(
            "A notebook cannot be used as a proof", where=name, why="it is not of nbformat 4"
        )
    if not any(cell.source.strip() for cell in cells):
        raise RepositoryError("A notebook without code proves nothing", where=name)
    return cells


def find_kernel(text: str) -> str:
    """The kernel that a notebook asks for; `text` is JSON."""
    try:
        return str(json.loads(text)["metadata"]["kernelspec"]["name"])
    except (LookupError, TypeError):
        return _KERNEL


def find_fault(cell: Cell, ran: Ran) -> str:
    """Why a cell did not do what it must: the end of its traceback, or the difference; "" when it did."""
    if ran.error is None:
        return find_difference(cell, ran)
    lines = _COLOURS.sub("", "\n".join(ran.error.traceback)).splitlines()
    return "\n".join(lines[-_TRACEBACK_LINES:]) or f"{ran.error.name}: {ran.error.value}"


def last_line(fault: str) -> str:
    """What fits into a headline: the line of a traceback that names the error."""
    line = fault.strip().rpartition("\n")[2]
    return line if len(line) <= _HEADLINE else f"{line[:_HEADLINE]}…"


def locate(notebook: str, cell: Cell) -> str:
    """Where a cell is, with the first lines of its source, for a message."""
    source = "\n".join(f"    {line}" for line in cell.source.splitlines()[:_SOURCE_LINES])
    return f"{notebook}, cell {cell.number}:\n{source}"


def find_difference(cell: Cell, ran: Ran) -> str:
    """In what way a cell that ended well did not give what it must; "" when it did."""
    texts = [
        ("stdout", cell.stdout, ran.stdout),
        ("result", cell.result, str(ran.result.get("text/plain", ""))),
    ]
    for name, wanted, got in texts:
        if wanted is not None and got.rstrip() != wanted.rstrip():
            return f"{name} is {_shown(got)} and must be {_shown(wanted)}"
    return _find_picture_fault(cell.png, _last_picture(ran)) if cell.png else ""


def _find_picture_fault(stored: bytes, got: str) -> str:
    if not got:
        return "no image/png was displayed"
    try:
        width, height, rows = read_png(base64.b64decode(got))
        expected = read_png(stored)[:2]
    except ValueError as error:
        return f"the picture is no PNG: {error}"
    # Fonts differ between images, so sizes do too, a little.
    if not all(want / 2 <= size <= want * 2 for size, want in zip((width, height), expected, strict=True)):
        return f"the picture has {width} x {height} pixels and must have about {expected[0]} x {expected[1]}"
    return "the picture is blank" if len(set(rows)) <= _BLANK_ROWS else ""


def read_png(data: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the filtered rows of a PNG that is not interlaced.

    Raises:
        ValueError: it is not one, or it is damaged.
    """
    chunks = list(_png_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR":
        raise ValueError("it does not begin with a header")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour)
    if channels is None or interlaced or not width or not height:
        raise ValueError("it is of an unusual kind")
    row_bytes = 1 + (width * channels * depth + 7) // 8
    try:
        pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(pixels) != row_bytes * height:
        raise ValueError("pixels are missing")
    return width, height, [pixels[at : at + row_bytes] for at in range(0, len(pixels), row_bytes)]


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(_PNG_SIGNATURE):
        raise ValueError("the signature is missing")
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body, checksum = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if checksum != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError("a checksum is wrong")
        yield kind, body
        at += 12 + size


def _cell(number: int, cell: Mapping[str, Any]) -> Cell:
    outputs = cell["outputs"]
    if any(output["output_type"] == "error" for output in outputs):
        raise ValueError(f"the stored output of code cell {number} is an error")
    stdout = [_text(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout"]
    results = [_text(o["data"]["text/plain"]) for o in outputs if o["output_type"] == "execute_result"]
    pictures = [_text(o["data"]["image/png"]) for o in outputs if "image/png" in o.get("data", {})]
    return Cell(
        number,
        _text(cell["source"]),
        stdout="".join(stdout) if stdout else None,
        result=results[-1] if results else None,
        png=base64.b64decode(pictures[-1]) if pictures else None,
    )


def _last_picture(ran: Ran) -> str:
    found = [str(data["image/png"]) for data in ran.displays if "image/png" in data]
    return found[-1] if found else ""


def _shown(text: str) -> str:
    text = text.rstrip()
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text)} characters)"


def _text(lines: str | Sequence[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
