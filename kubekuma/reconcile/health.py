"""How the program itself does, as conditions of the settings. Pure."""

from collections.abc import Mapping
from typing import Final

import attrs

from kubekuma.model.meta import Condition, Truth

HISTORY: Final = "HistoryWritable"
WATCHES: Final = "WatchesHealthy"
SATURATED: Final = "SchedulerSaturated"
CONNECTIVITY: Final = "ConnectivityOk"


@attrs.frozen(kw_only=True)
class Vitals:
    """Figures that tell how the program does."""

    database_error: str = ""
    unfollowed: Mapping[str, str] = attrs.field(factory=dict)  # why, by kind
    waiting: int = 0  # checks that are due and wait for a place
    skipped: int = 0  # checks that were left out since the vitals were taken last
    at_once: int = 0
    blind: Mapping[str, str] = attrs.field(factory=dict)  # what was found, by scope


def health_conditions(vitals: Vitals) -> tuple[Condition, ...]:
    """What the settings' status says of the program."""
    healthy = Condition(type=HISTORY, status=Truth.TRUE, reason="Written")
    if vitals.database_error:
        said = f"history waits to be written: {vitals.database_error}"
        healthy = Condition(type=HISTORY, status=Truth.FALSE, reason="CannotWrite", message=said)
    following = Condition(type=WATCHES, status=Truth.TRUE, reason="Following")
    if vitals.unfollowed:
        whys = "; ".join(f"{kind}: {why}" for kind, why in sorted(vitals.unfollowed.items()))
        said = f"what is known of these kinds stays in force, and no change of them is seen: {whys}"
        following = Condition(type=WATCHES, status=Truth.FALSE, reason="CannotFollow", message=said)
    saturated = Condition(type=SATURATED, status=Truth.FALSE, reason="OnTime")
    if vitals.skipped or vitals.waiting:
        said = (
            f"with {vitals.at_once} checks at once, others wait or are left out: raise "
            "scheduler.maxConcurrentNetChecks or the limit of open files, or lengthen intervals"
        )
        saturated = Condition(type=SATURATED, status=Truth.TRUE, reason="ChecksWait", message=said)
    connected = Condition(type=CONNECTIVITY, status=Truth.TRUE, reason="NotBlind")
    if vitals.blind:
        found = "; ".join(found for _, found in sorted(vitals.blind.items()))
        said = f"what fails there is unknown, and nobody is blamed: {found}"
        connected = Condition(type=CONNECTIVITY, status=Truth.FALSE, reason="Blind", message=said)
    return healthy, following, saturated, connected
