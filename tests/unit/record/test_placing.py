"""Messages among others: in turns, and several outages as one alert. Both databases."""

from datetime import datetime, timedelta
from typing import Any

from build import WEB, at

from kubekuma.model.alert import Delivery, DeliveryStatus, Message
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.record.database import Connection
from kubekuma.record.deliveries import due_deliveries, insert_deliveries, lasting_in, told_of

CHAT, PAGER = Key("shop", "chat"), Key("shop", "pager")
DOWN, UP = Happening.DOWN, Happening.UP
NEVER = at(10**9)


def put(
    db: Connection,
    outage: str,
    seconds: float,
    happening: Happening = DOWN,
    provider: Key = CHAT,
    reminder: int = 0,
    **more: Any,
) -> None:
    """Put a message of an outage into the outbox, as it is put there while it lasts or ends."""
    id_ = f"{outage}-{happening}-{provider.name}-{reminder}"
    message = Message(
        id=id_,
        key=outage,
        happening=happening,
        monitor=WEB,
        name="web",
        severity=AlertSeverity.WARNING,
        title="t",
        text="x",
        since=at(0),
        reminder=reminder,
    )
    fields: dict[str, Any] = {"created_at": at(seconds), "next_at": at(seconds + 10)}
    delivery = Delivery(
        id=id_, outage=outage, provider=provider, message=message, **{**fields, **more}
    )
    insert_deliveries(db, [delivery])


def waiting(db: Connection, provider: Key = CHAT) -> list[tuple[str, datetime]]:
    return [(each.id, each.next_at) for each in due_deliveries(db, provider, NEVER, 99)]


# In turns ----------------------------------------------------------------------------------------

TOGETHER: dict[str, Any] = {"together": "shop/p namespace=shop", "every": timedelta(minutes=5)}


def test_who_belongs_together_goes_together_and_the_next_wait_for_their_turn(
    db: Connection,
) -> None:
    put(db, "a", 0, **TOGETHER)
    put(db, "b", 4, **TOGETHER)
    put(db, "c", 20, **TOGETHER)
    put(db, "d", 100, **TOGETHER)
    put(db, "e", 2000, **TOGETHER)
    first, turn = at(10), at(310)
    assert waiting(db) == [
        ("a-down-chat-0", first),
        ("b-down-chat-0", first),
        ("c-down-chat-0", turn),
        ("d-down-chat-0", turn),
        ("e-down-chat-0", at(2010)),
    ]


def test_groups_providers_and_what_belongs_to_none_do_not_wait_for_each_other(
    db: Connection,
) -> None:
    put(db, "a", 0, **TOGETHER)
    put(db, "b", 20, together="shop/p namespace=blog", every=timedelta(minutes=5))
    put(db, "c", 20)
    put(db, "d", 20, provider=PAGER, **TOGETHER)
    times = [at_ for _, at_ in (*waiting(db), *waiting(db, PAGER))]
    assert times == [at(10), at(30), at(30), at(30)]


def test_a_group_is_well_once_nobody_in_it_has_an_end_to_come(db: Connection) -> None:
    where = (CHAT, str(TOGETHER["together"]))
    put(db, "a", 0, **TOGETHER)
    put(db, "b", 1, **TOGETHER)
    put(db, "b", 2, reminder=1, **TOGETHER)
    put(db, "x", 1)
    assert lasting_in(db, *where) == 2
    put(db, "a", 30, UP, **TOGETHER)
    assert lasting_in(db, *where) == 1
    put(db, "b", 30, UP, **TOGETHER)
    assert lasting_in(db, *where) == 0


# One alert ---------------------------------------------------------------------------------------

ALERT: dict[str, Any] = {"alert": "k"}


def status(db: Connection, id_: str) -> str:
    row = db.execute("SELECT status FROM deliveries WHERE id = ?", (id_,)).fetchone()
    return str(row[0])


def test_several_outages_are_told_with_the_first_and_over_with_the_last(db: Connection) -> None:
    put(db, "a", 0, **ALERT)
    put(db, "b", 10, **ALERT)
    put(db, "other", 10, alert="another")
    put(db, "b", 10, provider=PAGER, **ALERT)
    assert [id_ for id_, _ in waiting(db)] == ["a-down-chat-0", "other-down-chat-0"]
    # Another provider has heard of neither.
    assert [id_ for id_, _ in waiting(db, PAGER)] == ["b-down-pager-0"]
    assert [each.alert for each in told_of(db, "b")] == ["k", "k"]
    put(db, "a", 20, UP, **ALERT)
    assert status(db, "a-up-chat-0") == DeliveryStatus.JOINED
    put(db, "b", 30, UP, **ALERT)
    assert status(db, "b-up-chat-0") == DeliveryStatus.PENDING
    put(db, "c", 40, **ALERT)
    assert status(db, "c-down-chat-0") == DeliveryStatus.PENDING


def test_of_several_one_is_reminded_of(db: Connection) -> None:
    put(db, "a", 0, **ALERT)
    put(db, "b", 10, **ALERT)
    put(db, "a", 100, reminder=1, **ALERT)
    put(db, "b", 100, reminder=1, **ALERT)
    assert status(db, "a-down-chat-1") == DeliveryStatus.PENDING
    assert status(db, "b-down-chat-1") == DeliveryStatus.JOINED
    put(db, "a", 200, UP, **ALERT)
    # The one that is left is the one to remind of.
    put(db, "b", 300, reminder=2, **ALERT)
    assert status(db, "b-down-chat-2") == DeliveryStatus.PENDING


def test_a_key_stays_taken_for_a_while_and_then_what_lasts_is_told(db: Connection) -> None:
    taken: dict[str, Any] = {**ALERT, "stays_taken": timedelta(minutes=10)}
    put(db, "a", 0, **taken)
    put(db, "a", 60, UP, **taken)
    put(db, "b", 100, **taken)
    assert dict(waiting(db))["b-down-chat-0"] == at(660)


def test_what_nobody_was_told_of_takes_no_key(db: Connection) -> None:
    put(db, "a", 0, status=DeliveryStatus.DROPPED, **ALERT)
    put(db, "b", 10, **ALERT)
    assert status(db, "b-down-chat-0") == DeliveryStatus.PENDING
