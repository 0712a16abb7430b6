"""Rules for texts with a grammar of their own: URLs, hosts, patterns, paths, names.

What a checker can work with is decided once, by ``kit``: these rules only ask.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final
from zoneinfo import available_timezones

from kubekuma.kit.cron import parse_cron
from kubekuma.kit.http_headers import OF_THE_CLIENT, is_header_value
from kubekuma.kit.json_path import compile_path
from kubekuma.kit.pattern import pattern as compile_pattern
from kubekuma.kit.pattern import pattern_with_group
from kubekuma.kit.recurrence import parse_rule
from kubekuma.kit.url import WEBSOCKET, parse_host, parse_url
from kubekuma.validate.rule import FieldError, Rule

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# Lone surrogates, too, which JSON can name and UTF-8 cannot.
_NOT_IN_PROSE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def accepted_by(parse: Callable[[str], object]) -> Rule[str]:
    """``parse`` takes the text; the message of its ValueError says what it must be."""

    def rule(text: str) -> tuple[FieldError, ...]:
        try:
            parse(text)
        except ValueError as error:
            return (FieldError("", str(error)),)
        return ()

    return rule


pattern: Final = accepted_by(compile_pattern)
pattern_with_a_group: Final = accepted_by(pattern_with_group)
json_path: Final = accepted_by(compile_path)
url: Final = accepted_by(parse_url)
recurrence: Final = accepted_by(parse_rule)
cron: Final = accepted_by(parse_cron)
websocket_url: Final = accepted_by(partial(parse_url, schemes=WEBSOCKET))


def host(text: str) -> tuple[FieldError, ...]:
    """``text`` is the name or address of a host, without port, scheme and zone."""
    if _is_host(text):
        return ()
    said = "must be a name or address alone, such as example.org or 2001:db8::1"
    return (FieldError("", said),)


def address(text: str) -> tuple[FieldError, ...]:
    """``text`` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return (FieldError("", "must be an address, such as 192.0.2.53 or 2001:db8::53"),)
    return ()


def time_zone(text: str) -> tuple[FieldError, ...]:
    """``text`` names a time zone of the IANA database."""
    # Names become paths: only what the database lists may be asked for.
    if text in _zones():
        return ()
    return (FieldError("", "must be an IANA time zone, such as Europe/Berlin or UTC"),)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def prose(most: int, *, least: int = 0) -> Rule[str]:
    """What people write: ``least`` to ``most`` characters, which any database and page can take."""

    def rule(text: str) -> Iterator[FieldError]:
        if not least <= len(text.strip()) <= len(text) <= most:
            said = f"at most {most}" if not least else f"{least} to {most}"
            yield FieldError("", f"must have {said} characters")
        if _NOT_IN_PROSE.search(text):
            yield FieldError("", "must not contain control characters")

    return rule


def header_name(text: str) -> tuple[FieldError, ...]:
    """``text`` names a header that is an author's to say."""
    why = OF_THE_CLIENT.get(text.lower())
    return () if why is None else (FieldError("", f"must not be {text}: {why}"),)


def header_value(text: str) -> tuple[FieldError, ...]:
    """``text`` can stand in a header."""
    if is_header_value(text.encode("utf-8", "replace")):
        return ()
    return (FieldError("", "must not contain control characters"),)


def object_name(text: str) -> tuple[FieldError, ...]:
    """``text`` can name a Kubernetes object (RFC 1123 subdomain)."""
    if len(text) <= 253 and _NAME.fullmatch(text):
        return ()
    said = "must be at most 253 lower case letters, digits, '-' and '.', as in shop-api"
    return (FieldError("", said),)


def namespace_name(text: str) -> tuple[FieldError, ...]:
    """``text`` can name a namespace (RFC 1123 label)."""
    if len(text) <= 63 and _LABEL.fullmatch(text):
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
    bracketed = name.startswith("[") and name.endswith("]")
    name = name[1:-1] if bracketed else name
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535
    if is_port and bracketed is (":" in name) and _is_host(name):
        return ()
    return (FieldError("", "must be host:port, such as example.org:443 or [2001:db8::1]:53"),)


def engine(text: str) -> tuple[FieldError, ...]:
    """``text`` is where a Docker engine listens."""
    if text.startswith("tcp://"):
        return host_and_port(text.removeprefix("tcp://"))
    # What the schema takes besides; the system takes no longer path.
    if len(text.removeprefix("unix://").encode("utf-8", "replace")) <= 107:
        return ()
    return (FieldError("", "must not have a path of more than 107 bytes"),)


def _is_host(text: str) -> bool:
    try:
        parse_host(text)
    except ValueError:
        return False
    return True
