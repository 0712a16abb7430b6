"""Manual monitors: what people have set, and what they said of it."""

import attrs
import pytest
from fakes.targets import check_context, monitor_of

from kubekuma.check.run import run_check
from kubekuma.model.meta import STATE, STATE_MESSAGE
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Outcome, Reason
from kubekuma.model.target import ManualTarget


async def check(initial: str, **annotations: str) -> CheckResult:
    monitor = monitor_of(MonitorType.MANUAL, ManualTarget(initial_state=initial))
    names = {"state": STATE, "message": STATE_MESSAGE}
    meta = attrs.evolve(
        monitor.meta, annotations={names[name]: text for name, text in annotations.items()}
    )
    return await run_check(attrs.evolve(monitor, meta=meta), check_context())


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("up", Outcome.PASSED), ("degraded", Outcome.DEGRADED), ("down", Outcome.FAILED)],
)
async def test_the_state_is_what_was_set_and_before_that_the_initial_one(
    state: str, outcome: Outcome
) -> None:
    assert (await check(state)).outcome is outcome
    assert (await check("up", state=state)).outcome is outcome
    assert (await check("down", state=state)).outcome is outcome


async def test_what_people_said_is_the_message() -> None:
    assert (await check("up", state="down")).message == "somebody has set it down"
    result = await check("up", state="down", message="the lift is out of order")
    assert (result.reason, result.message) == (Reason.SET_DOWN, "the lift is out of order")
    assert (await check("up", message="all is well")).message == ""
