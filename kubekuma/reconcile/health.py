"""How the program itself does, as conditions of the settings. Pure."""

from typing import Final

import attrs

from kubekuma.model.meta import Condition, Truth

DATABASE: Final = "DatabaseHealthy"
SATURATED: Final = "SchedulerSaturated"


@attrs.frozen(kw_only=True)
class Vitals:
    """Figures that tell how the program does."""

    database_error: str = ""
    waiting: int = 0  # checks that are due and wait for a place
    skipped: int = 0  # checks that were left out since the vitals were taken last
    at_once: int = 0


def health_conditions(vitals: Vitals) -> tuple[Condition, ...]:
    """What the settings' status says of the program."""
    healthy = Condition(type=DATABASE, status=Truth.TRUE, reason="Written")
    if vitals.database_error:
        said = f"history waits to be written: {vitals.database_error}"
        healthy = Condition(type=DATABASE, status=Truth.FALSE, reason="CannotWrite", message=said)
    saturated = Condition(type=SATURATED, status=Truth.FALSE, reason="OnTime")
    if vitals.skipped or vitals.waiting:
        said = (
            f"with {vitals.at_once} checks at once, others wait or are left out: raise "
            "scheduler.maxConcurrentNetChecks or the limit of open files, or lengthen intervals"
        )
        saturated = Condition(type=SATURATED, status=Truth.TRUE, reason="ChecksWait", message=said)
    return healthy, saturated
