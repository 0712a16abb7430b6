"""HTTP and HTTPS through Squid and microsocks."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from fakes.targets import LOOPBACK, check_context, monitor_of, secret_ref
from support.certificates import certificates
from support.daemons import free_ports, installed, running
from support.nginx import Nginx, nginx

from kubekuma.check.run import run_check
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import HttpTarget, Proxy, ProxyMode, Tls

__all__ = ["nginx"]

pytestmark = pytest.mark.servers


@attrs.frozen
class Proxies:
    """Ports of proxies that let alice through, whose password is ``s3cret``."""

    http: int
    socks: int
    open_socks: int


@pytest.fixture(scope="session")
def proxies(open_folders: Callable[[], Path]) -> Iterator[Proxies]:
    squid, socks = installed("squid", "squid"), installed("microsocks", "microsocks")
    ncsa = installed("/usr/lib/squid/basic_ncsa_auth", "squid")
    folder = open_folders()
    http, *ports = free_ports(3)
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", "s3cret"], capture_output=True, check=True
    )
    (folder / "users").write_bytes(b"alice:" + hashed.stdout)
    configuration = folder / "squid.conf"
    configuration.write_text(f"""
http_port 127.0.0.1:{http}
pid_filename none
cache_log {folder}/cache.log
access_log none
cache deny all
coredump_dir {folder}
cache_effective_user proxy
auth_param basic program {ncsa} {folder}/users
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
shutdown_lifetime 0 seconds
""")
    for each in (folder, folder / "users"):
        each.chmod(0o777 if each.is_dir() else 0o644)
    where = [socks, "-i", "127.0.0.1", "-p"]
    with (
        running([squid, "-N", "-f", configuration], folder, ports=(http,)),
        running([*where, str(ports[0]), "-u", "alice", "-P", "s3cret"], folder, ports=ports[:1]),
        running([*where, str(ports[1])], folder, ports=ports[1:]),
    ):
        yield Proxies(http, *ports)


async def check(url: str, proxy: str, *, policy: Any = LOOPBACK) -> CheckResult:
    mode = ProxyMode.HTTP if proxy.startswith("http") else ProxyMode.SOCKS
    target = HttpTarget(
        url=url,
        proxy=Proxy(mode=mode, url_from_secret_ref=secret_ref("proxy")),
        tls=Tls(ca_bundle_secret_ref=secret_ref("bundle")),
    )
    secrets = {"proxy": proxy.encode(), "bundle": certificates().bundle}
    context = check_context(secrets=secrets, targets=policy)
    monitor = monitor_of(MonitorType.HTTP, target)
    result = await run_check(monitor, context, transcript=True)
    assert "s3cret" not in repr(result)
    return result


@pytest.fixture(params=["http", "socks", "open_socks"])
def proxy(request: pytest.FixtureRequest, proxies: Proxies) -> str:
    port = getattr(proxies, request.param)
    scheme = "http" if request.param == "http" else "socks5"
    who = "" if request.param == "open_socks" else "alice:s3cret@"
    return f"{scheme}://{who}127.0.0.1:{port}"


@pytest.mark.parametrize("where", ["http", "valid"])
async def test_a_page_through_a_proxy(nginx: Nginx, proxy: str, where: str) -> None:
    scheme = "http" if where == "http" else "https"
    url = f"{scheme}://localhost:{getattr(nginx, where)}/index.html"
    result = await check(url, proxy)
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == proxy.rpartition("@")[2].rpartition("/")[2]
    assert (result.certificate is not None) is (where == "valid")


async def test_a_certificate_behind_a_proxy_is_looked_at(nginx: Nginx, proxy: str) -> None:
    result = await check(f"https://localhost:{nginx.expired}/index.html", proxy)
    assert result.reason is Reason.TLS_EXPIRED
    assert result.certificate


async def test_a_redirect_to_tls_goes_through_the_proxy_too(nginx: Nginx, proxy: str) -> None:
    result = await check(f"http://localhost:{nginx.http}/secure", proxy)
    assert result.reason is Reason.PASSED, result.message


async def test_whoever_is_not_there_is_told_by_the_proxy(proxy: str) -> None:
    (closed,) = free_ports(1)
    result = await check(f"https://127.0.0.1:{closed}/", proxy)
    assert result.reason in {Reason.CONNECTION_REFUSED, Reason.CONNECTION_FAILED}, result
    assert "the proxy does not let us through" in result.message


@pytest.mark.parametrize("which", ["http", "socks"])
@pytest.mark.parametrize("who", ["", "alice:wr0ng@"])
async def test_a_proxy_that_does_not_know_us(
    nginx: Nginx, proxies: Proxies, which: str, who: str
) -> None:
    scheme = "http" if which == "http" else "socks5"
    proxy = f"{scheme}://{who}127.0.0.1:{getattr(proxies, which)}"
    result = await check(f"https://localhost:{nginx.valid}/index.html", proxy)
    assert result.reason is Reason.AUTH_FAILED, result.message


async def test_rules_for_targets_hold_behind_a_proxy(proxy: str) -> None:
    """The proxy itself is on loopback, too: what is denied here is the target alone."""
    policy = AddressPolicy(allow_cidrs=("127.0.0.1/32",))
    result = await check("https://127.0.0.2:1/", proxy, policy=policy)
    assert result.reason is Reason.ADDRESS_DENIED
    assert "127.0.0.2" in result.message


@pytest.mark.parametrize("text", ["ftp://x", "socks5://", "http://x y", "nonsense"])
async def test_a_secret_that_is_no_proxy_s_url_is_ours(text: str) -> None:
    result = await check("https://localhost:1/", f"socks5 {text}")
    assert result.reason is Reason.SECRET_MISSING
    assert "the proxy's URL" in result.message
