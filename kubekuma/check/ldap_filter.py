"""LDAP search filters: from text (RFC 4515) to what is sent (RFC 4511). Pure."""

import re
from typing import Final

from kubekuma.check.ber import OCTETS, SEQUENCE, encode

MOST_DEPTH: Final = 32
_AND, _OR, _NOT, _EQUAL, _PARTS, _GREATER, _LESS, _PRESENT, _ALIKE = (
    *(0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6),
    *(0x87, 0xA8),
)
_FIRST, _MIDDLE, _LAST = 0x80, 0x81, 0x82
_COMPARISON: Final = re.compile(r"([A-Za-z0-9.;-]+)\s*(>=|<=|~=|=)([^()]*)")
_OPERATORS: Final = {">=": _GREATER, "<=": _LESS, "~=": _ALIKE}


def encode_filter(text: str) -> bytes:
    """Encode the filter ``text``. Raises ValueError, which says what is wrong with it."""
    encoded, rest = _filter(text.strip(), 0)
    if rest.strip():
        raise ValueError(f"there is {rest[:40]!r} after the filter")
    return encoded


def _filter(text: str, depth: int) -> tuple[bytes, str]:
    if depth > MOST_DEPTH:
        raise ValueError("it is nested too deeply")
    if not text.startswith("("):
        raise ValueError(f"a filter begins with '(', not with {text[:20]!r}")
    inner = text[1:].lstrip()
    match inner[:1]:
        case "&" | "|":
            parts, rest = _filters(inner[1:].lstrip(), depth)
            return encode(_AND if inner[0] == "&" else _OR, *parts), rest
        case "!":
            part, rest = _filter(inner[1:].lstrip(), depth + 1)
            return encode(_NOT, part), _closed(rest)
        case _:
            return _comparison(inner)


def _filters(text: str, depth: int) -> tuple[list[bytes], str]:
    parts: list[bytes] = []
    while text.startswith("("):
        part, text = _filter(text, depth + 1)
        text = text.lstrip()
        parts.append(part)
    return parts, _closed(text)


def _comparison(text: str) -> tuple[bytes, str]:
    found = _COMPARISON.match(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no comparison")
    attribute, operator, value = found.groups()
    rest = _closed(text[found.end() :])
    name = encode(OCTETS, attribute.encode())
    if operator in _OPERATORS:
        return encode(_OPERATORS[operator], name, encode(OCTETS, _unescaped(value))), rest
    if value == "*":
        return encode(_PRESENT, attribute.encode()), rest
    if "*" in value:
        return encode(_PARTS, name, encode(SEQUENCE, *_substrings(value.split("*")))), rest
    return encode(_EQUAL, name, encode(OCTETS, _unescaped(value))), rest


def _substrings(parts: list[str]) -> list[bytes]:
    first, *middle, last = parts
    tagged = [(_FIRST, first), *((_MIDDLE, each) for each in middle), (_LAST, last)]
    return [encode(tag, _unescaped(each)) for tag, each in tagged if each]


def _unescaped(value: str) -> bytes:
    first, *others = value.split("\\")
    parts = [first.encode()]
    for each in others:
        try:
            parts.append(bytes.fromhex(each[:2]) + each[2:].encode())
        except ValueError:
            raise ValueError(f"\\{each[:2]} is not a backslash and two hex digits") from None
        if len(each) < 2:
            raise ValueError(f"\\{each} is not a backslash and two hex digits")
    return b"".join(parts)


def _closed(text: str) -> str:
    text = text.lstrip()
    if not text.startswith(")"):
        raise ValueError(f"there is {text[:20]!r} where ')' should be")
    return text[1:]
