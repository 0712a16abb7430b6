import gzip
import tracemalloc
import zlib

import pytest

from kubekuma.check.decode import charset_of, decode, decompress, media_type
from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

TEXT = b"hello " * 100


def zipped(data: bytes) -> bytes:
    # Without the time, so that tests are named alike in every process.
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, None),
        (TEXT, "identity"),
        (zipped(TEXT), "gzip"),
        (zipped(TEXT), "X-GZIP"),
        (zipped(TEXT[:300]) + zipped(TEXT[300:]), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
        (zipped(zlib.compress(TEXT)), "deflate, gzip"),
    ],
)
def test_content_codings(body: bytes, encoding: str | None) -> None:
    assert decompress(body, encoding, len(TEXT)) == TEXT


def test_a_bomb_is_given_up_at_the_limit() -> None:
    bomb = zipped(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(CheckFailed) as caught:
        decompress(bomb, "gzip", 1_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.finding.reason is Reason.BODY_TOO_LARGE
    assert most < 5_000_000


def test_a_bomb_of_many_members_is_given_up_at_the_limit() -> None:
    with pytest.raises(CheckFailed) as caught:
        decompress(zipped(bytes(1000)) * 20, "gzip", 10_000)
    assert caught.value.finding.reason is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"plain", "gzip"),
        (zipped(TEXT)[:-9], "gzip"),
        (zipped(TEXT) + b"more", "gzip"),
        (b"\xff\xff", "deflate"),
        (TEXT, "br"),
        (TEXT, "zstd"),
    ],
)
def test_what_cannot_be_decompressed(body: bytes, encoding: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        decompress(body, encoding, 10_000)
    assert caught.value.finding.reason is Reason.DECODING_FAILED


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Grüße".encode(), None),
        ("Grüße".encode(), "text/html; charset=utf-8"),
        ("Grüße".encode("latin-1"), 'text/html; charset="ISO-8859-1"'),
        ("Grüße".encode("utf-16"), "text/html; charset=latin-1"),
        ("Grüße".encode("utf-8-sig"), None),
        (b"<meta charset=latin1>Gr\xfc\xdfe", "text/html"),
        (b'<META http-equiv=x content="text/html; charset=ISO-8859-15">Gr\xfc\xdfe', None),
        ("Grüße".encode(), "text/html; charset=no-such-thing"),
        ("Grüße".encode(), "text/html; charset=punycode"),
        ("Grüße".encode(), "text/html; charset=zip"),
    ],
)
def test_charsets(body: bytes, content_type: str | None) -> None:
    assert decode(body, content_type).endswith("Grüße")


def test_broken_characters_do_not_fail_a_page() -> None:
    assert decode(b"ok \xff", None) == "ok \N{REPLACEMENT CHARACTER}"


def test_parts_of_a_content_type() -> None:
    assert charset_of("text/html; a=b; charset=UTF-8") == "utf-8"
    assert charset_of("text/html") is None
    assert media_type("Text/HTML ; charset=x") == "text/html"
    assert media_type(None) == ""
