"""Formats by name: ``format.dns1123Label().validate(text)`` says what is wrong, if anything."""

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

import re2
from cel import OptionalValue

from kubekuma.standalone.functions.opaque import Opaque, content, opaque
from kubekuma.standalone.functions.urls import is_url

FORMAT: Final = "kubernetes.NamedFormat"

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"


def _shape(pattern: str, most: int) -> Callable[[str], bool]:
    compiled = re2.compile(f"^(?:{pattern})$")
    return lambda text: len(text) <= most and compiled.match(text) is not None


def _prefix(holds: Callable[[str], bool]) -> Callable[[str], bool]:
    # What may be followed by more may end with a dash.
    return lambda text: holds(f"{text[:-1]}a" if text.endswith("-") else text)


def _qualified_name(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    return (not slash or _SUBDOMAINS(prefix)) and _NAMES(name)


def _parses(parse: Callable[[str], object], errors: type[Exception]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except errors:
            return False
        return True

    return holds


_LABELS: Final = _shape(_LABEL, 63)
_SUBDOMAINS: Final = _shape(_SUBDOMAIN, 253)
_LABELS_1035: Final = _shape(_LABEL_1035, 63)
_NAMES: Final = _shape(_NAME, 63)

_HOLDS: Final[Mapping[str, Callable[[str], bool]]] = {
    "dns1123Label": _LABELS,
    "dns1123Subdomain": _SUBDOMAINS,
    "dns1035Label": _LABELS_1035,
    "qualifiedName": _qualified_name,
    "dns1123LabelPrefix": _prefix(_LABELS),
    "dns1123SubdomainPrefix": _prefix(_SUBDOMAINS),
    "dns1035LabelPrefix": _prefix(_LABELS_1035),
    "labelValue": lambda text: not text or _NAMES(text),
    "uri": is_url,
    "uuid": _parses(uuid.UUID, ValueError),
    "byte": _parses(lambda text: base64.b64decode(text, validate=True), binascii.Error),
    "date": _parses(date.fromisoformat, ValueError),
    "datetime": _parses(datetime.fromisoformat, ValueError),
}


def _named(name: str) -> OptionalValue:
    return OptionalValue.of(opaque(FORMAT, name)) if name in _HOLDS else OptionalValue.none()


def _validated(value: Any, text: str) -> OptionalValue:
    name = content(FORMAT, value)
    if _HOLDS[name](text):
        return OptionalValue.none()
    return OptionalValue.of([f"must be a valid {name}"])


def _maker(name: str) -> Callable[[], Opaque]:
    return lambda: opaque(FORMAT, name)


FORMATS: Final[Mapping[str, Callable[..., Any]]] = {
    **{f"format.{name}": _maker(name) for name in _HOLDS},
    "format.named": _named,
    "validate": _validated,
}
