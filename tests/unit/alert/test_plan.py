"""Who is told of an outage, and when: the table of mutes, in virtual time."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from build import WEB, at
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.alert.plan import AlertPlan, Parent, Situation, plan_alerts
from kubekuma.alert.route import Route, Way
from kubekuma.model.alert import Outage, Told
from kubekuma.model.meta import Key
from kubekuma.model.policy import ActiveTime, Happening

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
    what: Happening = Happening.DOWN
    step: int = 0
    acknowledged_by: str = ""
    acknowledged_until: float | None = None

    def plan(self, seconds: float) -> AlertPlan:
        outage = Outage(
            id="i1",
            key=WEB,
            started_at=at(0),
            confirmed_at=at(40),
            ended_at=None if self.ended is None else at(self.ended),
            reason="Timeout",
            message="slow",
            what=self.what,
            step=self.step,
            acknowledged_by=self.acknowledged_by,
            acknowledged_until=None
            if self.acknowledged_until is None
            else at(self.acknowledged_until),
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
            told = Told(
                provider=each.provider,
                happening=each.happening,
                at=at(seconds),
                reminder=each.reminder,
            )
            self.told.append(told)
        return [
            (each.provider.name, f"{each.happening}{each.reminder or ''}")
            for each in plan.tell
            if not each.quiet
        ]

    def again(self, seconds: float) -> float | None:
        again_at = self.plan(seconds).again_at
        return None if again_at is None else (again_at - at(0)).total_seconds()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_an_outage_is_told_once_and_its_end_to_those_who_heard() -> None:
    it = Story((route(CHAT), route(PAGER, ways=(Way(after=minutes(5)),))))
    assert it.look(40) == [("chat", "down")]
    assert it.look(41) == []
    assert it.again(41) == 40 + 5 * MINUTE
    it.ended = 100
    assert it.look(100) == [("chat", "up")]
    assert it.look(101) == []


def test_nobody_hears_of_the_end_of_what_was_never_told() -> None:
    it = Story((route(ways=(Way(after=minutes(5)),)),), ended=100)
    assert it.look(100) == []


def test_escalation_comes_when_it_is_due_and_late_rather_than_never() -> None:
    it = Story((route(CHAT), route(PAGER, ways=(Way(after=minutes(5)),))))
    it.look(40)
    assert it.look(40 + 5 * MINUTE - 1) == []
    assert it.look(40 + 5 * MINUTE) == [("pager", "down")]
    late = Story((route(CHAT), route(PAGER, ways=(Way(after=minutes(5)),))))
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
    it = Story((route(CHAT, resend=minutes(30)), route(PAGER, ways=(Way(after=minutes(5)),))))
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
    it = Story((route(CHAT), route(PAGER, ways=(Way(after=minutes(after)),))))
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


# Hours, limits, groups ---------------------------------------------------------------------------

HOUR = 60 * MINUTE
# The story begins at midnight.
OFFICE = (ActiveTime(start="08:00", end="18:00"),)


def test_outside_of_hours_an_outage_waits_for_the_opening() -> None:
    it = Story((route(ways=(Way(hours=OFFICE),), resend=minutes(60)),))
    assert it.look(40) == []
    (waits,) = it.plan(40).waits
    assert (waits.provider, waits.why) == (CHAT, "nobody wants to hear now")
    assert it.again(40) == 8 * HOUR
    assert it.look(8 * HOUR) == [("chat", "down")]
    assert it.look(17.5 * HOUR) == [("chat", "down1")]
    # A reminder that is due at night is given in the morning.
    assert it.look(19 * HOUR) == []
    assert it.again(19 * HOUR) == 32 * HOUR


def test_one_policy_of_several_is_enough_to_be_told() -> None:
    ways = (Way(hours=OFFICE), Way(after=minutes(10)))
    it = Story((route(ways=ways),))
    assert it.again(40) == 40 + 10 * MINUTE
    assert it.look(40 + 10 * MINUTE) == [("chat", "down")]


def test_at_night_good_news_waits_for_people_and_not_for_pagers() -> None:
    ways = (Way(hours=OFFICE),)
    it = Story((route(CHAT, ways=ways), route(PAGER, ways=ways, is_keyed=True)))
    it.look(9 * HOUR)
    it.ended = 20 * HOUR
    waits = {each.provider: each.wait for each in it.plan(20 * HOUR).tell}
    assert waits == {CHAT: timedelta(hours=12), PAGER: timedelta(0)}


def test_what_a_policy_wants_to_hear_of_seldom_takes_turns_and_escalations_do_not() -> None:
    slow: dict[str, Any] = {"apart": minutes(30), "every": minutes(1)}
    it = Story(
        (
            route(CHAT, **slow),
            route(MAIL, group="shop/p namespace=shop", **slow),
            route(PAGER, ways=(Way(after=minutes(5)),), **slow),
        )
    )
    first = {each.provider: (each.together, each.every) for each in it.plan(40).tell}
    assert first == {
        CHAT: ("shop/p at most", minutes(30)),
        MAIL: ("shop/p namespace=shop", minutes(30)),
    }
    it.look(40)
    (escalation,) = it.plan(40 + 5 * MINUTE).tell
    assert (escalation.provider, escalation.together) == (PAGER, "")
    it.ended = 400
    over = {each.provider: (each.together, each.every) for each in it.plan(400).tell}
    assert over == {
        CHAT: ("", timedelta(0)),
        MAIL: ("shop/p namespace=shop", minutes(1)),
    }


# Somebody sees to it -----------------------------------------------------------------------------


def test_once_somebody_sees_to_it_those_who_heard_hear_that_and_nobody_else_is_called() -> None:
    routes = (
        route(CHAT, resend=minutes(30)),
        route(PAGER, ways=(Way(after=minutes(5)),)),
        route(MAIL),
    )
    it = Story(routes, facts={"acknowledged_to": frozenset({CHAT, PAGER})})
    it.look(40)
    it.acknowledged_by = "ada"
    assert it.look(50) == [("chat", "acknowledged")]
    assert it.look(3 * HOUR) == []
    assert it.again(3 * HOUR) is None
    it.ended = 4 * HOUR
    assert sorted(it.look(4 * HOUR)) == [("chat", "up"), ("mail", "up")]


def test_it_may_be_seen_to_for_a_while_alone() -> None:
    it = Story((route(CHAT, resend=minutes(30)), route(PAGER, ways=(Way(after=minutes(5)),))))
    it.look(40)
    it.acknowledged_by, it.acknowledged_until = "ada", HOUR
    assert it.look(HOUR - 1) == []
    assert it.again(HOUR - 1) == HOUR
    assert it.look(HOUR) == [("chat", "down1"), ("pager", "down")]


# What is no outage -------------------------------------------------------------------------------


def test_each_of_the_days_before_an_end_is_told_once_and_those_gone_by_are_not() -> None:
    it = Story(what=Happening.CERT_EXPIRING, step=1)
    assert it.look(40) == [("chat", "certExpiring1")]
    assert it.look(50) == []
    it.step = 2
    assert it.look(60) == [("chat", "certExpiring2")]
    assert it.look(70) == []
    it.ended = 80
    assert it.look(80) == [("chat", "up")]


def test_nobody_is_reminded_of_what_is_no_outage() -> None:
    it = Story((route(resend=minutes(30)),), what=Happening.DEGRADED)
    assert it.look(40) == [("chat", "degraded")]
    assert it.look(3 * HOUR) == []


def test_what_ends_in_something_worse_ends_without_a_word() -> None:
    it = Story(what=Happening.DEGRADED)
    it.look(40)
    it.ended, it.facts["quiet"] = 60, True
    assert it.look(60) == []
    (tell,) = Story(told=it.told[:1], ended=60, facts={"quiet": True}).plan(60).tell
    assert (tell.happening, tell.quiet) == (UP, True)


def test_an_alert_is_closed_also_where_people_hear_of_no_end() -> None:
    it = Story((route(CHAT), route(PAGER, is_keyed=True)), what=Happening.DEGRADED)
    it.look(40)
    it.ended = 60
    it.facts |= {"quiet": True, "keepers": frozenset({PAGER})}
    assert it.look(60) == [("pager", "up")]
    # Its policy routes to it no more, and the alert is there all the same.
    gone = Story((), told=it.told[:2], ended=60, facts=it.facts)
    assert gone.look(60) == [("pager", "up")]


def test_a_reminder_that_is_not_due_is_no_reason_why_somebody_was_not_told() -> None:
    it = Story((route(resend=minutes(30)),))
    it.look(40)
    (waits,) = it.plan(50).waits
    assert (waits.provider, waits.why) == (CHAT, "")
