"""Groups: what the states of members say together."""

import attrs
import pytest
from fakes.targets import check_context, monitor_of

from kubekuma.check.group import judge_members
from kubekuma.check.inside import Inside, Member
from kubekuma.check.run import run_check
from kubekuma.model.criteria import Expectation, Op, SuccessCriteria
from kubekuma.model.meta import Key
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.state import Verdict
from kubekuma.model.target import GroupRule, GroupTarget

_BY_LETTER = {
    "u": Verdict.UP,
    "g": Verdict.DEGRADED,
    "d": Verdict.DOWN,
    "?": Verdict.UNKNOWN,
}


def members(letters: str) -> list[Member]:
    return [
        Member(key=Key("shop", f"m{number}"), verdict=_BY_LETTER[letter])
        for number, letter in enumerate(letters)
    ]


def target(rule: GroupRule, threshold: int | None = None) -> GroupTarget:
    return GroupTarget(selector={"app": "web"}, rule=rule, threshold=threshold)


def reason(rule: GroupRule, letters: str, threshold: int | None = None) -> Reason:
    found = [*judge_members(target(rule, threshold), members(letters))]
    return found[0].reason if found else Reason.PASSED


@pytest.mark.parametrize(
    ("letters", "worst", "best"),
    [
        ("uuu", Reason.PASSED, Reason.PASSED),
        ("ugu", Reason.MEMBERS_DEGRADED, Reason.PASSED),
        ("gg", Reason.MEMBERS_DEGRADED, Reason.MEMBERS_DEGRADED),
        ("ud", Reason.MEMBERS_DOWN, Reason.PASSED),
        ("d?", Reason.MEMBERS_DOWN, Reason.MEMBERS_UNKNOWN),
        ("u?", Reason.MEMBERS_UNKNOWN, Reason.PASSED),
        ("g?", Reason.MEMBERS_UNKNOWN, Reason.MEMBERS_DEGRADED),
        ("??", Reason.MEMBERS_UNKNOWN, Reason.MEMBERS_UNKNOWN),
        ("dd", Reason.MEMBERS_DOWN, Reason.MEMBERS_DOWN),
        ("", Reason.MEMBERS_UNKNOWN, Reason.MEMBERS_UNKNOWN),
    ],
)
def test_worst_and_best(letters: str, worst: Reason, best: Reason) -> None:
    assert reason(GroupRule.WORST, letters) is worst
    assert reason(GroupRule.BEST, letters) is best


@pytest.mark.parametrize(
    ("letters", "least", "expected"),
    [
        ("uud", 2, Reason.PASSED),
        ("ugd", 2, Reason.MEMBERS_DEGRADED),
        ("u?d", 2, Reason.MEMBERS_UNKNOWN),
        ("udd", 2, Reason.MEMBERS_DOWN),
        ("uu", 3, Reason.MEMBERS_DOWN),
    ],
)
def test_at_least_so_many(letters: str, least: int, expected: Reason) -> None:
    assert reason(GroupRule.AT_LEAST, letters, least) is expected


@pytest.mark.parametrize(
    ("letters", "percent", "expected"),
    [
        ("uuud", 75, Reason.PASSED),
        ("uuud", 76, Reason.MEMBERS_DOWN),
        ("udd", 33, Reason.PASSED),
        ("udd", 34, Reason.MEMBERS_DOWN),
        ("uuu", 100, Reason.PASSED),
    ],
)
def test_percent_is_rounded_up_to_whole_members(
    letters: str, percent: int, expected: Reason
) -> None:
    assert reason(GroupRule.PERCENT, letters, percent) is expected


def test_the_message_names_those_that_are_not_up_and_not_all_of_many() -> None:
    (found,) = judge_members(target(GroupRule.WORST), members("u" + "d" * 7 + "g?"))
    assert found.message == (
        "1 of 10 members are up, and 10 should be;"
        " down: shop/m1, shop/m2, shop/m3, shop/m4, shop/m5 and 2 more;"
        " degraded: shop/m8; unknown: shop/m9"
    )


async def check(letters: str, criteria: SuccessCriteria | None = None) -> CheckResult:
    monitor = monitor_of(MonitorType.GROUP, target(GroupRule.BEST), criteria)
    asked: list[Key] = []

    def of(key: Key) -> list[Member]:
        asked.append(key)
        return members(letters)

    context = attrs.evolve(check_context(), inside=Inside(members=of))
    result = await run_check(monitor, context, transcript=True)
    assert asked == [monitor.meta.key]
    return result


async def test_the_number_of_those_that_are_up_can_be_expected() -> None:
    three = Expectation(value="output", op=Op.GTE, to=3)
    criteria = SuccessCriteria(expect=(three,))
    assert (await check("uuu", criteria)).reason is Reason.PASSED
    result = await check("uud", criteria)
    assert result.reason is Reason.EXPECTATION_FAILED
    assert "output is 2" in result.message
    assert "3 members, 2 up" in result.transcript


async def test_without_the_program_nothing_is_known_of_members() -> None:
    result = await run_check(monitor_of(MonitorType.GROUP, target(GroupRule.BEST)), check_context())
    assert result.outcome is Outcome.UNKNOWN
    assert "known to the program" in result.message
