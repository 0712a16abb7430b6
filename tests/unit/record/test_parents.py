"""An outage names the monitors it depends on that were failing as well."""

from pathlib import Path

from build import at, checked, monitor, schedule
from support.history import open_store

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import Reason
from kubekuma.model.state import Cause, FailingParent, Opened, Verdict
from kubekuma.record.database import Connection
from kubekuma.record.incidents import incidents, open_incident
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.states import series_of
from kubekuma.record.writer import StoreHealth, Writer

ROUTER, UPLINK = Key("shop", "router"), Key("net", "uplink")
RETRIES = schedule(retries={"maxRetries": 2, "retryIntervalSeconds": 20})
DEPENDS = [{"name": "router"}, {"name": "uplink", "namespace": "net"}]
SHOP = monitor("web", "shop", dependsOn=DEPENDS)
WEB = SHOP.meta.key


def find(ledger: Ledger, seconds: float, it: Monitor, reason: Reason) -> Opened | None:
    found = checked(seconds, reason, key=it.meta.key)
    return ledger.checked(found, it, 10.0).judgement.opened


def parents(opened: Opened | None) -> tuple[FailingParent, ...]:
    assert opened is not None
    return opened.cause.parents


def test_parents_that_are_down_or_on_their_way_are_named_since_their_first_failure() -> None:
    ledger = Ledger({}, {})
    router, uplink = monitor("router"), monitor("uplink", "net", schedule=RETRIES)
    for each in (router, uplink, SHOP):
        find(ledger, 0, each, Reason.PASSED)
    find(ledger, 60, router, Reason.TIMEOUT)
    find(ledger, 70, uplink, Reason.TIMEOUT)
    assert parents(find(ledger, 80, SHOP, Reason.TIMEOUT)) == (
        FailingParent(key=ROUTER, verdict=Verdict.DOWN, since=at(60)),
        FailingParent(key=UPLINK, verdict=Verdict.PENDING, since=at(70)),
    )


def test_parents_that_are_well_new_or_unknown_are_not_named() -> None:
    ledger = Ledger({}, {})
    find(ledger, 0, SHOP, Reason.PASSED)
    find(ledger, 0, monitor("router"), Reason.PASSED)
    # Nothing was ever seen of the other.
    find(ledger, 0, monitor("uplink", "net"), Reason.NO_ROUTE)
    assert parents(find(ledger, 60, SHOP, Reason.TIMEOUT)) == ()


def test_one_that_depends_on_nothing_names_nobody() -> None:
    ledger = Ledger({}, {})
    find(ledger, 0, monitor("router"), Reason.TIMEOUT)
    assert parents(find(ledger, 1, monitor("other"), Reason.TIMEOUT)) == ()


async def test_a_parent_that_is_found_to_fail_a_little_later_is_named_too(
    tmp_path: Path,
) -> None:
    """Whoever is checked first is down first."""
    ledger, written = Ledger({}, {}), list[Recorded]()
    router = monitor("router")
    async with open_store(tmp_path / "history.db") as store:
        writer = Writer(store, written.extend, StoreHealth())

        def seen(seconds: float, it: Monitor, reason: Reason) -> Recorded:
            found = ledger.checked(checked(seconds, reason, key=it.meta.key), it, 10.0)
            writer.add(found)
            return found

        for each in (router, SHOP):
            seen(0, each, Reason.PASSED)
        assert parents(seen(60, SHOP, Reason.TIMEOUT).judgement.opened) == ()
        seen(90, router, Reason.TIMEOUT)
        named = (FailingParent(key=ROUTER, verdict=Verdict.DOWN, since=at(90)),)
        late = seen(120, SHOP, Reason.TIMEOUT)
        assert late.judgement.parents == named
        # Once; and to write it twice changes nothing.
        assert seen(180, SHOP, Reason.TIMEOUT).judgement.parents == ()
        writer.add(late)
        await writer.flush()
        (found,) = await store.read(incidents, WEB, at(999), 9)
        assert found.cause is not None
        assert (found.cause.at, found.cause.parents) == (at(60), named)


def test_what_fails_long_after_is_another_matter_and_a_new_outage_looks_anew() -> None:
    ledger = Ledger({}, {})
    router = monitor("router")
    for each in (router, SHOP):
        find(ledger, 0, each, Reason.PASSED)
    find(ledger, 60, SHOP, Reason.TIMEOUT)
    find(ledger, 300, router, Reason.TIMEOUT)
    late = ledger.checked(checked(301, Reason.TIMEOUT, key=WEB), SHOP, 10.0)
    assert late.judgement.parents == ()
    find(ledger, 360, SHOP, Reason.PASSED)
    assert [each.key for each in parents(find(ledger, 420, SHOP, Reason.TIMEOUT))] == [ROUTER]


def test_they_are_kept_with_the_outage(db: Connection) -> None:
    named = FailingParent(key=UPLINK, verdict=Verdict.DOWN, since=at(0))
    cause = Cause(at=at(1), reason=Reason.TIMEOUT, parents=(named,))
    opened = Opened(id="i1", started_at=at(1), confirmed_at=at(2), cause=cause)
    open_incident(db, series_of(db, WEB, "u1"), "u1", opened)
    (found,) = incidents(db, WEB, at(99), 9)
    assert found.cause == cause
