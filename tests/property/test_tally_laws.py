"""Figures add up, percentiles are as near as they say, and what is stored comes back."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.model.result import Outcome
from kubekuma.record.tally import ERROR, Tally, TallyError, packed, tallied, unpacked

latencies = st.integers(0, 600_000_000)
found = st.lists(
    st.tuples(st.sampled_from([outcome.value for outcome in Outcome]), latencies), max_size=60
)
UP = {"passed", "degraded"}


@given(found, found)
def test_two_tallies_make_the_one_of_both(
    some: list[tuple[str, int]], more: list[tuple[str, int]]
) -> None:
    merged = tallied(some)
    merged.merge(tallied(more))
    assert merged == tallied(some + more)


@given(found)
def test_what_is_exact_is_exact(beats: list[tuple[str, int]]) -> None:
    tally = tallied(beats)
    up = [latency for outcome, latency in beats if outcome in UP]
    assert sum(tally.counts.values()) == len(beats)
    assert (tally.measured, tally.total) == (len(up), sum(up))
    assert (tally.least, tally.most) == (min(up, default=None), max(up, default=None))


@given(st.lists(latencies, min_size=1, max_size=200), st.floats(0, 1))
def test_a_percentile_is_off_by_two_percent_at_most(given_: list[int], share: float) -> None:
    exact = sorted(given_)[int(share * (len(given_) - 1))]
    about = tallied(("passed", latency) for latency in given_).percentile(share)
    assert about is not None
    assert abs(about - exact) <= exact * ERROR * 1.0001 + 1


def test_without_a_latency_there_is_no_percentile() -> None:
    assert tallied([("failed", 10_000_000)]).percentile(0.5) is None


@given(st.lists(found.map(tallied), max_size=6))
def test_what_is_packed_comes_back(tallies: list[Tally]) -> None:
    stored = packed(tallies)
    assert unpacked(stored) == tallies
    # The form before had no columns, and is told apart.
    with pytest.raises(TallyError, match="another version"):
        unpacked(b"\x01" + stored[1:])


@given(st.binary(max_size=80))
def test_whatever_is_stored_is_read_or_refused(content: bytes) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflate.compress(content) + deflate.flush()
    for stored in (content, b"\x02" + content, b"\x03" + content, b"\x03" + deflated):
        try:
            tallies = unpacked(stored)
        except TallyError:
            continue
        assert all(tally.percentile(0.5) is None or tally.measured for tally in tallies)


@given(found.map(tallied), st.data())
def test_what_ends_too_early_is_refused(tally: Tally, data: st.DataObject) -> None:
    stored = packed([tally, tally])
    with pytest.raises(TallyError):
        unpacked(stored[: data.draw(st.integers(0, len(stored) - 1))])
    with pytest.raises(TallyError, match="more follows"):
        unpacked(stored + b"\x00")
