"""Certificates that do not verify, at places where that is accepted."""

import ssl
from collections import OrderedDict
from typing import Final

import attrs

MOST_KEPT: Final = 4096
# A place that mends its certificate chain shows the same certificate as before.
KEPT_SECONDS: Final = 3600.0


@attrs.frozen(kw_only=True)
class Place:
    """Whose certificate it is, and what judges it."""

    host: str
    port: int
    server_name: str
    context: ssl.SSLContext


class Misfits:
    """A bounded memory of such certificates: saves a handshake that is known to fail.

    Times are trio's.
    """

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._kept: OrderedDict[Place, tuple[bytes | None, float]] = OrderedDict()
        self._most_kept = most_kept

    def expects(self, place: Place, now: float) -> bool:
        """Whether ``place`` is likely to show a certificate that does not verify."""
        _, until = self._kept.get(place, (None, now))
        return now < until

    def knows(self, place: Place, certificate: bytes | None) -> bool:
        """Whether ``certificate`` is the one that did not verify; if not, it is forgotten."""
        known, _ = self._kept[place]
        if known == certificate:
            return True
        del self._kept[place]
        return False

    def note(self, place: Place, certificate: bytes | None, now: float) -> None:
        """Remember that ``certificate`` did not verify."""
        self._kept[place] = (certificate, now + KEPT_SECONDS)
        self._kept.move_to_end(place)
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
