"""OAuth 2 tokens that are kept until they expire."""

from collections import OrderedDict
from typing import Final

import attrs

MOST_KEPT: Final = 1024
# A token that ends while the request is on its way is of no use.
MARGIN_SECONDS: Final = 10.0
# Where the server does not say how long it lasts.
DEFAULT_SECONDS: Final = 300.0


@attrs.frozen
class Grant:
    """Whose token it is, and what for: a digest of everything that it was asked for with."""

    digest: str


class Tokens:
    """A bounded memory of tokens. Times are trio's."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._kept: OrderedDict[Grant, tuple[str, float]] = OrderedDict()
        self._most_kept = most_kept

    def get(self, grant: Grant, now: float) -> str | None:
        """The token, if it lasts."""
        token, until = self._kept.get(grant, ("", now))
        return token if now < until else None

    def keep(self, grant: Grant, token: str, now: float, seconds: float | None) -> None:
        """Remember a token for as long as it lasts."""
        lasts = (DEFAULT_SECONDS if seconds is None else seconds) - MARGIN_SECONDS
        self._kept[grant] = (token, now + lasts)
        self._kept.move_to_end(grant)
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)

    def drop(self, grant: Grant) -> None:
        """Forget a token that was refused."""
        self._kept.pop(grant, None)
