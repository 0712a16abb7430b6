"""URLs, as Go's net/url reads them: absolute ones, and absolute paths."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, unquote_to_bytes

import attrs
import re2

from kubekuma.standalone.functions.opaque import Opaque, content, no_such_overload, opaque

URL: Final = "kubernetes.URL"

_CONTROL: Final = re2.compile(r"[\x00-\x1f\x7f]")
_SCHEME: Final = re2.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE: Final = re2.compile(r"%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|.?$)")
_PORT: Final = re2.compile(r"^(?::[0-9]*)?$")
_USER: Final = re2.compile(r"^[A-Za-z0-9._~!$&'()*+,;=:%@-]*$")
# What may stand in a host as it is. The others are escaped, and only if they are not ASCII.
_NAME: Final = re2.compile(
    r"^(?:[A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"-]|[^\x00-\x7f]|%[89A-Fa-f][0-9A-Fa-f])*$"
)
_AS_IT_IS: Final = re2.compile(r"^[A-Za-z0-9._~!$&'()*+,;=:@\[\]/%-]*$")
_NOT_ESCAPED: Final = "$&+,/:;=@-_.~"


@attrs.frozen(kw_only=True)
class _Url:
    scheme: str = ""
    host: str = ""
    path: str = ""
    query: str = ""


def _parsed(text: str) -> _Url:
    """Parse ``text``, which may end with a fragment. Raises ValueError."""
    # As a request it has no fragment: there, all must be right with it.
    _split(text)
    before, _, fragment = text.partition("#")
    if _BAD_ESCAPE.search(fragment):
        raise _mistake("invalid URL escape")
    return _split(before)


def _split(text: str) -> _Url:
    if not isinstance(text, str):
        raise no_such_overload()
    if not text or _CONTROL.search(text):
        raise _mistake("empty url" if not text else "invalid control character in URL")
    scheme, rest = "", text
    if match := _SCHEME.match(text):
        scheme, rest = match[1].lower(), text[match.end() :]
    elif text.startswith(":"):
        raise _mistake("missing protocol scheme")
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            # mailto:somebody has neither host nor path.
            return _Url(scheme=scheme, query=query)
        if rest != "*":
            raise _mistake("invalid URI for request")
    host = ""
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        host, rest = _host(authority), slash + path
    if _BAD_ESCAPE.search(rest):
        raise _mistake("invalid URL escape")
    return _Url(scheme=scheme, host=host, path=rest, query=query)


def _host(authority: str) -> str:
    user, _, host = authority.rpartition("@")
    if not _USER.match(user) or _BAD_ESCAPE.search(user):
        raise _mistake("net/url: invalid userinfo")
    if host.startswith("["):
        name, bracket, port = host.rpartition("]")
        if not bracket:
            raise _mistake("missing ']' in host")
        name += bracket
    else:
        name, colon, port = host.rpartition(":")
        name, port = (name, colon + port) if colon else (host, "")
    if not _PORT.match(port):
        raise _mistake(f'invalid port "{port}" after host')
    if not _NAME.match(name.replace("%25", "")) or (not name.startswith("[") and "%25" in name):
        raise _mistake("invalid character in host name")
    return unquote(host)


def _mistake(why: str) -> ValueError:
    return ValueError(f"URL parse error during conversion from string: {why}")


def _url(text: str) -> Opaque:
    scheme, rest = _parsed(text).scheme, text.removesuffix("#")
    return opaque(URL, scheme + rest[len(scheme) :])


def url_mistake(text: str) -> str | None:
    """Say why ``text`` is no URL; None if it is one."""
    try:
        _split(text)
    except ValueError as error:
        return str(error)
    return None


def _read(value: Any) -> _Url:
    return _parsed(content(URL, value))


def _hostname(value: Any) -> str:
    host = _read(value).host
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, _ = host.rpartition(":")
    return name if colon else host


def _port(value: Any) -> str:
    host = _read(value).host
    return host.rpartition("]")[2].rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""


def _escaped_path(value: Any) -> str:
    path = _read(value).path
    return path if _AS_IT_IS.match(path) else quote(unquote_to_bytes(path), safe=_NOT_ESCAPED)


def _query(value: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in _read(value).query.split("&"):
        # What cannot be read is left out.
        if pair and ";" not in pair and not _BAD_ESCAPE.search(pair):
            name, _, said = pair.replace("+", " ").partition("=")
            found.setdefault(unquote(name), []).append(unquote(said))
    return found


URLS: Final[Mapping[str, Callable[..., Any]]] = {
    "isURL": lambda text: url_mistake(text) is None,
    "url": _url,
    "getScheme": lambda value: _read(value).scheme,
    "getHost": lambda value: _read(value).host,
    "getHostname": _hostname,
    "getPort": _port,
    "getEscapedPath": _escaped_path,
    "getQuery": _query,
}
