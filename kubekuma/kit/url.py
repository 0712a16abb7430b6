"""URLs and hosts to connect to: parsed once, made safe to send and to show."""

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, urljoin

import attrs
import idna

HTTP: Final = ("http", "https")
WEBSOCKET: Final = ("ws", "wss")
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
MAX_LENGTH: Final = 8192
MAX_PORT: Final = 65535

# Names as resolvers take them, which is more than host names: service records have underscores.
_NAME: Final = re.compile(r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.|$))+")
# What RFC 3986 (appendix B) takes a URL apart by, where there is an authority.
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<authority>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?"
)
_AUTHORITY: Final = re.compile(
    r"(\[(?P<address>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(:(?P<port>[0-9]{0,9}))?"
)
_NOT_IN_A_URL: Final = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
# Characters of a path or query that are sent as they are; what is escaped already stays escaped.
_SAFE: Final = "%/:?#[]@!$&'()*+,;=-._~|^{}\\`\"<>"


@attrs.frozen(kw_only=True)
class Url:
    """A URL without user information and fragment."""

    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    target: str  # path and query, as they stand in a request

    @property
    def authority(self) -> str:
        """Host and port as they stand in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is spoken to: what credentials are meant for."""
        return (self.scheme, self.host, self.port)

    @property
    def shown(self) -> str:
        """The URL for people: values in the query may be secrets."""
        return f"{self.scheme}://{self.authority}{self.shown_target}"

    @property
    def shown_target(self) -> str:
        """Path and query for people."""
        path, mark, query = self.target.partition("?")
        return path + mark + re.sub(r"=[^&]+", "=***", query)


@lru_cache(maxsize=4096)
def parse_url(text: str, schemes: tuple[str, str] = HTTP) -> Url:
    """Parse ``text``; raise ValueError (a message that starts with "must") if it is none."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"must not be longer than {MAX_LENGTH} characters")
    if _NOT_IN_A_URL.search(text):
        raise ValueError("must not contain white space or control characters")
    parts = _URL.match(text)
    scheme = parts["scheme"].lower() if parts else ""
    if parts is None or scheme not in schemes:
        raise ValueError(f"must start with {' or '.join(f'{each}://' for each in schemes)}")
    if "@" in parts["authority"]:
        raise ValueError("must not contain a user name or password")
    place = _AUTHORITY.fullmatch(parts["authority"])
    if place is None:
        raise ValueError("must have a host, and after it nothing but a port")
    address, name, port = place["address"], place["name"], place["port"]
    number = int(port) if port else DEFAULT_PORTS[scheme]
    if not 0 < number <= MAX_PORT:
        raise ValueError(f"must have a port from 1 to {MAX_PORT}")
    return Url(
        scheme=scheme,
        host=_parse_ipv6(address) if address is not None else parse_host(name),
        port=number,
        target=_request_target(parts["path"], parts["query"]),
    )


def parse_host(text: str) -> str:
    """Turn a name into ASCII (IDNA) and an address into its usual form; ValueError if neither."""
    if ":" in text:
        return _parse_ipv6(text)
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"must have a valid host name ({error})") from error
    if not name:
        raise ValueError("must have a host")
    if not _NAME.fullmatch(name):
        raise ValueError("must have a valid host name")
    return name


def _parse_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise ValueError(f"must have a valid address ({error})") from error
    if address.scope_id is not None:
        raise ValueError("must not have an address with a zone")
    return str(address)


def join_url(base: Url, location: str) -> Url:
    """The URL that ``location``, absolute or relative, means in an answer from ``base``."""
    # Servers put unescaped blanks and UTF-8 into Location; browsers repair that too.
    repaired = quote(location.strip(), safe=_SAFE)
    absolute = urljoin(f"{base.scheme}://{base.authority}{base.target}", repaired)
    return parse_url(absolute)


def with_parameter(url: Url, name: str, value: str) -> Url:
    """Return ``url`` with one more query parameter."""
    mark = "&" if "?" in url.target else "?"
    return attrs.evolve(url, target=f"{url.target}{mark}{name}={value}")


def _request_target(path: str, query: str | None) -> str:
    quoted = quote(path or "/", safe=_SAFE)
    return f"{quoted}?{quote(query, safe=_SAFE)}" if query else quoted
