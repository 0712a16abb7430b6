"""What checks of our own affairs are told of them: how members are, what senders have reported."""

from collections.abc import Callable, Sequence

import attrs

from kubekuma.check.finding import CheckFailed
from kubekuma.model.meta import Key
from kubekuma.model.result import Reason
from kubekuma.model.state import Verdict


@attrs.frozen(kw_only=True)
class Member:
    """One monitor of a group. ``verdict`` is its last one: up, degraded, down or unknown."""

    key: Key
    verdict: Verdict


def _unknown_members(_: Key) -> Sequence[Member]:
    raise CheckFailed(
        Reason.NOT_CHECKED, "how members are is known to the program that watches them, alone"
    )


@attrs.frozen(kw_only=True)
class Inside:
    """What is known at the moment. Without the program that watches, nothing is."""

    # Of the group so named, those that are not paused.
    members: Callable[[Key], Sequence[Member]] = _unknown_members
