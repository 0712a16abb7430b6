"""DNS checker: the servers that are asked give the records that they should."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import attrs
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import trio

from kubekuma.check.choose_servers import settings_servers
from kubekuma.check.context import Check
from kubekuma.check.dns_ask import Server, ask_dns
from kubekuma.check.expect import Facts
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.check.name_servers import any_alive, version_of
from kubekuma.check.resolve import limit_for_asking
from kubekuma.check.system_resolver import system_addresses, system_servers
from kubekuma.check.trace import Phase
from kubekuma.model.criteria import DnsCriteria, Match, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import DnsTarget, RecordType, Resolver

_FAILURES: Final = {
    "NXDOMAIN": Reason.DNS_NXDOMAIN,
    "SERVFAIL": Reason.DNS_SERVFAIL,
    "REFUSED": Reason.DNS_REFUSED,
}
# Another server may know better than one that says so.
_INCONCLUSIVE: Final = frozenset({"SERVFAIL", "REFUSED", "NOTIMP", "NOTAUTH"})


@attrs.frozen(kw_only=True)
class Told:
    """What one server has told: a code, and records as zone files write them."""

    by: str
    peer: str | None
    rcode: str
    records: frozenset[str]


async def check_dns(
    target: DnsTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask every server at the same time: the first that knows counts, or all must agree."""
    question = _question(target)
    servers = _servers(target, check)
    names = ", ".join(map(str, servers))
    check.trace.enter(Phase.FIRST_BYTE, f"waiting for an answer of {names}")
    check.trace.say("asking %s for %s %s", names, target.name, target.record_type)
    asking = _ask_all(servers, question, target, check)
    told = await (asking if target.resolvers else _bounded(asking, check))
    check.trace.finish()
    first = told[0]
    check.trace.peer = first.peer
    for each in told:
        shown = ", ".join(sorted(each.records)) or "no records"
        check.trace.say("%s says %s: %s", each.by, each.rcode, shown)
    wanted = criteria.dns or DnsCriteria()
    found = [*_disagreements(told), *_judge(target, first, wanted)]
    output = "\n".join(sorted(first.records))
    values = {**shared_values(check.trace, check.context.now()), "rcode": first.rcode}
    facts = Facts(kind="dns", values={**values, "output": output})
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]


def _question(target: DnsTarget) -> dns.message.QueryMessage:
    try:
        if target.record_type is RecordType.PTR and version_of(target.name) is not None:
            name = dns.reversename.from_address(target.name)
        else:
            name = (
                dns.name.from_unicode(target.name)
                if not target.name.isascii()
                else (dns.name.from_text(target.name))
            )
        return dns.message.make_query(name, target.record_type.value, use_edns=0, payload=1232)
    except dns.exception.DNSException as error:
        message = f"{target.name} cannot be asked for ({error})"
        raise CheckFailed(Reason.DNS_FAILURE, message) from error


def _servers(target: DnsTarget, check: Check) -> Sequence[Server]:
    if target.resolvers:
        return [Server(each, trusted=False) for each in target.resolvers]
    ours = check.context.networking.dns.resolvers or [
        Resolver(address=each) for each in system_addresses()
    ]
    if not ours:
        raise CheckFailed(Reason.NO_RESOLVER, "the system has not been told any resolver")
    return [Server(each, trusted=True) for each in ours]


async def _bounded(asking: Awaitable[Sequence[Told]], check: Check) -> Sequence[Told]:
    """Ask servers that nobody blames: when they are silent, the fault is ours."""
    seconds = limit_for_asking(check)
    silent = f"no resolver answers within {seconds:g} s"
    try:
        with trio.fail_after(seconds):
            return await asking
    except trio.TooSlowError:
        pass
    except CheckFailed as failed:
        if failed.finding.reason.ours:
            raise
        silent = failed.finding.message
    if await any_alive(await settings_servers(check) or system_servers()):
        raise CheckFailed(Reason.DNS_FAILURE, silent)
    raise CheckFailed(Reason.NO_RESOLVER, f"{silent}, and no resolver answers at all")


async def _ask_all(
    servers: Sequence[Server], question: dns.message.QueryMessage, target: DnsTarget, check: Check
) -> Sequence[Told]:
    """Collect what the servers tell: of all, or of the first that knows."""
    told: dict[int, Told] = {}
    failed: list[CheckFailed] = []

    async def ask(number: int, server: Server, enough: Callable[[], None]) -> None:
        aside = check.aside()
        try:
            answer = await ask_dns(server, question, aside)
        except CheckFailed as error:
            failed.append(CheckFailed(error.finding.reason, f"{server}: {error.finding.message}"))
            return
        each = _told(server, answer, aside)
        told[number] = each
        if not target.all_must_agree and each.rcode not in _INCONCLUSIVE:
            enough()

    async with trio.open_nursery() as nursery:
        for number, server in enumerate(servers):
            nursery.start_soon(ask, number, server, nursery.cancel_scope.cancel)
    if failed and (target.all_must_agree or not told):
        raise failed[0]
    inconclusive = [each for each in told.values() if each.rcode in _INCONCLUSIVE]
    known = [told[number] for number in sorted(told) if told[number] not in inconclusive]
    # Whoever cancelled the others is the first that knew.
    return known or inconclusive


def _told(server: Server, answer: dns.message.QueryMessage, check: Check) -> Told:
    records: frozenset[str] = frozenset()
    try:
        found = answer.resolve_chaining().answer
    except dns.exception.DNSException:
        found = None
    if found is not None:
        records = frozenset(_text(record.to_text()) for record in found)
    rcode = dns.rcode.to_text(answer.rcode())
    return Told(by=str(server), peer=check.trace.peer, rcode=rcode, records=records)


def _disagreements(told: Sequence[Told]) -> Iterator[Finding]:
    first = told[0]
    for other in told[1:]:
        if (other.rcode, other.records) != (first.rcode, first.records):
            message = f"{first.by} says {_shown(first)}, and {other.by} says {_shown(other)}"
            yield Finding(Reason.RECORD_MISMATCH, message)


def _judge(target: DnsTarget, told: Told, wanted: DnsCriteria) -> Iterator[Finding]:
    what = f"{target.name} {target.record_type}"
    if wanted.rcode is not None:
        if told.rcode != wanted.rcode.upper():
            message = f"the response code is {told.rcode} and should be {wanted.rcode.upper()}"
            yield Finding(_FAILURES.get(told.rcode, Reason.RECORD_MISMATCH), message)
            return
    elif not wanted.must_resolve:
        if told.records:
            message = f"{what} should not be there and is {_shown(told)}"
            yield Finding(Reason.RECORD_MISMATCH, message)
    elif told.rcode != "NOERROR":
        reason = _FAILURES.get(told.rcode, Reason.DNS_FAILURE)
        yield Finding(reason, f"{told.by} answers {told.rcode} for {what}")
        return
    elif not told.records:
        yield Finding(
            Reason.DNS_NO_RECORDS, f"{target.name} has no records of type {target.record_type}"
        )
        return
    yield from _judge_values(what, told, wanted)


def _judge_values(what: str, told: Told, wanted: DnsCriteria) -> Iterator[Finding]:
    missing = [value for value in wanted.values if _text(value) not in told.records]
    if not missing or (wanted.match is Match.ANY and len(missing) < len(wanted.values)):
        return
    word = "any of " if wanted.match is Match.ANY else ""
    message = f"{what} is {_shown(told)}, without {word}{', '.join(missing)}"
    yield Finding(Reason.RECORD_MISMATCH, message)


def _shown(told: Told) -> str:
    return ", ".join(sorted(told.records)) or told.rcode


def _text(record: str) -> str:
    """A record in a form that can be compared: names in lower case and without a final dot.

    Texts are left as they are, in quotes or without.
    """
    if '"' in record:
        return record.replace('" "', "").removeprefix('"').removesuffix('"')
    return " ".join(part.rstrip(".").lower() or "." for part in record.split())
