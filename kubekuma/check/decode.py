"""From the bytes of a body to its text: decompressed within a limit, then decoded."""

import codecs
import re
import zlib
from typing import Final

from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

_OTHER_CODINGS: Final = frozenset({"br", "compress", "zstd"})
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Python's own inventions, some of them slow on purpose-made input.
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}
)
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']{1,40})", re.IGNORECASE)
# Where an HTML page may say so (HTML, section 4.2.5.5: within the first 1024 bytes).
_META_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})")


def decompress(body: bytes, encoding: str | None, limit: int) -> bytes:
    """Undo the content codings named in ``encoding``; raise CheckFailed beyond ``limit`` bytes."""
    for coding in reversed([each.strip().lower() for each in (encoding or "").split(",")]):
        if coding in {"gzip", "x-gzip", "deflate"}:
            body = _inflate(body, coding, limit)
        elif coding not in {"", "identity"}:
            name = coding if coding in _OTHER_CODINGS else "a coding"
            raise CheckFailed(
                Reason.DECODING_FAILED, f"the body is in {name}, which was not offered"
            )
    return body


def decode(body: bytes, content_type: str | None) -> str:
    """Decode ``body`` by its byte order mark, its header, its page, or else as UTF-8.

    What cannot be decoded becomes U+FFFD: a page with one broken character is still a page.
    """
    by_mark = next((name for mark, name in _BOMS if body.startswith(mark)), None)
    charset = by_mark or charset_of(content_type) or _charset_in_page(body) or "utf-8"
    try:
        return body.decode(charset, "replace")
    except (LookupError, UnicodeError):
        return body.decode("utf-8", "replace")


def charset_of(content_type: str | None) -> str | None:
    """The charset parameter of a Content-Type, if it names one that we know."""
    found = _CHARSET.search(content_type or "")
    return _known(found[1]) if found else None


def media_type(content_type: str | None) -> str:
    """The type without parameters, in lower case."""
    return (content_type or "").partition(";")[0].strip().lower()


def _charset_in_page(body: bytes) -> str | None:
    found = _META_CHARSET.search(body[:1024].lower())
    return _known(found[1].decode("ascii")) if found else None


def _known(charset: str | None) -> str | None:
    try:
        name = codecs.lookup(charset).name if charset else None
    except LookupError:
        return None
    return None if name in _NO_CHARSETS else name


def _inflate(body: bytes, coding: str, limit: int) -> bytes:
    try:
        return _all_members(body, _GZIP_OR_ZLIB, limit)
    except zlib.error as error:
        if coding != "deflate":
            raise _broken(coding) from error
    try:
        # Some servers send deflate without the frame that RFC 9110 asks for.
        return _all_members(body, _RAW_DEFLATE, limit)
    except zlib.error as error:
        raise _broken(coding) from error


def _all_members(body: bytes, window: int, limit: int) -> bytes:
    out = bytearray()
    while body:
        inflater = zlib.decompressobj(window)
        # One byte more than is allowed, so that too much can be told from just enough.
        out += inflater.decompress(body, limit + 1 - len(out))
        if len(out) > limit:
            raise CheckFailed(
                Reason.BODY_TOO_LARGE, f"the body is longer than {limit} bytes when decompressed"
            )
        if not inflater.eof:
            raise zlib.error("cut off")
        body = inflater.unused_data
    return bytes(out)


def _broken(coding: str) -> CheckFailed:
    return CheckFailed(Reason.DECODING_FAILED, f"the body is not valid {coding}")
