"""Rules for texts with a grammar of their own: URLs, patterns, paths, names."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import re2
from jsonpath import JSONPathEnvironment, JSONPathError

from kubekuma.validate.rule import FieldError

_JSONPATH: Final = JSONPathEnvironment(strict=True)
_NAME: Final = re2.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL: Final = re2.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_HOST: Final = re2.compile(r"^[^\s/@?#\\:\[\]]+$")


def pattern(text: str) -> tuple[FieldError, ...]:
    """``text`` is an RE2 pattern."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error as error:
        return (FieldError("", f"must be an RE2 pattern: {_told(error)}"),)
    return ()


def json_path(text: str) -> tuple[FieldError, ...]:
    """``text`` is an RFC 9535 path."""
    try:
        _JSONPATH.compile(text)
    except JSONPathError as error:
        return (FieldError("", f"must be an RFC 9535 JSONPath: {str(error).splitlines()[0]}"),)
    return ()


def url(text: str) -> tuple[FieldError, ...]:
    """``text`` is an absolute URL that has a host and no credentials."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return (FieldError("", f"must be a URL: {error}"),)
    if parts.username is not None or parts.password is not None:
        said = "must not contain a user name or password: name a Secret in auth instead"
        return (FieldError("", said),)
    if not host:
        return (FieldError("", "must have a host, as in https://example.org/"),)
    return ()


def host(text: str) -> tuple[FieldError, ...]:
    """``text`` is the name or address of a host, without port or scheme."""
    if _is_address(text) or _HOST.search(text):
        return ()
    said = "must be a name or address alone, such as example.org or 2001:db8::1"
    return (FieldError("", said),)


def object_name(text: str) -> tuple[FieldError, ...]:
    """``text`` can name a Kubernetes object (RFC 1123 subdomain)."""
    if len(text) <= 253 and _NAME.search(text):
        return ()
    said = "must be at most 253 lower case letters, digits, '-' and '.', as in shop-api"
    return (FieldError("", said),)


def namespace_name(text: str) -> tuple[FieldError, ...]:
    """``text`` can name a namespace (RFC 1123 label)."""
    if len(text) <= 63 and _LABEL.search(text):
        return ()
    return (FieldError("", "must be at most 63 lower case letters, digits and '-'"),)


def cidr(text: str) -> tuple[FieldError, ...]:
    """``text`` is a network such as ``192.0.2.0/24``."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return (FieldError("", f"must be a network such as 192.0.2.0/24: {error}"),)
    return ()


def host_and_port(text: str) -> tuple[FieldError, ...]:
    """``text`` is ``host:port``, with brackets around an IPv6 address."""
    name, _, port = text.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if port.isdigit() and 0 < int(port) <= 65535 and not host(name):
        return ()
    return (FieldError("", "must be host:port, such as example.org:443 or [2001:db8::1]:53"),)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _told(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
