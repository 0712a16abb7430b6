"""Error budgets that are used up too fast. Pure."""

from typing import Final

from kubekuma.model.monitor import Slo
from kubekuma.record.slo import burn_rate
from kubekuma.record.uptime import Uptime

# Of the whole budget, what an hour may take before it is told: as the SRE workbook has it.
_PERCENT: Final = 2
_HOURS_A_DAY: Final = 24


def burning(slo: Slo, hour: Uptime, minutes: Uptime) -> str:
    """How fast the budget is used up, in words; empty: not too fast.

    ``minutes``: of the last five, so that it ends soon after the trouble does.
    """
    most = max(1.0, _PERCENT * slo.window_days * _HOURS_A_DAY / 100)
    rate, now = burn_rate(slo.objective_percent, hour), burn_rate(slo.objective_percent, minutes)
    if rate is None or now is None or rate < most or now < most:
        return ""
    share = rate / (slo.window_days * _HOURS_A_DAY)
    return (
        f"the last hour took {share:.0%} of the error budget of {slo.window_days} days"
        f" ({slo.objective_percent} %), {rate:.3g} times as much as it may"
    )
