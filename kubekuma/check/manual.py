"""Manual checker: the state is what a person has set, as an annotation of the Monitor."""

from collections.abc import Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.expect import Facts
from kubekuma.check.finding import Finding
from kubekuma.check.judge import judge_shared
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.meta import STATE, STATE_MESSAGE
from kubekuma.model.result import Reason
from kubekuma.model.target import ManualTarget

_REASONS: Final = {"down": Reason.SET_DOWN, "degraded": Reason.SET_DEGRADED}


async def check_manual(
    target: ManualTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Report what was set last; before anybody has set anything, the initial state."""
    annotations = check.meta.annotations
    state = annotations.get(STATE, target.initial_state)
    message = annotations.get(STATE_MESSAGE, "")
    check.trace.say("set to %s", state)
    facts = Facts(kind="manual", values={"output": state})
    reason = _REASONS.get(state)
    found = [] if reason is None else [Finding(reason, message or f"somebody has set it {state}")]
    return [*found, *judge_shared(criteria, facts, check.trace.latency, check.show)]
