"""The Silence: muting for a while, without a plan."""

from datetime import datetime

import attrs

from kubekuma.model.field import Rule, says
from kubekuma.model.match import Match
from kubekuma.model.meta import ObjectMeta, ResourceStatus


@attrs.frozen(kw_only=True)
class SilenceSpec:
    """What a person wants to hear nothing of."""

    __rules__ = (
        Rule(
            cel="!has(self.startsAt) || self.startsAt < self.expiresAt",
            holds=lambda it: it.starts_at is None or it.starts_at < it.expires_at,
            message="must be later than startsAt",
            field_path="expiresAt",
        ),
    )

    match: Match = says("Which monitors; {} is every one in reach.")
    expires_at: datetime = says("When it ends.")
    starts_at: datetime | None = says("When it begins; default: now.", default=None)
    end_when_up: bool = says(
        "Whether it ends for a monitor as soon as that one is up again.", default=False
    )
    reason: str | None = says("Why, for people.", default=None, max_length=1024)
    created_by: str | None = says("Who, for people.", default=None, max_length=256)


@attrs.frozen(kw_only=True)
class Silence:
    """A valid Silence."""

    meta: ObjectMeta
    spec: SilenceSpec


@attrs.frozen(kw_only=True)
class SilenceStatus(ResourceStatus):
    """What we say of a silence."""

    is_active: bool | None = says("Whether it holds now.", default=None)
    expires_in: str | None = says(
        "How long it still holds, in its largest unit, such as 3d or 5h.",
        default=None,
        max_length=16,
    )
    affected_count: int | None = says("How many monitors it selects.", default=None, low=0)
