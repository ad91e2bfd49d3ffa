"""What Go's YAML library makes of a plain scalar, which is what Helm deploys.

The rules are those of go.yaml.in/yaml/v2 (resolve.go), with numbers as Go's strconv reads them, and of
sigs.k8s.io/yaml, which turns the result into JSON: every number is a float64 there. They differ from
PyYAML's: 3228e95 and 1e10 are numbers, 0o17 is one too, 22:22 and dates are strings.
"""

import math
import re
import struct

Scalar = str | int | float | bool | None

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_INFINITE = [sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")]
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{word: -math.inf if word.startswith("-") else math.inf for word in _INFINITE},
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Behind a sign or digit underscores go anywhere; behind a point they may only separate digits.
_POINT_FIRST = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_EXACT = 1 << 53  # up to here a float64 holds every whole number
_FLOAT32_DIGITS = 9  # so many always tell two float32 apart


def resolve(text: str) -> Scalar:
    """The value of a plain scalar. Whole numbers that a float64 holds exactly are int, others float."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-0123456789":
        plain = text.replace("_", "")
        integer = _integer(plain)
        return _number(integer) if integer is not None else _float(plain, text)
    return _float(text.replace("_", ""), text) if _POINT_FIRST.fullmatch(text) else text


def key_of(text: str) -> str | None:
    """The key that a plain scalar becomes in JSON; None where Helm refuses it (null, above 63 bits)."""
    value = resolve(text)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    integer = _integer(text.replace("_", "")) if text[0] != "." else None
    if integer is None:
        return _float32_text(float(text.replace("_", "")) if math.isfinite(value) else value)
    return str(integer) if integer < 1 << 63 else None


def _integer(text: str) -> int | None:
    """A 64-bit number as strconv.ParseInt with base 0, then ParseUint, which takes no sign."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, hexadecimal, binary, octal, decimal = match.groups()
    base, digits = next((b, d) for b, d in ((16, hexadecimal), (2, binary), (8, octal), (10, decimal)) if d)
    value = int(digits, base) * (-1 if sign == "-" else 1)
    return value if -(1 << 63) <= value < (1 << (63 if sign else 64)) else None


def _float(plain: str, text: str) -> Scalar:
    value = float(plain) if _FLOAT.fullmatch(plain) else math.inf
    return text if math.isinf(value) else _number(value)


def _number(value: float) -> int | float:
    as_float = float(value)
    return int(as_float) if as_float.is_integer() and abs(as_float) <= _EXACT else as_float


def _float32_text(value: float) -> str:
    """As strconv.FormatFloat(value, 'g', -1, 32), with YAML's words for what is not finite."""
    try:
        packed = struct.pack("f", value)
    except OverflowError:
        packed = struct.pack("f", math.copysign(math.inf, value))
    (single,) = struct.unpack("f", packed)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    texts = (f"{single:.{precision}e}" for precision in range(_FLOAT32_DIGITS))
    shortest = next(text for text in texts if struct.pack("f", float(text)) == packed)
    mantissa, _, exponent = shortest.partition("e")
    digits = len(mantissa.lstrip("-").replace(".", ""))
    return f"{single:.{max(digits, 6)}g}" if -5 < int(exponent) < 6 else shortest  # noqa: PLR2004 - as %g
