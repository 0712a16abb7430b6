"""What a Lease says, and timings that would let two lead."""

from typing import Any

import attrs
import pytest
from build import at
from fakes.lease_store import KEY, LeaseStore
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kube.lease import (
    Candidate,
    Claim,
    Facts,
    Found,
    Timing,
    claim_document,
    consider,
    new_document,
    parse_lease,
    release_document,
)

FAST = Timing(lease_seconds=30, deadline_seconds=20.0)
junk = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


def lease(**spec: Any) -> Any:
    store = LeaseStore()
    store.put_anew(spec)
    answer = store.get()
    assert isinstance(answer, Found)
    return answer.lease


@pytest.mark.parametrize("timing", [Timing(), FAST, Timing(lease_seconds=60, deadline_seconds=40)])
def test_timings_that_others_use_are_sound(timing: Timing) -> None:
    assert list(timing.mistakes()) == []


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"renew_seconds": 23.0}, "deadline_seconds", "more than one renewal with a retry"),
        ({"lease_seconds": 36}, "lease_seconds", "more than 1.2 times the deadline: 36"),
        ({"request_seconds": 8.0}, "lease_seconds", "46 at least"),
        ({"lease_seconds": 3601}, "lease_seconds", "3600 at most"),
        ({"retry_seconds": 0.0}, "retry_seconds", "more than 0"),
        ({"request_seconds": -1.0}, "request_seconds", "more than 0"),
        ({"deadline_seconds": float("nan")}, "deadline_seconds", "more than 0"),
    ],
)
def test_timings_that_are_not_are_named(changes: Any, field: str, said: str) -> None:
    mistakes = attrs.evolve(Timing(), **changes).mistakes()
    assert any(name == field and said in message for name, message in mistakes)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "kind"]), junk), junk, junk, junk)
def test_whatever_people_have_written_is_read(
    document: Any, holder: Any, duration: Any, transitions: Any
) -> None:
    parse_lease(document)
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": duration,
        "leaseTransitions": transitions,
    }
    found = lease(**spec)
    assert isinstance(found.holder, str)
    assert isinstance(found.duration, int)
    claimed = parse_lease(claim_document(found, "me", FAST, at(0)))
    assert (claimed.holder, claimed.duration) == ("me", 30)
    assert claimed.transitions == found.transitions + 1


def test_what_is_not_ours_in_a_lease_stays() -> None:
    found = parse_lease(
        {
            "metadata": {"name": "kubekuma", "uid": "u1", "resourceVersion": "7", "labels": {}},
            "spec": {"strategy": "OldestEmulationVersion", "holderIdentity": ""},
        }
    )
    document = claim_document(found, "me", FAST, at(0))
    assert document["metadata"] == found.document["metadata"]
    assert document["spec"]["strategy"] == "OldestEmulationVersion"


def test_a_release_is_known_as_one_and_an_edit_is_not() -> None:
    held = parse_lease(new_document(KEY, "me", FAST, at(0)))
    assert parse_lease(release_document(held, at(1))).is_released
    assert not held.is_released
    assert not lease(holderIdentity="", leaseDurationSeconds=30).is_released
    assert not lease().is_released


def test_a_lease_that_was_put_there_for_a_first_start_is_taken_at_once() -> None:
    candidate = Candidate(timing=FAST, identity="me")
    _, move = consider(candidate, Found(lease()), 0.0, 0.0, Facts(clean=True))
    assert isinstance(move, Claim)
    _, move = consider(candidate, Found(lease()), 0.0, 0.0, Facts(clean=False))
    assert not isinstance(move, Claim)
