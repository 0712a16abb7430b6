"""Links in messages by which whoever gets one can say that somebody sees to the outage."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import attrs
import trio

from kubekuma.kit.signed import signed, verified
from kubekuma.model.audit import Act
from kubekuma.parts import Parts, now
from kubekuma.record.database import StoreError
from kubekuma.record.incidents import Incident, acknowledge, incident
from kubekuma.record.signing import signing_key
from kubekuma.record.store import Store
from kubekuma.validate.rule import Refused

PATH: Final = "/acknowledge"
AGAIN_SECONDS: Final = 5.0
_KEY_BYTES: Final = 32


@attrs.define(eq=False)
class Acknowledging:
    """Makes such links while we lead, and does what they say.

    ``changed`` is told of each outage that somebody sees to now.
    """

    parts: Parts
    store: Store
    changed: Callable[[str], None]
    _key: str = attrs.field(default="", init=False)

    async def run(self) -> None:
        """Have the key that links are signed with; a database that is away is waited for."""
        while not self._key:
            fresh = secrets.token_urlsafe(_KEY_BYTES)
            try:
                self._key = await self.store.write_durably(signing_key, "acknowledge", fresh)
            except StoreError:
                await trio.sleep(AGAIN_SECONDS)

    def url(self, outage: str) -> str:
        """The link for an outage; empty: nobody has said where we can be reached."""
        base = self.parts.config.external_url.rstrip("/")
        return f"{base}{PATH}/{signed(outage, self._key)}" if base and self._key else ""

    async def find(self, token: str) -> Incident | None:
        """The outage that a link is about; None: the link is none of ours, or it is forgotten."""
        id_ = verified(token, self._key) if self._key else None
        return None if id_ is None else await self.store.read(incident, id_)

    async def acknowledge(
        self, found: Incident, by: str, note: str, length: timedelta | None, source: str
    ) -> Incident | Refused | None:
        """Note that ``by`` sees to it, for so long; None: until it is over."""
        at = now()
        act = Act(at=at, actor=by, source=source)
        until = None if length is None else at + length
        done = await self.store.write_durably(acknowledge, found.id, act, note, until)
        if isinstance(done, Incident):
            self.changed(found.id)
        return done
