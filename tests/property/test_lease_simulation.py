"""L20 and L21: never two leaders, in thousands of schedules; and each mistake would be seen."""

import math
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
import pytest
from support.lease_simulation import Code, World, search, simulate

from kubekuma.kube import lease
from kubekuma.kube.lease import Candidate, Claim, Found, Timing

# As many as CI has time for; `LEASE_SCHEDULES=1000000` looks for longer.
SCHEDULES: Final = int(os.environ.get("LEASE_SCHEDULES", "10000"))
PARTS: Final = 4
WORLDS: Final = {
    "two": World(),
    "three": World(processes=3, seconds=150.0),
    "slow network": World(slow=0.5, slowest=30.0, seconds=150.0),
    "fast take-over": World(
        timing=Timing(lease_seconds=30, deadline_seconds=20.0), seconds=150.0, rates=(1.0, 1.4)
    ),
}
NO_MISTAKE: Final = {"overlaps": 0, "stuck": 0}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", WORLDS)
def test_l20_never_two_and_always_one_when_all_is_well(name: str, part: int) -> None:
    share = SCHEDULES // len(WORLDS) // PARTS
    assert search(WORLDS[name], range(part * share, (part + 1) * share)) == NO_MISTAKE


def test_l8_clocks_that_differ_by_less_than_the_margin_do_no_harm() -> None:
    world = attrs.evolve(WORLDS["two"], rates=(1.0, 1.4), pauses=0.0, edits=0.0)
    assert search(world, range(300)) == NO_MISTAKE


def test_l8_clocks_that_differ_by_more_are_seen_by_the_oracle() -> None:
    world = attrs.evolve(WORLDS["two"], rates=(1.0, 2.5))
    assert first_overlap(world, Code()) is not None


def test_l14_two_hundred_times_three_start_together_and_one_leads() -> None:
    calm = World(
        processes=3, seconds=20.0, slow=0.0, lost=0.0, refused=0.0, pauses=0, stops=0, edits=0
    )
    for seed in range(200):
        result = simulate(calm, seed)
        assert len(result.work) == 1, seed
        assert result.leads_at_the_end


def test_l15_a_second_pod_of_the_same_name_waits() -> None:
    world = World(pods=("kubekuma-0",))
    assert search(world, range(300)) == NO_MISTAKE


# L21: mistakes that were made elsewhere, or could be


def from_the_answer(decide: Callable[..., Any]) -> Callable[..., Any]:
    def mistaken(before: Any, answer: Any, _: float, now: float, chance: float) -> Any:
        return decide(before, answer, now, now, chance)

    return mistaken


def the_same_time_again() -> Callable[..., Any]:
    tried: dict[str, Any] = {}

    def mistaken(held: Any, history: str, at: datetime) -> Any:
        # One time for a renewal and all of its retries: they say the same, and write nothing.
        since, first = tried.get(held.identity, (None, at))
        if since != held.fence:
            first = at
        tried[held.identity] = held.fence, first
        return lease.renewal_document(held, history, first)

    return mistaken


def without_version(found: Any, identity: str, timing: Timing, at: datetime) -> Any:
    document = lease.claim_document(found, identity, timing, at)
    metadata = {k: v for k, v in document["metadata"].items() if k != "resourceVersion"}
    return {**document, "metadata": metadata}


def by_the_wall_clock(
    candidate: Candidate, answer: Any, now: float, chance: float, facts: Any
) -> Any:
    after, move = lease.consider(candidate, answer, now, chance, facts)
    if isinstance(answer, Found):
        written = datetime.fromisoformat(
            str((answer.lease.spec or {}).get("renewTime", "2000-01-01T00:00:00Z"))
        )
        wall = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=now % 86_400)
        if wall > written + timedelta(seconds=candidate.timing.lease_seconds):
            return after, Claim(answer.lease)
    return after, move


def deleted_is_free(
    candidate: Candidate, answer: Any, now: float, chance: float, facts: Any
) -> Any:
    after, move = lease.consider(candidate, answer, now, chance, facts)
    return (after, Claim(None)) if isinstance(answer, lease.Missing) else (after, move)


def unheld_is_free(candidate: Candidate, answer: Any, now: float, chance: float, facts: Any) -> Any:
    after, move = lease.consider(candidate, answer, now, chance, facts)
    if isinstance(answer, Found) and not answer.lease.holder:
        return after, Claim(answer.lease)
    return after, move


def the_duration_is_believed(
    candidate: Candidate, answer: Any, now: float, chance: float, facts: Any
) -> Any:
    after, move = lease.consider(candidate, answer, now, chance, facts)
    if isinstance(answer, Found) and now >= after.seen_at + answer.lease.duration:
        return after, Claim(answer.lease)
    return after, move


MISTAKES: Final = {
    "fence from the response": lambda: Code(
        claimed=from_the_answer(lease.claimed), renewed=from_the_answer(lease.renewed)
    ),
    "the same renewTime on a retry": lambda: Code(renewal_document=the_same_time_again()),
    "a PUT without resourceVersion": lambda: Code(claim_document=without_version),
    "renewTime compared with the wall clock": lambda: Code(consider=by_the_wall_clock),
    "a Lease of the same host is adopted": lambda: Code(new_identity=lambda pod, _: pod),
    "released before the work has drained": lambda: Code(drains_before_release=False),
    "a deleted Lease is free at once": lambda: Code(consider=deleted_is_free),
    "whatever nobody holds is free at once": lambda: Code(consider=unheld_is_free),
    "an edited duration is believed": lambda: Code(consider=the_duration_is_believed),
}
# What shows them sooner than chance would: trouble of every kind, or one kind again and again.
HARSH: Final = World(
    slow=0.35, slowest=30.0, lost=0.12, stops=0.01, edits=0.01, pods=("kubekuma-0",), seconds=300.0
)
CUT_OFF: Final = World(
    slow=0.0,
    lost=0.05,
    refused=0.0,
    pauses=0.0,
    stops=0.0,
    edits=0.0,
    cuts=0.015,
    rates=(1.0, 1.45),
    seconds=900.0,
)
SLOW: Final = attrs.evolve(CUT_OFF, slow=0.4, slowest=6.0)
SHOWN_BY: Final = {
    "fence from the response": SLOW,
    "the same renewTime on a retry": CUT_OFF,
}


def first_overlap(world: World, code: Code, schedules: int = 1500) -> int | None:
    seeds = (seed for seed in range(schedules) if simulate(world, seed, code).overlap > 1e-6)
    return next(seeds, None)


@pytest.mark.parametrize("world", [HARSH, CUT_OFF, SLOW], ids=["harsh", "cut off", "slow"])
def test_l21_the_code_without_a_mistake_stands_what_finds_them(world: World) -> None:
    assert search(world, range(300)) == NO_MISTAKE


@pytest.mark.parametrize("mistake", MISTAKES)
def test_l21_each_mistake_is_caught(mistake: str) -> None:
    world = SHOWN_BY.get(mistake, HARSH)
    assert first_overlap(world, MISTAKES[mistake]()) is not None


def test_l21_without_timeouts_nobody_leads_again() -> None:
    assert search(HARSH, range(20), Code(times_out=False))["stuck"] > 0
    assert math.isclose(search(HARSH, range(20))["stuck"], 0)
