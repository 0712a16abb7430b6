"""Requests about one Lease, and what their answers mean."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import httpx
import trio

from kubekuma.kube.client import LEASES, Document, KubeClient
from kubekuma.kube.credentials import Credentials
from kubekuma.kube.errors import KubeError, Refused
from kubekuma.kube.lease import Answer, Conflict, Failed, Found, Missing, Timing, parse_lease
from kubekuma.model.meta import Key

CONNECT_SECONDS = 2.0


class LeaseApi(Protocol):
    """What can be done with one Lease. Never raises: no answer is one too."""

    async def get(self, seconds: float) -> Answer:
        """Read it; within so many ``seconds``, as everything here."""

    async def create(self, document: Document, seconds: float) -> Answer:
        """Create it, unless it is there."""

    async def replace(self, document: Document, seconds: float) -> Answer:
        """Write it, if it still is the one that ``document`` was made from."""


Ask: TypeAlias = Callable[[], Awaitable[Document]]


class KubeLease:
    """One Lease of the API server, over a client of its own that nothing else can hold up."""

    def __init__(self, credentials: Credentials, key: Key, timing: Timing) -> None:
        connect = min(CONNECT_SECONDS, timing.request_seconds)
        self._client = KubeClient(
            credentials, httpx.Timeout(timing.request_seconds, connect=connect)
        )
        self._key = key

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, seconds: float) -> Answer:
        """Read it."""
        return await _answer(lambda: self._client.get(LEASES, self._key), seconds)

    async def create(self, document: Document, seconds: float) -> Answer:
        """Create it, unless it is there."""
        answer = await _answer(
            lambda: self._client.create(LEASES, self._key.namespace, document), seconds
        )
        if isinstance(answer, Missing):
            return Failed(f"there is no namespace {self._key.namespace}", is_certain=True)
        return answer

    async def replace(self, document: Document, seconds: float) -> Answer:
        """Write it, if it still is the one that ``document`` was made from."""
        return await _answer(lambda: self._client.replace(LEASES, self._key, document), seconds)


async def _answer(ask: Ask, seconds: float) -> Answer:
    # The whole exchange, not each read: an answer that trickles in is none. Its connection is
    # closed with it, and the next request takes another.
    with trio.move_on_after(seconds):
        try:
            return Found(parse_lease(await ask()))
        except Refused as error:
            if error.code == 404:
                return Missing()
            if error.code == 409:
                return Conflict()
            return Failed(str(error), error.retry_after_seconds, is_certain=error.code < 500)
        except KubeError as error:
            return Failed(str(error))
    return Failed(f"no answer within {seconds:.3g} s")
