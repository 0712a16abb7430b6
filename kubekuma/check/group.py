"""Group checker: several monitors, seen as one."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.expect import Facts
from kubekuma.check.finding import Finding
from kubekuma.check.inside import Member
from kubekuma.check.judge import judge_shared
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.state import Verdict
from kubekuma.model.target import GroupRule, GroupTarget

MOST_NAMED: Final = 5
# Shown in this order, those that matter first.
_NOT_UP: Final = (Verdict.DOWN, Verdict.DEGRADED, Verdict.UNKNOWN)


async def check_group(
    target: GroupTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Judge what is known of the members. Their own checks found it; this one asks nobody."""
    members = check.context.inside.members(check.meta.key)
    up = sum(each.verdict is Verdict.UP for each in members)
    check.trace.say("%d members, %d up", len(members), up)
    facts = Facts(kind="group", values={"output": up})
    return [
        *judge_members(target, members),
        *judge_shared(criteria, facts, check.trace.latency, check.show),
    ]


def judge_members(target: GroupTarget, members: Sequence[Member]) -> Iterator[Finding]:
    """Yield what is wrong: too few members are up, or too few are known to be."""
    if not members:
        yield Finding(Reason.MEMBERS_UNKNOWN, "there are no members to look at")
        return
    needed = _needed(target, len(members))
    verdicts = [each.verdict for each in members]
    well = verdicts.count(Verdict.UP)
    if well >= needed:
        return
    said = f"{well} of {len(members)} members are up, and {needed} should be{_named(members)}"
    alive = well + verdicts.count(Verdict.DEGRADED)
    if alive >= needed:
        yield Finding(Reason.MEMBERS_DEGRADED, said)
    elif alive + verdicts.count(Verdict.UNKNOWN) >= needed:
        # They may be as well as needed: nobody knows.
        yield Finding(Reason.MEMBERS_UNKNOWN, said)
    else:
        yield Finding(Reason.MEMBERS_DOWN, said)


def _needed(target: GroupTarget, count: int) -> int:
    match target.rule:
        case GroupRule.WORST:
            return count
        case GroupRule.BEST:
            return 1
        case GroupRule.AT_LEAST:
            return target.threshold or 1
        case GroupRule.PERCENT:
            return math.ceil(count * (target.threshold or 1) / 100)


def _named(members: Sequence[Member]) -> str:
    parts = []
    for verdict in _NOT_UP:
        names = [str(each.key) for each in members if each.verdict is verdict]
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            parts.append(f"{verdict}: {', '.join(names[:MOST_NAMED])}{more}")
    return "".join(f"; {part}" for part in parts)
