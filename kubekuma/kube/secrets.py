"""Values of Secrets, by reference. They are cached for a while and never logged."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import structlog
import trio

from kubekuma.kube.client import SECRETS, Document, KubeClient
from kubekuma.kube.errors import KubeError, Refused
from kubekuma.model.meta import Key, SecretKeyRef

_log = structlog.get_logger(__name__)

KEPT_SECONDS: Final = 300.0
# A Secret that is not there may be made at any moment.
MISSED_SECONDS: Final = 10.0

Values: TypeAlias = Mapping[str, bytes]
GetSecret: TypeAlias = Callable[[Key], Awaitable[Values | None]]


class SecretCache:
    """Secrets as they were read last; one request serves all who ask at once."""

    def __init__(self, get: GetSecret) -> None:
        self._get = get
        self._found: dict[Key, tuple[float, Values | None]] = {}
        self._asking: dict[Key, trio.Lock] = {}

    async def value(self, namespace: str, ref: SecretKeyRef) -> bytes | None:
        """The value of ``ref`` in ``namespace``; None: there is no such Secret, or no such key."""
        key = Key(namespace, ref.name)
        async with self._asking.setdefault(key, trio.Lock()):
            expires_at, values = self._found.get(key, (0.0, None))
            if trio.current_time() >= expires_at:
                values = await self._read(key, values)
        return None if values is None else values.get(ref.key)

    async def _read(self, key: Key, before: Values | None) -> Values | None:
        try:
            values = await self._get(key)
        except KubeError as error:
            # The API server is away: what was known a moment ago is most likely still right.
            _log.warning(
                "a Secret cannot be read", namespace=key.namespace, name=key.name, error=str(error)
            )
            values, kept = before, MISSED_SECONDS
        else:
            kept = MISSED_SECONDS if values is None else KEPT_SECONDS
        self._found[key] = (trio.current_time() + kept, values)
        return values


async def read_secret(client: KubeClient, key: Key) -> Values | None:
    """The decoded data of one Secret; None if it is not there, or is not for us to read."""
    try:
        document = await client.get(SECRETS, key)
    except Refused as error:
        if error.code in {403, 404}:
            return None
        raise
    return _decoded(document)


def _decoded(document: Document) -> Values:
    values: dict[str, bytes] = {}
    for name, text in (document.get("data") or {}).items():
        try:
            values[name] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
    return values
