"""Tells one message to one provider, once, whatever its type."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import attrs
import httpx
import structlog
import trio
from attrs import evolve

from kubekuma.deliver import apprise, mail
from kubekuma.deliver.alertmanager import alertmanager
from kubekuma.deliver.choose import receipt_of, requests_of
from kubekuma.deliver.look import is_seen_to
from kubekuma.deliver.request import Secret, SecretMissing
from kubekuma.deliver.send import NotSent, Taken, new_client, send, send_to_any
from kubekuma.model.alert import Message
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.provider import (
    PRIORITIES,
    AlertmanagerConfig,
    AppriseConfig,
    ProviderSpec,
    SmtpConfig,
)

_log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Teller:
    """What all messages go through: one HTTP client, and threads for libraries that block."""

    now: Callable[[], datetime]
    http: httpx.AsyncClient = attrs.field(factory=new_client, init=False)
    _mailers: trio.CapacityLimiter = attrs.field(
        factory=partial(trio.CapacityLimiter, mail.THREADS), init=False
    )
    _apprisers: trio.CapacityLimiter = attrs.field(
        factory=partial(trio.CapacityLimiter, apprise.THREADS), init=False
    )

    async def tell(
        self, spec: ProviderSpec, message: Message, secret: Secret, answers: str | None = None
    ) -> Taken:
        """Send ``message``, and return what was answered. Raises NotSent.

        ``answers``: the receipt of an earlier message of the same outage.
        """
        message = _with_priority(spec, message)
        used: list[str] = []

        def noted(ref: SecretKeyRef) -> str:
            used.append(secret(ref))
            return used[-1]

        try:
            match spec.config_in_use:
                case SmtpConfig() as config:
                    return await mail.send_mail(config, message, secret, self.now(), self._mailers)
                case AppriseConfig() as config:
                    return await apprise.send_by_apprise(config, message, secret, self._apprisers)
                case AlertmanagerConfig() if is_seen_to(message):
                    return Taken(said="Alertmanager has no word for that")
                case AlertmanagerConfig() as config:
                    requests = alertmanager(config, [message], secret, self.now())
                    return await send_to_any(requests, self.http)
                case _:
                    requests = requests_of(spec, message, noted, answers)
        except SecretMissing as error:
            raise NotSent(said=str(error)) from error
        first, *more = (attrs.evolve(each, secrets=tuple(used)) for each in requests)
        taken = await send(first, self.http)
        for request in more:
            try:
                await send(request, self.http)
            except NotSent as error:
                if not request.optional:
                    raise
                _log.info("earlier message not amended", error=error.said)
        return attrs.evolve(taken, receipt=receipt_of(spec, taken.answer))

    async def aclose(self) -> None:
        """Close what is open; nothing is sent any more."""
        with trio.move_on_after(1, shield=True):
            await self.http.aclose()


def _with_priority(spec: ProviderSpec, message: Message) -> Message:
    word = getattr(spec.priority_map, message.severity.value)
    # What the service does not know would only be refused.
    return evolve(message, priority=word) if word in PRIORITIES.get(spec.type, ()) else message
