"""Who did what to what is recorded, when, from where and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from kubekuma.model.meta import Key


@attrs.frozen(kw_only=True)
class Act:
    """That somebody does something."""

    at: datetime
    actor: str  # as people know them: a user, an API key
    source: str = ""  # an address, or a program
    reason: str = ""


@attrs.frozen(kw_only=True)
class AuditEvent:
    """What was done by an act. ``before`` and ``after``: the object as JSON has it, if it was."""

    id: int
    act: Act
    action: str
    kind: str
    key: Key
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
