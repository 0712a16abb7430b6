import pytest

from kubekuma.kit.url import HTTP, WEBSOCKET, join_url, parse_host, parse_url, with_parameter


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "authority"),
    [
        ("http://example.org", "example.org", 80, "/", "example.org"),
        ("HTTPS://Example.ORG:443/A", "example.org", 443, "/A", "example.org"),
        ("http://example.org:8080/?q=1#part", "example.org", 8080, "/?q=1", "example.org:8080"),
        ("http://[2001:DB8::1]:81/x", "2001:db8::1", 81, "/x", "[2001:db8::1]:81"),
        ("http://münchen.example/ä?ö=ü", "xn--mnchen-3ya.example", 80, "/%C3%A4?%C3%B6=%C3%BC",
         "xn--mnchen-3ya.example"),
        ("http://a_b.svc/%20|", "a_b.svc", 80, "/%20|", "a_b.svc"),
        ("http://web/", "web", 80, "/", "web"),
        ("ws://web/a", "web", 80, "/a", "web"),
        ("wss://web:8443", "web", 8443, "/", "web:8443"),
    ],
)  # fmt: skip
def test_parts_of_a_url(text: str, host: str, port: int, target: str, authority: str) -> None:
    url = parse_url(text, WEBSOCKET if text.startswith("ws") else HTTP)
    assert (url.host, url.port, url.target, url.authority) == (host, port, target, authority)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.org/",
        "example.org",
        "http://",
        "http:///path",
        "http://user:pass@example.org/",
        "http://user@example.org/",
        "http://@example.org/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:http/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: 1",
        "http://-example.org/",
        "http://a..b/",
        "http://" + "a" * 64 + ".org/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://xn--\u2488.example/",
        "http://example.org/" + "a" * 9000,
        "ws://example.org/",
        "http://example.org/\ud800",
    ],
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_url(text)


def test_values_of_a_query_are_not_shown() -> None:
    url = parse_url("http://example.org/a?token=secret&b=&c")
    assert url.shown == "http://example.org/a?token=***&b=&c"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/b", "http://example.org:81/b"),
        ("b", "http://example.org:81/dir/b"),
        ("../c", "http://example.org:81/c"),
        ("?x", "http://example.org:81/dir/a?x"),
        ("//other.org/d", "http://other.org/d"),
        ("https://other.org", "https://other.org/"),
        (" /with blank ", "http://example.org:81/with%20blank"),
        ("/grün", "http://example.org:81/gr%C3%BCn"),
    ],
)
def test_locations_are_relative_to_where_they_stand(location: str, shown: str) -> None:
    assert join_url(parse_url("http://example.org:81/dir/a?q"), location).shown == shown


@pytest.mark.parametrize("location", ["ftp://x/", "javascript:alert(1)", "http://u:p@x/"])
def test_locations_that_lead_nowhere(location: str) -> None:
    with pytest.raises(ValueError, match="must"):
        join_url(parse_url("http://example.org/"), location)


def test_a_parameter_is_added_to_whatever_query_there_is() -> None:
    assert with_parameter(parse_url("http://x/"), "a", "1").target == "/?a=1"
    assert with_parameter(parse_url("http://x/?b"), "a", "1").target == "/?b&a=1"


@pytest.mark.parametrize(
    ("text", "host"),
    [("Example.org.", "example.org."), ("::1", "::1"), ("0:0::1", "::1"), ("192.0.2.1",) * 2],
)
def test_hosts(text: str, host: str) -> None:
    assert parse_host(text) == host


def test_only_the_schemes_that_are_asked_for_are_taken() -> None:
    with pytest.raises(ValueError, match="must start with ws:// or wss://"):
        parse_url("http://example.org/", WEBSOCKET)


@pytest.mark.parametrize("text", ["", "a b", "a:1", "http://a", "[::1]", "fe80::1%1", "a\n", "*.a"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_host(text)
