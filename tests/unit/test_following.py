"""What is said of kinds that cannot be followed, and what is counted of all of them."""

import math

from trio.testing import MockClock

from kubekuma.following import LONG_SECONDS, unfollowed, watch_figures
from kubekuma.kube.errors import KubeError, Refused, Unreachable
from kubekuma.watch.sync import Sync


def failed(kind: str, *errors: KubeError) -> Sync:
    sync = Sync(kind=kind)
    for error in errors:
        sync.failed(error)
    return sync


async def test_a_refusal_is_told_at_once_and_an_outage_when_it_is_long(
    autojump_clock: MockClock,
) -> None:
    busy = Refused(429, "TooManyRequests", "later")
    syncs = [
        failed("Monitor"),
        failed("Silence", Refused(403, "Forbidden", "no")),
        failed("StatusPage", Unreachable("refused")),
        failed("ApiKey", Refused(403, "Forbidden", "no"), busy),
        failed("LocalUser", busy),
    ]
    now = autojump_clock.current_time()
    told = unfollowed(syncs, now)
    assert told == {"Silence": "403 Forbidden: no", "ApiKey": str(busy)}
    told = unfollowed(syncs, now + LONG_SECONDS + 1)
    assert set(told) == {"Silence", "StatusPage", "ApiKey", "LocalUser"}
    for sync in syncs:
        sync.well()
    assert unfollowed(syncs, now + LONG_SECONDS + 1) == {}


async def test_a_kind_that_is_not_served_says_what_may_be_missing(
    autojump_clock: MockClock,
) -> None:
    told = unfollowed([failed("Silence", Refused(404, "", ""))], autojump_clock.current_time())
    assert told == {"Silence": "404:  (is its CustomResourceDefinition installed?)"}


async def test_namespaces_of_one_kind_are_one_figure(autojump_clock: MockClock) -> None:
    heard, silent, other = Sync(kind="Monitor"), Sync(kind="Monitor"), Sync(kind="Silence")
    for sync in (heard, other):
        sync.listed()
        sync.lists += 1
        sync.events += 3
    now = autojump_clock.current_time() + 7
    figures = {
        (each.name, each.labels["kind"]): each.value
        for each in watch_figures([heard, other, silent], now)
    }
    assert len(figures) == 8
    assert figures["watch_lists", "Monitor"] == 1
    assert figures["watch_events", "Monitor"] == 3
    assert figures["informer_last_sync_age_seconds", "Monitor"] == math.inf
    assert figures["informer_last_sync_age_seconds", "Silence"] == 7
