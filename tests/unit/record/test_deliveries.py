"""The outbox: made once, read in order, and open until all who heard heard the end."""

from typing import Any

from attrs import evolve
from build import WEB, at

from kubekuma.model.alert import Delivery, DeliveryStatus, Fared, Message
from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.result import Reason
from kubekuma.model.state import Cause, Closed, Opened
from kubekuma.record.database import Connection
from kubekuma.record.deliveries import (
    drop_unheard,
    due_deliveries,
    fared,
    insert_deliveries,
    lasting_messages,
    open_outages,
    outage,
    told_of,
    update_deliveries,
    waiting_providers,
)
from kubekuma.record.incidents import (
    acknowledge,
    close_incident,
    open_incident,
    take_back_acknowledgement,
)
from kubekuma.record.states import series_of

CHAT, PAGER, MAIL = Key("shop", "chat"), Key("shop", "pager"), Key("shop", "mail")


def delivery(
    name: str, provider: Key = CHAT, happening: Happening = Happening.DOWN, **more: Any
) -> Delivery:
    message = Message(
        id=name,
        key="i1",
        happening=happening,
        monitor=WEB,
        name="web",
        severity=AlertSeverity.WARNING,
        title="t",
        text="x",
        since=at(0),
        until=at(60) if happening is Happening.UP else None,
        tags=("a",),
        links={"l": "https://example.org/"},
    )
    fields: dict[str, Any] = {"outage": "i1", "created_at": at(0), "next_at": at(10)}
    return Delivery(id=name, provider=provider, message=message, **{**fields, **more})


def begun(db: Connection, id_: str = "i1") -> None:
    cause = Cause(at=at(0), reason=Reason.TIMEOUT, message="slow")
    opened = Opened(id=id_, started_at=at(0), confirmed_at=at(40), cause=cause)
    open_incident(db, series_of(db, WEB, "u1"), "u1", opened)


def test_what_is_put_is_read_and_put_once(db: Connection) -> None:
    first = delivery("a")
    insert_deliveries(db, [first, delivery("b", created_at=at(1))])
    insert_deliveries(db, [delivery("a", next_at=at(999))])
    assert due_deliveries(db, CHAT, at(9), 10) == []
    found = due_deliveries(db, CHAT, at(10), 10)
    assert [each.id for each in found] == ["a", "b"]
    assert found[0] == first
    assert due_deliveries(db, CHAT, at(10), 1) == [first]
    assert waiting_providers(db) == [(CHAT, at(10))]


def test_what_is_to_be_tried_again_keeps_everything_else_waiting(db: Connection) -> None:
    tried = [delivery("a", attempts=1, next_at=at(50)), delivery("b", attempts=2, next_at=at(70))]
    insert_deliveries(db, [*tried, delivery("c", created_at=at(1))])
    assert waiting_providers(db) == [(CHAT, at(70))]
    assert [each.id for each in due_deliveries(db, CHAT, at(70), 10)] == ["a", "b", "c"]


def test_what_was_sent_waits_no_more_and_is_still_told(db: Connection) -> None:
    insert_deliveries(db, [delivery("a"), delivery("b", PAGER)])
    gone = delivery("a", status=DeliveryStatus.SENT, attempts=1, sent_at=at(11))
    later = delivery("b", PAGER, attempts=1, error="500", next_at=at(50))
    update_deliveries(db, [gone, later])
    assert waiting_providers(db) == [(PAGER, at(50))]
    assert due_deliveries(db, PAGER, at(50), 1) == [later]
    assert [(each.provider, each.happening) for each in told_of(db, "i1")] == [
        (CHAT, Happening.DOWN),
        (PAGER, Happening.DOWN),
    ]


def test_what_nobody_heard_is_dropped_and_what_was_tried_is_not(db: Connection) -> None:
    tried = delivery("b", PAGER, attempts=1, next_at=at(99))
    insert_deliveries(db, [delivery("a"), tried, delivery("c", Key("shop", "due"), next_at=at(1))])
    drop_unheard(db, "i1", at(5))
    assert [each.provider.name for each in told_of(db, "i1")] == ["pager", "due"]
    assert due_deliveries(db, CHAT, at(999), 9) == []
    assert due_deliveries(db, PAGER, at(999), 9) == [tried]


def test_an_outage_is_open_until_all_who_heard_heard_the_end(db: Connection) -> None:
    def is_open() -> bool:
        return [each.id for each in open_outages(db)] == ["i1"]

    begun(db)
    assert is_open()
    found = outage(db, "i1")
    assert found is not None
    assert (found.key, found.started_at, found.confirmed_at, found.ended_at, found.reason) == (
        WEB,
        at(0),
        at(40),
        None,
        "Timeout",
    )
    assert outage(db, "other") is None
    insert_deliveries(db, [delivery("a"), delivery("b", PAGER)])
    close_incident(db, Closed(id="i1", ended_at=at(60)))
    assert is_open()
    insert_deliveries(db, [delivery("c", CHAT, Happening.UP)])
    assert is_open()
    insert_deliveries(db, [delivery("d", PAGER, Happening.UP)])
    assert open_outages(db) == []


def test_an_outage_says_who_sees_to_it_and_until_when(db: Connection) -> None:
    begun(db)
    acknowledge(db, "i1", Act(at=at(50), actor="kim"), until=at(90))
    found = outage(db, "i1")
    assert found is not None
    assert (found.acknowledged_by, found.acknowledged_until) == ("kim", at(90))
    assert (found.is_acknowledged(at(89.999)), found.is_acknowledged(at(90))) == (True, False)
    assert open_outages(db) == [found]
    take_back_acknowledgement(db, "i1", Act(at=at(60), actor="kim"))
    found = outage(db, "i1")
    assert found is not None
    assert (found.acknowledged_by, found.acknowledged_until) == ("", None)
    assert not found.is_acknowledged(at(60))
    acknowledge(db, "i1", Act(at=at(50), actor="kim"))
    found = outage(db, "i1")
    assert found is not None
    assert found.is_acknowledged(at(10**9))


def test_what_lasts_is_what_was_sent_of_outages_that_last(db: Connection) -> None:
    begun(db)
    again = delivery("b", status=DeliveryStatus.SENT)
    again = evolve(again, message=evolve(again.message, reminder=1))
    gone = delivery("a", status=DeliveryStatus.SENT)
    insert_deliveries(db, [gone, again, delivery("c"), delivery("d", PAGER)])
    assert lasting_messages(db, CHAT) == [gone.message]
    assert lasting_messages(db, PAGER) == []
    close_incident(db, Closed(id="i1", ended_at=at(60)))
    assert lasting_messages(db, CHAT) == []


def test_an_outage_of_which_nobody_heard_is_over_with_its_end(db: Connection) -> None:
    begun(db)
    insert_deliveries(db, [delivery("a")])
    close_incident(db, Closed(id="i1", ended_at=at(60)))
    drop_unheard(db, "i1", at(5))
    assert open_outages(db) == []


def test_later_messages_of_an_outage_know_the_receipt_of_the_first(db: Connection) -> None:
    later: dict[str, Any] = {"created_at": at(5)}
    insert_deliveries(
        db,
        [
            delivery("first"),
            delivery("second", created_at=at(1)),
            delivery("end", happening=Happening.UP, **later),
            delivery("elsewhere", PAGER, **later),
            delivery("other", outage="i2", **later),
        ],
    )
    gone: dict[str, Any] = {"status": DeliveryStatus.SENT, "attempts": 1, "sent_at": at(11)}
    update_deliveries(db, [delivery("first", receipt="77", **gone)])
    update_deliveries(db, [delivery("second", created_at=at(1), receipt="78", **gone)])
    found = due_deliveries(db, CHAT, at(10), 10)
    assert [(each.id, each.answers, each.receipt) for each in found] == [
        ("end", "77", None),
        ("other", None, None),
    ]
    assert [each.answers for each in due_deliveries(db, PAGER, at(10), 10)] == [None]


def test_how_providers_fared_is_known_after_a_restart(db: Connection) -> None:
    assert fared(db) == []
    insert_deliveries(
        db,
        [
            delivery("test", outage="test:u1"),
            delivery("well"),
            delivery("refused", next_at=at(15)),
            delivery("waits", PAGER),
            delivery("new", MAIL),
        ],
    )
    update_deliveries(
        db,
        [
            delivery("test", status=DeliveryStatus.SENT, attempts=1, sent_at=at(11)),
            delivery("well", status=DeliveryStatus.SENT, attempts=1, sent_at=at(20)),
            delivery(
                "refused", status=DeliveryStatus.FAILED, attempts=1, error="404", next_at=at(15)
            ),
            delivery("waits", PAGER, attempts=2, error="500", next_at=at(50)),
        ],
    )
    # What was refused before something arrived is past.
    known = [
        Fared(provider=CHAT, sent_at=at(20), tested_at=at(11)),
        Fared(provider=PAGER, error="500"),
    ]
    assert fared(db) == known
    late = delivery("well", status=DeliveryStatus.FAILED, attempts=1, error="410", next_at=at(30))
    update_deliveries(db, [late])
    assert fared(db)[0] == Fared(provider=CHAT, sent_at=at(11), tested_at=at(11), error="410")
