"""What people do is done and written down in one transaction, and once."""

from typing import Any

import pytest
from build import WEB, at

from kubekuma.model.audit import Act
from kubekuma.model.meta import Key
from kubekuma.model.result import Reason
from kubekuma.model.state import Acknowledgement, Cause, Closed, Opened
from kubekuma.record.audit import audit, audit_events
from kubekuma.record.database import Connection
from kubekuma.record.incidents import (
    Incident,
    acknowledge,
    close_incident,
    incident,
    incidents,
    open_incident,
    take_back_acknowledgement,
)
from kubekuma.record.states import series_of
from kubekuma.validate.rule import Refused

KIM = Act(at=at(100.1234567), actor="kim", source="192.0.2.7", reason="on call")
ROBIN = Act(at=at(200), actor="robin")


def begun(db: Connection) -> None:
    cause = Cause(at=at(0), reason=Reason.TIMEOUT, message="slow")
    opened = Opened(id="i1", started_at=at(0), confirmed_at=at(40), cause=cause)
    open_incident(db, series_of(db, WEB, "u1"), "u1", opened)


def of(found: object) -> Incident:
    assert isinstance(found, Incident)
    return found


def test_whoever_sees_to_an_outage_is_kept_with_it_and_in_the_audit(db: Connection) -> None:
    begun(db)
    found = of(acknowledge(db, "i1", KIM, "looking", at(900)))
    assert found.acknowledgement == Acknowledgement(
        at=at(100.123), by="kim", note="looking", until=at(900)
    )
    assert incident(db, "i1") == found
    assert incidents(db, WEB, at(999), 9) == [found]
    (event,) = audit_events(db, 9)
    assert (event.act.at, event.act.actor, event.act.source, event.act.reason) == (
        at(100.123),
        "kim",
        "192.0.2.7",
        "on call",
    )
    assert (event.action, event.kind, event.key) == ("acknowledge", "Incident", Key("shop", "i1"))
    assert event.before is None
    assert event.after == {
        "at": "2026-01-01T00:01:40.123Z",
        "by": "kim",
        "note": "looking",
        "until": "2026-01-01T00:15:00.000Z",
    }


def test_what_is_written_again_is_there_once(db: Connection) -> None:
    begun(db)
    first = acknowledge(db, "i1", KIM, "looking")
    assert acknowledge(db, "i1", KIM, "looking") == first
    assert len(audit_events(db, 9)) == 1
    for _ in range(2):
        assert of(take_back_acknowledgement(db, "i1", ROBIN)).acknowledgement is None
    assert [each.action for each in audit_events(db, 9)] == ["unacknowledge", "acknowledge"]
    assert audit_events(db, 1)[0].after is None


def test_another_takes_over_and_who_it_was_stays_known(db: Connection) -> None:
    begun(db)
    acknowledge(db, "i1", KIM)
    assert of(acknowledge(db, "i1", ROBIN)).acknowledgement == Acknowledgement(
        at=at(200), by="robin"
    )
    before = audit_events(db, 1)[0].before
    assert before is not None
    assert before["by"] == "kim"


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ({"until": at(100)}, "until"),
        ({"note": "x" * 2001}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"note": "\ud800"}, "note"),
        ({"act": Act(at=at(1), actor=" ")}, "by"),
    ],
)
def test_what_makes_no_sense_is_refused(db: Connection, words: dict[str, Any], path: str) -> None:
    begun(db)
    refused = acknowledge(db, "i1", **{"act": KIM, **words})
    assert isinstance(refused, Refused)
    assert path in {error.path for error in refused.errors}
    assert audit_events(db, 9) == []


def test_only_an_outage_that_lasts_is_acknowledged_and_only_one_that_is(db: Connection) -> None:
    assert acknowledge(db, "i1", KIM) is None
    assert take_back_acknowledgement(db, "i1", KIM) is None
    begun(db)
    close_incident(db, Closed(id="i1", ended_at=at(60)))
    refused = acknowledge(db, "i1", KIM)
    assert isinstance(refused, Refused)
    assert [str(error) for error in refused.errors] == ["must be of an outage that lasts"]
    assert of(incident(db, "i1")).acknowledgement is None


def test_the_audit_is_read_in_pages_by_who_did_what_to_what(db: Connection) -> None:
    for number in range(6):
        act = KIM if number % 2 else ROBIN
        audit(db, act, "apply", "Monitor", Key("shop", f"m{number % 3}"), after={"n": number})
    page = audit_events(db, 4)
    assert [each.after for each in page] == [{"n": number} for number in (5, 4, 3, 2)]
    rest = audit_events(db, 4, below=page[-1].id)
    assert [each.after for each in rest] == [{"n": 1}, {"n": 0}]
    assert [each.after for each in audit_events(db, 9, actor="kim", name="m0")] == [{"n": 3}]
    assert len(audit_events(db, 9, since=at(150))) == 3
    assert audit_events(db, 9, kind="Post") == audit_events(db, 9, namespace="blog") == []


def test_whatever_is_said_of_a_deed_can_be_written_down(db: Connection) -> None:
    odd = Act(at=at(0), actor="k\0im", source="\ud800", reason="b\u00fccher\nand more")
    audit(db, odd, "apply", "Monitor", WEB, after={"odd": "\ud800\0"})
    (event,) = audit_events(db, 9)
    assert (event.act.actor, event.act.source, event.act.reason) == (
        "k?im",
        "?",
        "b\u00fccher\nand more",
    )
    assert event.after == {"odd": "\ud800\0"}
