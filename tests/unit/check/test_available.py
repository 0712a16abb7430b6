import pytest
from fakes.targets import monitor_of, secret_ref

from kubekuma.check.available import AVAILABLE_TYPES, missing
from kubekuma.model.monitor import MonitorType
from kubekuma.model.target import (
    Auth,
    BearerAuth,
    DnsTransport,
    HttpTarget,
    OptionalTls,
    Proxy,
    ProxyMode,
    Resolver,
    StartTls,
    TcpTarget,
)

URL = "http://example.org/"
TOKEN = BearerAuth(token_secret_ref=secret_ref("token"))
STARTTLS = OptionalTls(start_tls=StartTls.SMTP)


@pytest.mark.parametrize(
    ("kind", "target", "part"),
    [
        (MonitorType.HTTP, HttpTarget(url=URL), None),
        (MonitorType.KEYWORD, HttpTarget(url=URL, proxy=Proxy()), None),
        (MonitorType.JSON_QUERY, HttpTarget(url=URL, resolver=Resolver(address="::1")), None),
        (MonitorType.TCP, TcpTarget(host="a", port=1), None),
        (MonitorType.HTTP, HttpTarget(url=URL, auth=Auth(bearer=TOKEN)), "target.http.auth"),
        (
            MonitorType.HTTP,
            HttpTarget(url=URL, proxy=Proxy(mode=ProxyMode.SOCKS)),
            "target.http.proxy",
        ),
        (
            MonitorType.HTTP,
            HttpTarget(url=URL, resolver=Resolver(address="a", transport=DnsTransport.TLS)),
            None,
        ),
        (
            MonitorType.TCP,
            TcpTarget(host="a", port=1, tls=STARTTLS),
            None,
        ),
    ],
)
def test_parts_without_a_checker(
    kind: MonitorType, target: HttpTarget | TcpTarget, part: str | None
) -> None:
    assert missing(monitor_of(kind, target).spec) == part


@pytest.mark.parametrize("kind", [each for each in MonitorType if each not in AVAILABLE_TYPES])
def test_types_without_a_checker(kind: MonitorType) -> None:
    assert missing(monitor_of(kind, HttpTarget(url=URL)).spec) == f"type {kind}"
