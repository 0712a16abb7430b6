"""Messages on their way: tried again, put together, said to be late, given up."""

from datetime import timedelta
from typing import Any

import pytest
from build import at
from hypothesis import given
from hypothesis import strategies as st
from support.messages import delivery, message

from kubekuma.deliver.outbox import (
    BACKOFF,
    GIVE_UP,
    MOST_LINES,
    aged,
    all_clear,
    batches,
    digest,
    fallen_back,
    not_sent,
    overtaken,
    sent,
)
from kubekuma.model.alert import Delivery, DeliveryStatus
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening


def failed(it: Delivery, seconds: float, **more: Any) -> Delivery:
    why = {"lasting": False, "retry_after_seconds": None, "chance": 0.0, **more}
    return not_sent(it, "it answers 500", at(seconds), **why)


def test_what_arrived_is_sent_and_its_errors_are_past() -> None:
    after = sent(failed(delivery(), 0), at(7))
    assert (after.status, after.attempts, after.error, after.sent_at) == (
        DeliveryStatus.SENT,
        2,
        "",
        at(7),
    )


def test_what_did_not_is_tried_later_each_time() -> None:
    it = delivery()
    delays = []
    for _ in range(9):
        it = failed(it, 100)
        delays.append((it.next_at - at(100)).total_seconds())
    assert delays == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert (it.status, it.attempts, it.error) == (DeliveryStatus.PENDING, 9, "it answers 500")


def test_the_receiver_says_when_to_come_again() -> None:
    assert failed(delivery(), 0, retry_after_seconds=120.0).next_at == at(120)
    assert failed(delivery(), 0, retry_after_seconds=1.0).next_at == at(5)


def test_after_a_day_or_a_refusal_that_lasts_it_is_given_up() -> None:
    assert failed(delivery(), 0, lasting=True).status is DeliveryStatus.FAILED
    nearly = GIVE_UP.total_seconds() - 10
    assert failed(delivery(), nearly).status is DeliveryStatus.PENDING
    over = failed(delivery(), nearly + 10)
    assert (over.status, over.next_at) == (DeliveryStatus.FAILED, at(nearly + 10))


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 80_000))
def test_nothing_is_ever_tried_at_once_again(tries: int, chance: float, wanted: float) -> None:
    after = failed(delivery(attempts=tries), 0, chance=chance, retry_after_seconds=wanted)
    assert after.next_at - at(0) >= timedelta(seconds=max(BACKOFF.first, int(wanted)))


def test_what_comes_late_says_so() -> None:
    assert aged(delivery(), at(60)) == message()
    assert aged(delivery(), at(7 * 60)).text.endswith("This message comes 7 min late.")
    assert aged(delivery(), at(5 * 3600)).text.endswith("This message comes 5 h late.")


def test_many_are_one_the_worst_first() -> None:
    many = [
        message("a", happening=Happening.UP, title="a is up again"),
        message("b", severity=AlertSeverity.INFO),
        message("c"),
        *(message(f"d{number}", since=at(number + 1)) for number in range(MOST_LINES)),
    ]
    whole = digest(many)
    assert whole.title == "22 monitors down, 1 monitor up again"
    lines = whole.text.split("\n")
    assert lines[:2] == ["c is down (Timeout)", "d0 is down (Timeout)"]
    assert lines[-1] == "and 3 more"
    assert len(lines) == MOST_LINES + 1
    assert (whole.monitor, whole.severity) == (Key("shop", "c"), AlertSeverity.CRITICAL)
    assert digest([message("x")]).title == "1 monitor down"


@pytest.mark.parametrize("happening", Happening)
def test_every_happening_has_a_place(happening: Happening) -> None:
    assert "1 monitor" in digest([message(happening=happening)]).title


def due(name: str, seconds: float = 0, together: str = "", **more: Any) -> Delivery:
    return delivery(
        id=name, outage=name, message=message(name, **more), next_at=at(seconds), together=together
    )


def names(found: list[list[Delivery]]) -> list[list[str]]:
    return [[each.id for each in batch] for batch in found]


def test_few_go_one_by_one_when_they_are_due_and_many_as_one_with_those_that_wait() -> None:
    few = [due("a"), due("b", 5), due("c", 60)]
    assert names(batches(few, at(10), at_least=5)) == [["a"], ["b"]]
    assert names(batches(few, at(10), at_least=3)) == [["a", "b", "c"]]
    assert names(batches([due("c", 60)], at(10), at_least=1)) == []


def test_those_that_belong_together_are_one_however_few() -> None:
    found = [due("a", 0, "g"), due("b"), due("c", 60, "g"), due("d", 60, "h"), due("e", 5, "h")]
    assert names(batches(found, at(10), at_least=5)) == [["a", "c"], ["b"], ["d", "e"]]


def test_a_test_of_the_provider_is_never_part_of_another_message() -> None:
    found = [due("a"), due("b"), due("test", is_test=True)]
    assert names(batches(found, at(10), at_least=2)) == [["a", "b"], ["test"]]


def test_what_is_given_up_goes_to_the_fallback_with_the_reason() -> None:
    it = delivery(fallback=Key("shop", "mail"))
    assert fallen_back(failed(it, 1), at(1)) is None
    assert fallen_back(failed(delivery(), 1, lasting=True), at(1)) is None
    found = fallen_back(failed(it, 1, lasting=True), at(1))
    assert found is not None
    assert (found.provider, found.outage, found.status, found.attempts) == (
        Key("shop", "mail"),
        it.outage,
        DeliveryStatus.PENDING,
        0,
    )
    assert found.message.text.endswith("It could not be delivered to shop/chat: it answers 500.")
    assert found.id == found.message.id != it.id
    # Once: nobody stands in for the fallback.
    assert found.fallback is None


def test_of_an_outage_that_ended_meanwhile_its_end_is_enough() -> None:
    tried = delivery(id="a", outage="a", attempts=3)
    fresh = delivery(id="b", outage="b")
    over = [
        delivery(id=f"{name}-up", outage=name, message=message(name, happening=Happening.UP))
        for name in ("a", "b")
    ]
    lasting = delivery(id="c", outage="c", attempts=3)
    found = overtaken([tried, fresh, lasting, *over], at(10))
    assert [(each.id, each.status) for each in found] == [("a", DeliveryStatus.JOINED)]
    later = delivery(
        id="a-up", outage="a", message=message("a", happening=Happening.UP), next_at=at(60)
    )
    assert overtaken([tried, later], at(10)) == []


def test_good_news_of_a_group_says_whether_that_is_all() -> None:
    up = message(happening=Happening.UP)
    assert all_clear(up, 0).text.endswith("All clear: so is the whole group.")
    assert all_clear(up, 2).text.endswith("2 more of the group are not.")
