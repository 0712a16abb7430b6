"""domainExpiry checker: the registration of a domain lasts long enough, by RDAP (RFC 9083)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.expect import Facts
from kubekuma.check.fetch import fetch
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.kit.json_path import MISSING
from kubekuma.kit.url import parse_host
from kubekuma.model.criteria import DomainExpiryCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import DomainExpiryTarget, HttpTarget

# Which server knows the domains of which registry (RFC 9224).
BOOTSTRAP_URL: Final = "https://data.iana.org/rdap/dns.json"
BOOTSTRAP_BYTES: Final = 4 * 1024 * 1024
MOST_BYTES: Final = 512 * 1024


async def check_domain_expiry(
    target: DomainExpiryTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask the registry when the registration ends. A domain that nobody has registered fails."""
    domain = parse_host(target.domain).rstrip(".")
    server = await _server_for(domain, check)
    answer = await _get(f"{server.rstrip('/')}/domain/{domain}", MOST_BYTES, check)
    check.trace.finish()
    if answer.status == 404:
        raise CheckFailed(Reason.DNS_NXDOMAIN, f"the registry does not know the domain {domain}")
    until = _expires(_object(answer))
    if until is None:
        message = f"the registry does not say when {domain} expires"
        raise CheckFailed(Reason.VALUE_MISMATCH, message)
    now = check.context.now()
    days = (until - now) // timedelta(days=1)
    # The registry's certificate is the registry's to look after.
    check.trace.certificate, check.trace.registered_until = None, until
    check.trace.say("registered until %s, %s days", f"{until:%Y-%m-%d}", days)
    found = list(_judge(domain, until, days, criteria.domain_expiry or DomainExpiryCriteria()))
    values = {**shared_values(check.trace, now), "domainDays": days, "certificateDays": MISSING}
    facts = Facts(kind="domainExpiry", values=values)
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]


def _judge(
    domain: str, until: datetime, days: int, wanted: DomainExpiryCriteria
) -> Iterator[Finding]:
    least = wanted.min_days_remaining or 0
    if days < least or days < 0:
        message = f"{domain} is registered until {until:%Y-%m-%d}, {days} days"
        yield Finding(Reason.EXPIRES_SOON, f"{message}, and should be for {least} or more")


async def _server_for(domain: str, check: Check) -> str:
    """Find the registry's server, by the longest part of the name that has one."""
    servers = check.context.registries
    if not servers.are_known(check.context.now()):
        late = f"no list of registries from {BOOTSTRAP_URL} in time"
        with check.preparing(Reason.INTERNAL_ERROR, late) as aside:
            try:
                answer = await _get(BOOTSTRAP_URL, BOOTSTRAP_BYTES, aside)
            except CheckFailed as failed:
                # That we cannot learn whom to ask is nobody's fault but ours.
                message = f"no list of registries: {failed.finding.message}"
                raise CheckFailed(Reason.NO_RESOLVER, message) from failed
        servers.learn(_object(answer), check.context.now())
    found = servers.server_for(domain)
    if found is None:
        message = f"the registry of {domain} answers no RDAP, or there is no such top-level domain"
        raise CheckFailed(Reason.DNS_FAILURE, message)
    return found


async def _get(url: str, most: int, check: Check) -> Answer:
    target = HttpTarget(url=url, max_body_bytes=most)
    answer = await fetch(target, check, want_body=True)
    if answer.status not in {200, 404}:
        raise CheckFailed(Reason.STATUS_MISMATCH, f"{url} answers with status {answer.status}")
    return answer


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise CheckFailed(Reason.JSON_INVALID, "the answer is not JSON") from error
    if not isinstance(found, dict):
        raise CheckFailed(Reason.JSON_INVALID, "the answer is not an object")
    return found


def _expires(found: Mapping[str, Any]) -> datetime | None:
    events = found.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("eventAction") == "expiration":
            try:
                until = datetime.fromisoformat(str(event.get("eventDate")))
            except ValueError:
                continue
            return until if until.tzinfo else until.replace(tzinfo=UTC)
    return None
