"""Secrets and ConfigMaps: keys, base64, size, and content that may not change any more."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Final

import re2

from kubekuma.kit.structural import Problem
from kubekuma.standalone.resources import Object

SECRETS: Final = "secrets"

_LIMIT: Final = 1024 * 1024
_KEY: Final = re2.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def with_string_data(secret: Object) -> Object:
    """``secret`` with its write-only stringData moved into data."""
    plain = secret.get("stringData")
    if plain is None:
        return secret
    data = {name: b64encode(text.encode()).decode() for name, text in plain.items()}
    rest = {name: part for name, part in secret.items() if name != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **data}}


def content_problems(value: Object, old: Object | None) -> Iterator[Problem]:
    """What is wrong with ``value``, a Secret or a ConfigMap."""
    is_secret = value["kind"] == "Secret"
    encoded = "data" if is_secret else "binaryData"
    size = 0
    for part in ("data", "binaryData"):
        for name, text in (value.get(part) or {}).items():
            size += len(text)
            where = f"{part}[{name}]"
            if not _KEY.match(name):
                message = f'Invalid value: "{name}": {_KEY_RULE}'
                yield Problem(where, message, "FieldValueInvalid")
            if part == encoded and not _is_base64(text):
                message = 'Invalid value: "<redacted>": must be base64'
                yield Problem(where, message, "FieldValueInvalid")
    if size > _LIMIT * (4 / 3 if is_secret else 1):
        message = f"Too long: may not be more than {_LIMIT} bytes"
        yield Problem("data", message, "FieldValueTooLong")
    if old is not None:
        yield from _forbidden_changes(value, old, is_secret=is_secret)


def _forbidden_changes(value: Object, old: Object, *, is_secret: bool) -> Iterator[Problem]:
    if is_secret and value.get("type") != old.get("type"):
        message = f'Invalid value: "{value.get("type")}": field is immutable'
        yield Problem("type", message, "FieldValueInvalid")
    if not old.get("immutable"):
        return
    for name in ("immutable", "data", "binaryData"):
        if value.get(name) != old.get(name):
            message = "Forbidden: field is immutable when `immutable` is set"
            yield Problem(name, message, "FieldValueForbidden")


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
