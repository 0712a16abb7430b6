"""Service level objectives: what may still go wrong, and how fast it does. Pure and exact."""

from fractions import Fraction

import attrs

from kubekuma.record.uptime import Uptime


@attrs.frozen(kw_only=True)
class ErrorBudget:
    """How long a target may be down within a window, and how much of that is left, in ms."""

    allowed_ms: int  # cut
    left_ms: int  # negative: the objective is missed

    @property
    def left_ratio(self) -> float | None:
        """1: nothing is spent, 0: all of it; None where nothing is allowed."""
        return self.left_ms / self.allowed_ms if self.allowed_ms else None


def error_budget(objective_percent: str, uptime: Uptime) -> ErrorBudget:
    """The budget of ``objective_percent`` ("99.9") of the time that was watched."""
    allowed = int(_watched(uptime) * _may_fail(objective_percent))
    return ErrorBudget(allowed_ms=allowed, left_ms=allowed - uptime.down_ms)


def burn_rate(objective_percent: str, uptime: Uptime) -> float | None:
    """How many times as fast as allowed the budget was spent.

    1 spends it exactly within the objective's window; None: nothing was
    measured; infinite, where nothing may fail and something did.
    """
    watched, may_fail = _watched(uptime), _may_fail(objective_percent)
    if not watched:
        return None
    if not may_fail:
        return float("inf") if uptime.down_ms else 0.0
    return float(Fraction(uptime.down_ms, watched) / may_fail)


def _watched(uptime: Uptime) -> int:
    return uptime.good_ms + uptime.down_ms


def _may_fail(objective_percent: str) -> Fraction:
    return 1 - Fraction(objective_percent) / 100
