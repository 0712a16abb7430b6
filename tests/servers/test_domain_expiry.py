"""The domainExpiry checker against RDAP answers as registries give them, served by nginx."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.targets import check_context, monitor_of
from support.daemons import free_ports, installed, running

from kubekuma.check.run import run_check
from kubekuma.model.criteria import DomainExpiryCriteria, Expectation, Op, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import DomainExpiryTarget

pytestmark = pytest.mark.servers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = installed("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("rdap")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    domains = folder / "root" / "rdap" / "domain"
    domains.mkdir(parents=True)

    def domain(name: str, *events: tuple[str, str]) -> None:
        told = [{"eventAction": action, "eventDate": at} for action, at in events]
        document = {"objectClassName": "domain", "ldhName": name, "events": told}
        (domains / name).write_text(json.dumps(document))

    registered = ("registration", "1995-08-14T04:00:00Z")
    domain("example.org", registered, ("expiration", "2026-02-01T04:00:00Z"))
    domain("shop.co.uk", registered, ("expiration", "2025-12-01T00:00:00+00:00"))
    domain("silent.org", registered)
    bootstrap = {
        "version": "1.0",
        "services": [[["org", "net"], [f"{url}/rdap/"]], [["uk", "co.uk"], [f"{url}/rdap"]]],
    }
    (folder / "root" / "dns.json").write_text(json.dumps(bootstrap))
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
daemon off;
user root;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  default_type application/rdap+json;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}; root {folder}/root; }}
}}
""")
    command: list[str | Path] = [program, "-p", folder, "-c", configuration]
    with running(command, folder, ports=(port,)):
        yield url


@pytest.fixture(autouse=True)
def bootstrap(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubekuma.check.domain_expiry.BOOTSTRAP_URL", f"{registry}/dns.json")


async def check(domain: str, expect: Any = (), least: int | None = None) -> CheckResult:
    criteria = SuccessCriteria(
        domain_expiry=DomainExpiryCriteria(min_days_remaining=least), expect=expect
    )
    monitor = monitor_of(MonitorType.DOMAIN_EXPIRY, DomainExpiryTarget(domain=domain), criteria)
    return await run_check(monitor, check_context(now=lambda: NOW), transcript=True)


@pytest.mark.parametrize(
    ("domain", "least", "reason", "said"),
    [
        ("example.org", None, Reason.PASSED, ""),
        ("EXAMPLE.org", 31, Reason.PASSED, ""),
        ("example.org", 32, Reason.EXPIRES_SOON, "until 2026-02-01, 31 days"),
        ("shop.co.uk", None, Reason.EXPIRES_SOON, "until 2025-12-01"),
        ("silent.org", None, Reason.VALUE_MISMATCH, "does not say when"),
        ("nobody.net", None, Reason.DNS_NXDOMAIN, "does not know the domain"),
        ("example.xyz", None, Reason.DNS_FAILURE, "answers no RDAP"),
    ],
)
async def test_registrations(domain: str, least: int | None, reason: Reason, said: str) -> None:
    result = await check(domain, least=least)
    assert result.reason is reason, result.message
    assert said in result.message


async def test_days_can_be_expected() -> None:
    expect = (Expectation(value="domainDays", op=Op.GTE, to=60),)
    result = await check("example.org", expect)
    assert result.reason is Reason.EXPECTATION_FAILED


async def test_that_nobody_says_whom_to_ask_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    (closed,) = free_ports(1)
    nowhere = f"http://127.0.0.1:{closed}/dns.json"
    monkeypatch.setattr("kubekuma.check.domain_expiry.BOOTSTRAP_URL", nowhere)
    result = await check("example.org")
    assert result.reason.ours
    assert "no list of registries" in result.message
