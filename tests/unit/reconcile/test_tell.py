"""What people hear of: ups and downs, not everything that changes; and nothing waits for it."""

import pytest
import trio
from build import WEB, at
from structlog.testing import capture_logs

from kubekuma.kube.errors import Refused, Unreachable
from kubekuma.kube.events import Event
from kubekuma.model.result import Reason
from kubekuma.model.state import Transition
from kubekuma.reconcile.health import Vitals, health_conditions
from kubekuma.reconcile.tell import run_events, transition_event


def transition(before: str, after: str, *, first: bool = False) -> Transition:
    return Transition(
        key=WEB,
        before=before,
        after=after,
        at=at(0),
        reason=Reason.TIMEOUT,
        message="no answer",
        first=first,
    )


@pytest.mark.parametrize(
    ("after", "reason", "kind"),
    [
        ("up", "Up", "Normal"),
        ("degraded", "Degraded", "Warning"),
        ("down", "Down", "Warning"),
        ("unknown", "Unknown", "Warning"),
        ("paused", "Paused", "Normal"),
    ],
)
def test_a_change_that_matters_is_an_event(after: str, reason: str, kind: str) -> None:
    event = transition_event(transition("pending", after), "u1")
    assert event is not None
    assert (event.reason, event.type, event.uid, event.key) == (reason, kind, "u1", WEB)
    assert event.note == f"was pending, is {after} (Timeout): no answer"


def test_doubt_is_no_event_nor_that_it_is_up_at_first_nor_what_is_nobodys() -> None:
    assert transition_event(transition("up", "pending"), "u1") is None
    assert transition_event(transition("pending", "up", first=True), "u1") is None
    assert transition_event(transition("pending", "down", first=True), "u1") is not None
    assert transition_event(transition("up", "down"), "") is None


async def test_an_event_that_cannot_be_made_holds_up_no_other() -> None:
    created: list[str] = []

    async def create(event: Event) -> None:
        await trio.lowlevel.checkpoint()
        errors = {
            "away": Unreachable("refused"),
            "no": Refused(403, "Forbidden", "no"),
            "bug": KeyError("a bug"),
        }
        if event.reason in errors:
            raise errors[event.reason]
        created.append(event.reason)

    sending, events = trio.open_memory_channel[Event](10)
    for reason in ("first", "away", "no", "bug", "last"):
        event = Event(
            kind="Monitor", key=WEB, uid="u", reason=reason, action="Check", note="", at=at(0)
        )
        sending.send_nowait(event)
    sending.close()
    with capture_logs() as logs:
        await run_events(events, create)
    assert created == ["first", "last"]
    # That the API server is away, the reflectors say.
    assert [each["event"] for each in logs] == ["Event was refused", "Event could not be made"]


def test_health_says_what_is_wrong_and_what_to_do() -> None:
    well = {each.type: each.status for each in health_conditions(Vitals())}
    assert well == {
        "HistoryWritable": "True",
        "WatchesHealthy": "True",
        "SchedulerSaturated": "False",
        "ConnectivityOk": "True",
    }
    refused = {"Silence": "403", "ApiKey": "404"}
    blind = {"local": "nothing here", "internet": "nothing there"}
    ill = Vitals(database_error="disk full", unfollowed=refused, skipped=3, at_once=7, blind=blind)
    (database, following, saturated, connected) = health_conditions(ill)
    assert (database.status, "disk full" in database.message) == ("False", True)
    assert (saturated.status, "with 7 checks at once" in saturated.message) == ("True", True)
    assert (following.status, following.reason) == ("False", "CannotFollow")
    assert "ApiKey: 404; Silence: 403" in following.message
    assert (connected.status, connected.reason) == ("False", "Blind")
    assert connected.message.endswith("nobody is blamed: nothing there; nothing here")
    assert health_conditions(Vitals(waiting=1))[2].status == "True"
