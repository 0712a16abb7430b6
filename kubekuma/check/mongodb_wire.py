"""Commands and answers of MongoDB's wire protocol (OP_MSG), over a wire.

Documents are read and written by the bson that comes with pymongo, which is an extra: whoever
makes a ``MongoWire`` has loaded it.
"""

import struct
from collections.abc import Mapping
from importlib import import_module
from itertools import count
from typing import Any, Final

from kubekuma.check.finding import CheckFailed
from kubekuma.check.reader import Reader
from kubekuma.check.wire import Wire
from kubekuma.model.result import Reason

MOST_BYTES: Final = 1024 * 1024

_OP_MSG: Final = 2013
_HEAD: Final = struct.Struct("<iiii")
# Flags, and the kind of the one section.
_BODY_HEAD: Final = struct.Struct("<IB")
_CHECKSUM: Final = 1
# Unauthorized, AuthenticationFailed.
_NOT_LET_IN: Final = frozenset({13, 18})
# What documents of strangers can raise: too deep, of unknown types, with impossible dates.
_UNREADABLE: Final = (ValueError, TypeError, OverflowError, RecursionError)


class MongoWire:
    """A connection to a server. What the server reports as an error is raised."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = Reader(wire, most=MOST_BYTES)
        self._numbers = count(1)
        self._bson = import_module("bson")
        self._json = import_module("bson.json_util")
        self._options = self._bson.CodecOptions(
            unicode_decode_error_handler="replace",
            datetime_conversion=import_module("bson.datetime_ms").DatetimeConversion.DATETIME_AUTO,
        )

    async def ask(self, database: str, command: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give ``command``, whose first key is its name, and return a good answer."""
        number = next(self._numbers)
        # Secondaries answer too.
        preference = {"mode": "primaryPreferred"}
        document = {**command, "$db": database, "$readPreference": preference}
        try:
            body = _BODY_HEAD.pack(0, 0) + self._bson.encode(document)
        except (self._bson.errors.BSONError, *_UNREADABLE) as error:
            raise CheckFailed(Reason.COMMAND_FAILED, "the command cannot be sent") from error
        await self._wire.send(_HEAD.pack(_HEAD.size + len(body), number, 0, _OP_MSG) + body)
        answer = self._decoded(await self._receive(number))
        if not answer.get("ok"):
            raise _failure(answer)
        return answer

    def json(self, document: Mapping[str, Any]) -> str:
        """``document`` as relaxed Extended JSON."""
        try:
            relaxed = self._json.RELAXED_JSON_OPTIONS
            text = self._json.dumps(document, json_options=relaxed, ensure_ascii=False)
        except _UNREADABLE as error:
            raise no_mongodb() from error
        return str(text)

    async def _receive(self, number: int) -> bytes:
        size, _, to, kind = _HEAD.unpack(await self._reader.exactly(_HEAD.size))
        if kind != _OP_MSG or to != number or size < _HEAD.size + _BODY_HEAD.size:
            raise no_mongodb()
        body = await self._reader.exactly(size - _HEAD.size)
        flags, section = _BODY_HEAD.unpack_from(body)
        if section:
            raise no_mongodb()
        return body[_BODY_HEAD.size : -4 if flags & _CHECKSUM else None]

    def _decoded(self, body: bytes) -> Mapping[str, Any]:
        try:
            document: Mapping[str, Any] = self._bson.decode(body, self._options)
        except (self._bson.errors.BSONError, *_UNREADABLE) as error:
            raise no_mongodb() from error
        return document


def no_mongodb() -> CheckFailed:
    """Say that the server does not speak the protocol."""
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not MongoDB's")


def _failure(answer: Mapping[str, Any]) -> CheckFailed:
    said = str(answer.get("errmsg", "nothing more"))[:200]
    name = str(answer.get("codeName", answer.get("code", "no code")))[:80]
    denied = answer.get("code") in _NOT_LET_IN
    reason = Reason.AUTH_FAILED if denied else Reason.COMMAND_FAILED
    return CheckFailed(reason, f"the server says {said} ({name})")
