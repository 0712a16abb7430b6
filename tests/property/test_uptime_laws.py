"""Uptime is a sum over spans: what a clock beside it would have counted, exactly."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from build import START, WEB, at
from hypothesis import given
from hypothesis import strategies as st
from support.history import memory

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.state import Charge, Span
from kubekuma.record.incidents import insert_span
from kubekuma.record.reclassified import (
    Reclassification,
    reclassify,
    take_back_reclassification,
)
from kubekuma.record.states import series_of
from kubekuma.record.times import Window, epoch_ms, from_epoch_ms
from kubekuma.record.uptime import WINDOWS, Uptime, uptime_within, uptimes, uptimes_of

HOUR_MS = 3_600_000
MAIL = Key("shop", "mail")

# How long each span lasts, in milliseconds, and what it is charged as.
spans = st.lists(st.tuples(st.integers(1, 3 * HOUR_MS), st.sampled_from(list(Charge))), max_size=12)
GOOD = {Charge.UP, Charge.DEGRADED}


def laid(lengths: Sequence[tuple[int, Charge]]) -> list[Span]:
    found, start = [], epoch_ms(START)
    for length, charge in lengths:
        found.append(Span(start=from_epoch_ms(start), charge=charge))
        start += length
    return found


def counted(spans: Sequence[Span], since: int, until: int) -> Uptime:
    """The naive way: each span to the next one, cut to the window."""
    good = down = 0
    ends = [epoch_ms(span.start) for span in spans[1:]] + [until]
    for span, end in zip(spans, ends, strict=False):  # without spans, one end is left over
        within = max(0, min(end, until) - max(epoch_ms(span.start), since))
        good += within if span.charge in GOOD else 0
        down += within if span.charge is Charge.DOWN else 0
    return Uptime(good_ms=good, down_ms=down)


@given(spans, spans, st.integers(-HOUR_MS, 40 * HOUR_MS))
def test_every_window_is_counted_to_the_millisecond(
    web: list[tuple[int, Charge]], mail: list[tuple[int, Charge]], later: int
) -> None:
    now = START + timedelta(milliseconds=later)
    with memory() as db:
        for key, lengths in ((WEB, web), (MAIL, mail)):
            series = series_of(db, key, "u1")
            for span in laid(lengths):
                insert_span(db, series, span)
        of_all = uptimes(db, tuple(WINDOWS), now)
        for key, lengths in ((WEB, web), (MAIL, mail)):
            of_one = uptimes_of(db, key, now)
            for name, length in WINDOWS.items():
                expected = counted(laid(lengths), epoch_ms(now - length), epoch_ms(now))
                assert of_one[name] == expected
                assert of_all[name].get(key, Uptime()) == expected


@given(spans, st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_adjacent_windows_add_up_to_the_whole(
    lengths: list[tuple[int, Charge]], hours: list[int]
) -> None:
    # An hour each: twenty-four of them are the day that ends when the last of them does.
    last = START + timedelta(hours=24 + sum(hours))
    with memory() as db:
        series = series_of(db, WEB, "u1")
        for span in laid(lengths):
            insert_span(db, series, span)
        each = [uptimes_of(db, WEB, last - timedelta(hours=back))["1h"] for back in range(24)]
        whole = uptimes_of(db, WEB, last)["24h"]
    assert sum(part.good_ms for part in each) == whole.good_ms
    assert sum(part.down_ms for part in each) == whole.down_ms


# Ticks of ten minutes, so few that a clock can count along.
TICK_MS = 600_000
ticks = st.integers(0, 60)
stretches = st.lists(ticks, max_size=6, unique=True).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)
kinds = st.sampled_from(Charge)


def tick(number: int) -> datetime:
    return START + timedelta(milliseconds=number * TICK_MS)


def counted_along(of_tick: Mapping[int, Charge], since: int, until: int) -> Uptime:
    """What a clock has counted that looked at each tick."""
    found = Counter(charge for each, charge in of_tick.items() if since <= each < until)
    good = found[Charge.UP] + found[Charge.DEGRADED]
    return Uptime(good_ms=good * TICK_MS, down_ms=found[Charge.DOWN] * TICK_MS)


@given(
    st.dictionaries(ticks, kinds, max_size=8),
    stretches,
    st.lists(st.tuples(kinds, st.booleans()), min_size=3, max_size=3),
    st.lists(st.integers(-5, 70), min_size=2, max_size=6).map(sorted),
)
def test_what_people_say_stands_for_what_was_seen_until_it_is_taken_back(
    charges: dict[int, Charge],
    said: list[tuple[int, int]],
    how: list[tuple[Charge, bool]],
    edges: list[int],
) -> None:
    act = Act(at=tick(1000), actor="kim", reason="it was our own network")
    of_tick = {
        each: charges[max(start for start in charges if start <= each)]
        for each in range(min(charges, default=70), 70)
    }
    with memory() as db:
        series = series_of(db, WEB, "u1")
        series_of(db, MAIL, "u2")
        for start, charge in charges.items():
            insert_span(db, series, Span(start=tick(start), charge=charge))
        for number, ((since, until), (charge, stays)) in enumerate(zip(said, how, strict=False)):
            window = Window(since=tick(since), until=tick(until))
            made = reclassify(db, str(number), WEB, window, charge, act)
            assert isinstance(made, Reclassification)
            if stays:
                of_tick |= dict.fromkeys(range(since, until), charge)
            else:
                assert take_back_reclassification(db, str(number), act) == made
        for since, until in pairwise(edges):
            window = Window(since=tick(since), until=tick(until))
            assert uptime_within(db, WEB, window) == counted_along(of_tick, since, until)
            assert uptime_within(db, MAIL, window) == Uptime()
            # All windows in one go, of one and of all.
            of_one, of_all = (
                uptimes_of(db, WEB, tick(until)),
                uptimes(db, tuple(WINDOWS), tick(until)),
            )
            for name, length in WINDOWS.items():
                begin = until - length // timedelta(milliseconds=TICK_MS)
                assert of_one[name] == counted_along(of_tick, begin, until)
                assert of_all[name].get(WEB, Uptime()) == of_one[name]


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_figures_are_cut_and_only_the_perfect_are_perfect(good: int, down: int) -> None:
    uptime = Uptime(good_ms=good, down_ms=down)
    if not good + down:
        assert uptime.ratio is None
        assert uptime.percent is None
        return
    assert uptime.percent is not None
    exact = Fraction(100 * good, good + down)
    shown = Fraction(uptime.percent)
    assert 0 <= exact - shown < Fraction(1, 100)
    assert (shown == 100) == (down == 0)


def test_a_span_written_again_takes_the_place_of_the_first() -> None:
    with memory() as db:
        series = series_of(db, WEB, "u1")
        insert_span(db, series, Span(start=START, charge=Charge.UP))
        insert_span(db, series, Span(start=START, charge=Charge.DOWN, incident="i1"))
        assert uptimes_of(db, WEB, at(60))["1h"] == Uptime(good_ms=0, down_ms=60_000)
