import socket

import pytest
import trio
import trio.testing
from dns.rcode import Rcode
from fakes.targets import answer, check_context, monitor_of, start_resolver, start_target

from kubekuma.check.finding import CheckFailed
from kubekuma.check.name_servers import Unanswered
from kubekuma.check.resolve import interleaved
from kubekuma.check.run import run_check
from kubekuma.check.system_resolver import system_failure
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import DnsTransport, HttpTarget, IpFamily, Resolver

OK = answer("200 OK")


def http(host: str, port: int = 1, **fields: object) -> Monitor:
    url = f"http://{host}:{port}/"
    return monitor_of(MonitorType.HTTP, HttpTarget(url=url, **fields))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> trio.testing.MockClock:
    # Not at once: the kernel hands loopback's bytes over in real time, if only just.
    return trio.testing.MockClock(autojump_threshold=0.05)


def test_families_take_turns_and_no_address_comes_twice() -> None:
    assert interleaved(["::2", "::3", "192.0.2.1", "::2", "192.0.2.2", "::4"]) == (
        "::2",
        "192.0.2.1",
        "::3",
        "192.0.2.2",
        "::4",
    )
    assert interleaved([]) == ()


async def test_a_name_is_resolved_by_the_settings_resolver(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    resolver = await start_resolver(nursery, {"web.example": ["127.0.0.1"]})
    context = check_context(resolvers=(resolver,))
    result = await run_check(http("web.example", target.port), context, transcript=True)
    assert result.reason is Reason.PASSED, result.message
    assert result.timings.dns
    assert result.transcript[0] == "resolving web.example by 127.0.0.1"
    assert result.transcript[1].startswith("resolved web.example to 127.0.0.1 in ")


async def test_a_resolver_may_be_asked_by_tcp(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    zone = {"web.example": ["127.0.0.1"]}
    resolver = await start_resolver(nursery, zone, transport=DnsTransport.TCP)
    context = check_context(resolvers=(resolver,))
    result = await run_check(http("web.example", target.port), context)
    assert result.reason is Reason.PASSED, result.message
    result = await run_check(http("other.example", target.port), context)
    assert result.reason is Reason.DNS_NXDOMAIN


async def test_a_targets_own_resolver_comes_first(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    theirs = await start_resolver(nursery, {"web.example": ["127.0.0.1"]})
    ours = await start_resolver(nursery, {})
    monitor = http("web.example", target.port, resolver=theirs)
    result = await run_check(monitor, check_context(resolvers=(ours,)))
    assert result.reason is Reason.PASSED, result.message


async def test_a_targets_own_resolver_is_under_the_address_policy() -> None:
    monitor = http("web.example", resolver=Resolver(address="127.0.0.1"))
    result = await run_check(monitor, check_context(targets=AddressPolicy()))
    assert result.reason is Reason.ADDRESS_DENIED
    assert "127.0.0.1" in result.message


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        ({}, Reason.DNS_NXDOMAIN),
        ({"web.example": []}, Reason.DNS_FAILURE),
        ({"web.example": ["2001:db8::1"]}, Reason.DNS_FAILURE),
        ({"web.example": Rcode.SERVFAIL}, Reason.DNS_FAILURE),
        ({"web.example": Rcode.REFUSED}, Reason.DNS_FAILURE),
    ],
    ids=["no name", "no address", "other family", "servfail", "refused"],
)
async def test_answers_without_an_address_are_the_names_fault(
    nursery: trio.Nursery, zone: dict[str, list[str] | Rcode], reason: Reason
) -> None:
    context = check_context(resolvers=(await start_resolver(nursery, zone),))
    result = await run_check(http("web.example", ip_family=IpFamily.IPV4), context)
    assert result.reason is reason, result.message
    assert "web.example" in result.message


async def test_a_name_that_gets_no_answer_is_its_own_fault_while_the_resolver_lives(
    nursery: trio.Nursery,
    clock: trio.testing.MockClock,
) -> None:
    resolver = await start_resolver(nursery, {"web.example": None})
    context = check_context(resolvers=(resolver,), dns_timeout_seconds=1)
    result = await run_check(http("web.example"), context)
    assert result.reason is Reason.DNS_FAILURE
    assert "no answer about web.example within 1 s" in result.message
    assert clock.current_time() == pytest.approx(1, abs=0.1)


async def test_a_resolver_that_is_not_there_is_ours(clock: trio.testing.MockClock) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as free:
        await free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = check_context(resolvers=(Resolver(address="127.0.0.1", port=port),))
    result = await run_check(http("web.example"), context)
    assert result.reason is Reason.NO_RESOLVER, result.message
    assert clock.current_time() < 5


@pytest.mark.parametrize(
    "resolver",
    [
        Resolver(address="dns.example", transport=DnsTransport.UDP),
        Resolver(address="127.0.0.1", transport=DnsTransport.TLS),
    ],
)
async def test_a_resolver_that_cannot_be_asked_is_ours(resolver: Resolver) -> None:
    result = await run_check(http("web.example"), check_context(resolvers=(resolver,)))
    assert result.reason is Reason.NO_RESOLVER


async def test_the_systems_resolver_knows_localhost(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    monitor = http("localhost", target.port, ip_family=IpFamily.IPV4)
    result = await run_check(monitor, check_context())
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", IpFamily.IPV6), ("[::1]", IpFamily.IPV4)]
)
async def test_an_address_of_the_other_family_fails(host: str, family: IpFamily) -> None:
    result = await run_check(http(host, ip_family=family), check_context())
    assert result.reason is Reason.DNS_FAILURE


async def test_waiting_for_a_resolver_thread_is_ours(clock: trio.testing.MockClock) -> None:
    context = check_context()
    context.dns_limiter.total_tokens = 1
    async with context.dns_limiter:
        result = await run_check(http("localhost"), context)
    assert result.reason is Reason.NO_RESOLVER
    assert "busy" in result.message
    assert clock.current_time() < 5


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
async def test_a_name_that_leads_to_a_denied_address_is_denied(
    nursery: trio.Nursery, address: str
) -> None:
    resolver = await start_resolver(nursery, {"web.example": [address]})
    context = check_context(resolvers=(resolver,), targets=AddressPolicy())
    result = await run_check(http("web.example"), context)
    assert result.reason is Reason.ADDRESS_DENIED
    assert address in result.message
    assert result.peer is None


async def test_of_several_addresses_only_allowed_ones_are_tried(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    resolver = await start_resolver(
        nursery, {"web.example": ["169.254.169.254", "127.0.0.1", "::1"]}
    )
    context = check_context(
        resolvers=(resolver,), targets=AddressPolicy(allow_cidrs=("127.0.0.0/8",))
    )
    result = await run_check(http("web.example", target.port), context)
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == f"127.0.0.1:{target.port}"


async def test_when_one_address_refuses_the_next_is_tried(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    resolver = await start_resolver(nursery, {"web.example": ["127.0.0.9", "127.0.0.1"]})
    monitor = http("web.example", target.port)
    result = await run_check(monitor, check_context(resolvers=(resolver,)))
    assert result.reason is Reason.PASSED, result.message


async def test_when_all_addresses_refuse_all_are_counted(nursery: trio.Nursery) -> None:
    target = await start_target(nursery, OK)
    addresses = ["127.0.0.9", "127.0.0.8", "127.0.0.7"]
    resolver = await start_resolver(nursery, {"web.example": addresses})
    monitor = http("web.example", target.port)
    result = await run_check(monitor, check_context(resolvers=(resolver,)))
    assert result.reason is Reason.CONNECTION_REFUSED
    assert result.message.endswith("(and 2 more failed)")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (socket.EAI_NONAME, Reason.DNS_NXDOMAIN),
        (socket.EAI_NODATA, Reason.DNS_FAILURE),
        (socket.EAI_FAIL, Reason.DNS_FAILURE),
        (socket.EAI_MEMORY, Reason.NO_MEMORY),
    ],
)
def test_what_the_systems_resolver_says(number: int, reason: Reason) -> None:
    failure = system_failure("web", socket.gaierror(number, "said so"))
    assert isinstance(failure, CheckFailed)
    assert failure.finding.reason is reason


def test_try_again_does_not_say_whose_fault_it_is() -> None:
    failure = system_failure("web", socket.gaierror(socket.EAI_AGAIN, "try again"))
    assert isinstance(failure, Unanswered)
