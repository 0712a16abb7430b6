"""Formats by name: ``format.dns1123Label().validate(text)`` says what is wrong, if anything."""

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final, TypeAlias

import re2
from cel import OptionalValue

from kubekuma.standalone.functions.opaque import Opaque, content, opaque
from kubekuma.standalone.functions.urls import url_mistake
from kubekuma.standalone.names import (
    label_1035_mistakes,
    label_mistakes,
    qualified_mistakes,
    subdomain_mistakes,
    value_mistakes,
)

FORMAT: Final = "kubernetes.NamedFormat"

Mistakes: TypeAlias = Callable[[str], Iterable[str]]

_UUID: Final = re2.compile("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
_DATE: Final = re2.compile("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_TIME: Final = re2.compile(
    r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})$"
)


def _prefix(mistakes: Mistakes) -> Mistakes:
    # What may be followed by more may end with a dash.
    def masked(text: str) -> Iterable[str]:
        return mistakes(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)

    return masked


def _unless(holds: Callable[[str], bool], mistake: str) -> Mistakes:
    return lambda text: () if holds(text) else (mistake,)


def _uri_mistakes(text: str) -> Iterable[str]:
    return () if (mistake := url_mistake(text)) is None else (mistake,)


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.match(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _is_date_time(text: str) -> bool:
    day, _, time = text.lower().partition("t")
    return _is_date(day) and _TIME.match(time) is not None


_MISTAKES: Final[Mapping[str, Mistakes]] = {
    "dns1123Label": label_mistakes,
    "dns1123Subdomain": subdomain_mistakes,
    "dns1035Label": label_1035_mistakes,
    "qualifiedName": qualified_mistakes,
    "dns1123LabelPrefix": _prefix(label_mistakes),
    "dns1123SubdomainPrefix": _prefix(subdomain_mistakes),
    "dns1035LabelPrefix": _prefix(label_1035_mistakes),
    "labelValue": value_mistakes,
    "uri": _uri_mistakes,
    "uuid": _unless(lambda text: _UUID.match(text) is not None, "does not match the UUID format"),
    "byte": _unless(_is_base64, "invalid base64"),
    "date": _unless(_is_date, "invalid date"),
    "datetime": _unless(_is_date_time, "invalid datetime"),
}


def _named(name: str) -> OptionalValue:
    return OptionalValue.of(opaque(FORMAT, name)) if name in _MISTAKES else OptionalValue.none()


def _validated(value: Any, text: str) -> OptionalValue:
    found = [*_MISTAKES[content(FORMAT, value)](text)]
    return OptionalValue.of(found) if found else OptionalValue.none()


def _maker(name: str) -> Callable[[], Opaque]:
    return lambda: opaque(FORMAT, name)


FORMATS: Final[Mapping[str, Callable[..., Any]]] = {
    **{f"format.{name}": _maker(name) for name in _MISTAKES},
    "format.named": _named,
    "validate": _validated,
}
