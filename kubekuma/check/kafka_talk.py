"""One connection to a Kafka broker: requests, and logging in by SASL (KIP-152)."""

from collections.abc import Sequence
from typing import Final

from kubekuma.check import kafka_wire as kafka
from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.login import Login
from kubekuma.check.reader import Reader
from kubekuma.check.scram import prove
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason
from kubekuma.model.target import SaslMechanism

MOST_BYTES: Final = 4 * 1024 * 1024
_GONE: Final = frozenset({Reason.CONNECTION_CLOSED, Reason.CONNECTION_RESET})


class Broker:
    """One connection."""

    def __init__(self, wire: Wire, check: Check) -> None:
        self._wire = wire
        self._check = check
        self._reader = Reader(wire, most=MOST_BYTES)
        self._number = 0

    async def ask(self, kind: int, *fields: bytes) -> kafka.Fields:
        """Send a request, and read the answer to it."""
        self._number += 1
        await self._wire.send(kafka.request(kind, self._number, *fields))
        size = int.from_bytes(await self._reader.exactly(4), "big")
        answer = kafka.Fields(await self._reader.exactly(size))
        if answer.int32() != self._number:
            raise kafka.not_kafka()
        return answer

    async def know(self, *kinds: int) -> None:
        """See to it that the broker takes ``kinds`` of request in our version."""
        ranges = kafka.parse_api_versions(await self.ask(kafka.API_VERSIONS))
        for kind in kinds:
            low, high = ranges.get(kind, (0, -1))
            if not low <= kafka.VERSIONS[kind] <= high:
                wanted = f"version {kafka.VERSIONS[kind]} of {kafka.NAMES[kind]}"
                raise CheckFailed(Reason.PROTOCOL_ERROR, f"the broker does not know {wanted}")

    async def propose(self, mechanism: SaslMechanism) -> Sequence[str] | None:
        """Propose a way to log in; return what the broker offers if it does not take that.

        After that it hangs up.
        """
        answer = await self.ask(kafka.HANDSHAKE, kafka.text(mechanism))
        error, offered = answer.int16(), answer.array(answer.text)
        if error == kafka.UNSUPPORTED_MECHANISM:
            return offered
        if error == kafka.ILLEGAL_SASL_STATE:
            raise CheckFailed(Reason.AUTH_FAILED, "the broker lets nobody log in at this port")
        if error:
            raise CheckFailed(Reason.AUTH_FAILED, f"the broker says {kafka.named(error)}")
        return None

    async def log_in(self, mechanism: SaslMechanism, login: Login) -> None:
        """Log in as ``login`` by what was proposed."""
        try:
            match mechanism:
                case SaslMechanism.PLAIN:
                    await self._authenticate(f"\0{login.user}\0{login.password}".encode())
                case SaslMechanism.SCRAM_SHA_256:
                    await prove("sha256", login, self._authenticate, self._check)
                case SaslMechanism.SCRAM_SHA_512:
                    await prove("sha512", login, self._authenticate, self._check)
        except CheckFailed as failed:
            if failed.finding.reason not in _GONE:
                raise
            message = f"the broker hung up when we logged in by {mechanism}"
            raise CheckFailed(Reason.AUTH_FAILED, message) from failed

    async def _authenticate(self, said: bytes) -> bytes:
        answer = await self.ask(kafka.AUTHENTICATE, kafka.data(said))
        error, message, data = answer.int16(), answer.text(), answer.data()
        if error:
            why = message[:200] or kafka.named(error)
            raise CheckFailed(Reason.AUTH_FAILED, f"the broker says {why}")
        return data
