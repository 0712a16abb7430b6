"""What becomes of an object, and how that is said. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import attrs

from kubekuma.model.meta import Condition, ObjectMeta, Truth
from kubekuma.model.reach import Selects
from kubekuma.validate.rule import FieldError


class Said(NamedTuple):
    """One condition, but for its type: whether, why in one word, and why for people."""

    status: Truth
    reason: str
    message: str = ""


NOT_ATTEMPTED: Final = Said(Truth.UNKNOWN, "InvalidSpec", "an invalid spec is not attempted")


@attrs.frozen(kw_only=True)
class Outcome:
    """What becomes of a resource that is right by itself.

    ``forbidden`` says why it is not right beside the others, or where it is.
    ``status`` is an instance of the kind's status class, without conditions.
    """

    reconciled: Said
    forbidden: Said | None = None
    status: Any = None
    more: Sequence[tuple[str, Said]] = ()  # conditions besides
    holds: Selects | None = None  # of a window or silence: the monitors over which it lies now
    # Over each of them only until it is up again, of those that have been down since then.
    until_up: datetime | None = None
    again_seconds: float | None = None  # when time alone will have changed the outcome


def refused(reason: str, message: str) -> Said:
    """Tell that a resource must not be as it is, where it is."""
    return Said(Truth.FALSE, reason, message)


def invalid(errors: Sequence[FieldError]) -> Said | None:
    """All that is wrong with a spec; None if nothing is."""
    return refused("InvalidSpec", "; ".join(map(str, errors))) if errors else None


def goes_on(former: ObjectMeta) -> Said:
    """Tell that the last valid form of a resource is still in force."""
    said = f"generation {former.generation} goes on, the last that was valid"
    return refused("RunningGeneration", said)


def secrets_missing(names: Iterable[str]) -> Said:
    """Tell which Secrets a resource refers to that are not there."""
    listed = ", ".join(sorted(names))
    said = f"there is no {listed} in this namespace, or KubeKuma has no right to read it"
    return refused("SecretMissing", said)


def conditions(generation: int, wrong: Said | None, reconciled: Said) -> tuple[Condition, ...]:
    """Valid (the spec is right), Reconciled (the program follows it) and Ready (both)."""
    valid = wrong or Said(Truth.TRUE, "Valid")
    ready = wrong or reconciled
    if reconciled.status is not Truth.TRUE:
        ready = Said(Truth.FALSE, ready.reason, ready.message)
    return tuple(
        condition(type_, said, generation)
        for type_, said in (("Valid", valid), ("Reconciled", reconciled), ("Ready", ready))
    )


def condition(type_: str, said: Said, generation: int) -> Condition:
    """``said`` as the condition ``type_`` of an object of that generation."""
    return Condition(
        type=type_,
        status=said.status,
        reason=said.reason,
        message=said.message,
        observed_generation=generation,
    )
