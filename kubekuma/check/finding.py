"""What a check has to say: a reason and the words for it."""

from collections.abc import Iterable

import attrs

from kubekuma.model.result import Outcome, Reason, outcome_of


@attrs.frozen
class Finding:
    """One thing that was found, for programs and for people."""

    reason: Reason
    message: str = ""


class CheckFailed(Exception):  # noqa: N818 - said of the check, which is what failed
    """The check cannot go on, because of what the target did or of what we lack."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.finding = Finding(reason, message)


def conclude(findings: Iterable[Finding]) -> Finding:
    """Make one finding of all that is wrong: the worst first gives the reason, all are named."""
    found = sorted(findings, key=_rank)  # stable: equally bad ones keep their order
    if not found:
        return Finding(Reason.PASSED)
    return Finding(found[0].reason, "; ".join(each.message for each in found))


_SEVEREST_FIRST = (Outcome.UNKNOWN, Outcome.FAILED, Outcome.DEGRADED, Outcome.PASSED)


def _rank(finding: Finding) -> int:
    return _SEVEREST_FIRST.index(outcome_of(finding.reason))
