"""Who is told of an outage, and when: the table of mutes, in virtual time."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from build import WEB, at
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.alert.plan import AlertPlan, Parent, Situation, plan_alerts
from kubekuma.alert.route import Route
from kubekuma.model.alert import Outage, Told
from kubekuma.model.meta import Key
from kubekuma.model.policy import Happening

CHAT, PAGER, MAIL = Key("shop", "chat"), Key("shop", "pager"), Key("shop", "mail")
DOWN, UP, FLAPPING = Happening.DOWN, Happening.UP, Happening.FLAPPING
MINUTE = 60.0


def route(provider: Key = CHAT, **more: Any) -> Route:
    return Route(provider=provider, policy=Key("shop", "p"), **more)


@attrs.define
class Story:
    """One outage, which began at 0 and was confirmed at 40 s; each look tells what is new."""

    routes: tuple[Route, ...] = (route(),)
    ended: float | None = None
    told: list[Told] = attrs.field(factory=list)
    facts: dict[str, Any] = attrs.field(factory=dict)

    def plan(self, seconds: float) -> AlertPlan:
        outage = Outage(
            id="i1",
            key=WEB,
            started_at=at(0),
            confirmed_at=at(40),
            ended_at=None if self.ended is None else at(self.ended),
            reason="Timeout",
            message="slow",
        )
        situation = Situation(
            outage=outage,
            told=tuple(self.told),
            routes=self.routes,
            now=at(seconds),
            **self.facts,
        )
        return plan_alerts(situation)

    def look(self, seconds: float) -> list[tuple[str, str]]:
        """Carry out the plan of that moment, and return what was told to whom."""
        plan = self.plan(seconds)
        for each in plan.tell:
            told = Told(provider=each.provider, happening=each.happening, at=at(seconds))
            self.told.append(told)
        return [
            (each.provider.name, f"{each.happening}{each.reminder or ''}") for each in plan.tell
        ]

    def again(self, seconds: float) -> float | None:
        again_at = self.plan(seconds).again_at
        return None if again_at is None else (again_at - at(0)).total_seconds()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_an_outage_is_told_once_and_its_end_to_those_who_heard() -> None:
    it = Story((route(CHAT), route(PAGER, after=minutes(5))))
    assert it.look(40) == [("chat", "down")]
    assert it.look(41) == []
    assert it.again(41) == 40 + 5 * MINUTE
    it.ended = 100
    assert it.look(100) == [("chat", "up")]
    assert it.look(101) == []


def test_nobody_hears_of_the_end_of_what_was_never_told() -> None:
    it = Story((route(after=minutes(5)),), ended=100)
    assert it.look(100) == []


def test_escalation_comes_when_it_is_due_and_late_rather_than_never() -> None:
    it = Story((route(CHAT), route(PAGER, after=minutes(5))))
    it.look(40)
    assert it.look(40 + 5 * MINUTE - 1) == []
    assert it.look(40 + 5 * MINUTE) == [("pager", "down")]
    late = Story((route(CHAT), route(PAGER, after=minutes(5))))
    assert late.look(3600) == [("chat", "down"), ("pager", "down")]


def test_reminders_count_from_the_last_word() -> None:
    it = Story((route(resend=minutes(30)),))
    it.look(40)
    assert it.again(41) == 40 + 30 * MINUTE
    assert it.look(40 + 30 * MINUTE) == [("chat", "down1")]
    # We were away: what is overdue fires once.
    assert it.look(40 + 200 * MINUTE) == [("chat", "down2")]
    assert it.again(40 + 200 * MINUTE) == 40 + 230 * MINUTE


@pytest.mark.parametrize("muted", ["planned work", "the silence quiet"])
def test_a_mute_holds_outages_escalations_and_reminders_and_no_recovery(muted: str) -> None:
    it = Story((route(CHAT, resend=minutes(30)), route(PAGER, after=minutes(5))))
    it.look(40)
    it.facts["muted"] = muted
    assert it.look(3600) == []
    assert it.plan(3600).held == muted
    del it.facts["muted"]
    assert it.look(7200) == [("chat", "down1"), ("pager", "down")]
    it.facts["muted"] = muted
    it.ended = 7300
    assert it.look(7300) == [("chat", "up"), ("pager", "up")]


def test_an_outage_that_ends_while_it_is_held_is_told_to_nobody() -> None:
    it = Story(facts={"muted": "planned work"})
    assert it.look(40) == []
    it.ended = 100
    assert it.look(100) == []


def test_a_provider_that_is_new_hears_at_once_and_one_that_is_gone_hears_of_the_end() -> None:
    it = Story((route(CHAT),))
    it.look(40)
    it.routes = (route(MAIL),)
    assert it.look(100) == [("mail", "down")]
    it.ended = 200
    assert sorted(it.look(200)) == [("chat", "up"), ("mail", "up")]


def test_who_wants_no_recoveries_hears_of_none() -> None:
    it = Story((route(CHAT), route(MAIL)), facts={"deaf": frozenset({CHAT})})
    it.look(40)
    it.ended = 100
    assert it.look(100) == [("mail", "up")]


def test_flapping_is_one_notice_and_what_stays_down_is_told_once_calm() -> None:
    it = Story(facts={"flaps": True, "flapping_routes": (route(CHAT),)})
    assert it.look(40) == [("chat", "flapping")]
    assert it.look(50) == []
    it.facts["flaps"] = False
    assert it.look(700) == [("chat", "down")]
    calm = Story(facts={"flaps": True, "flapping_routes": (route(CHAT),)})
    calm.look(40)
    calm.facts["flaps"], calm.ended = False, 60
    assert calm.look(700) == [("chat", "up")]


# Parents -----------------------------------------------------------------------------------------

ROUTER = Key("shop", "router")


def parent(*, is_down: bool = False, passed: float | None = None) -> Parent:
    return Parent(
        key=ROUTER,
        is_down=is_down,
        passed_at=None if passed is None else at(passed),
        budget=minutes(2),
    )


def test_a_parent_that_passed_since_the_outage_began_holds_nothing() -> None:
    it = Story(facts={"parents": (parent(passed=20),)})
    assert it.look(40) == [("chat", "down")]


def test_one_that_has_not_is_waited_for_as_long_as_it_would_need_to_be_down() -> None:
    it = Story(facts={"parents": (parent(passed=-20),)})
    assert it.look(40) == []
    assert it.plan(40).held == "the fault may be that of shop/router"
    assert it.again(40) == 40 + 2 * MINUTE
    assert it.look(40 + 2 * MINUTE) == [("chat", "down")]


def test_one_that_is_down_holds_for_as_long_as_it_is() -> None:
    it = Story(facts={"parents": (parent(is_down=True, passed=-20),)})
    assert it.look(7200) == []
    assert it.again(7200) is None
    it.facts["parents"] = (parent(passed=7300),)
    assert it.look(7300) == [("chat", "down")]


# Laws --------------------------------------------------------------------------------------------

looks = st.lists(
    st.tuples(st.floats(1, 3000), st.sampled_from(["", "a silence"]), st.booleans()), max_size=20
)


@given(looks, st.sampled_from([0, 5, 30]), st.booleans())
def test_whatever_happens_nobody_is_told_twice_and_an_outage_that_lasts_is_told(
    steps: list[tuple[float, str, bool]], after: int, ends: bool
) -> None:
    it = Story((route(CHAT), route(PAGER, after=minutes(after))))
    heard: list[tuple[str, str]] = []
    now: float = 40
    for pause, muted, flaps in steps:
        now += pause
        it.facts = {"muted": muted, "flaps": flaps, "flapping_routes": it.routes}
        heard += it.look(now)
    it.facts = {}
    now += 3600
    heard += it.look(now)
    assert {who for who, what in heard if what == "down"} == {"chat", "pager"}
    if ends:
        it.ended = now + 1
        heard += it.look(now + 2)
        assert {who for who, what in heard if what == "up"} == {"chat", "pager"}
    assert len(heard) == len(set(heard))
