"""Logs in to MongoDB: by SCRAM-SHA-256 or SCRAM-SHA-1, as a user of the database ``admin``."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from kubekuma.check.context import Check
from kubekuma.check.login import Login
from kubekuma.check.mongodb_wire import MongoWire, no_mongodb
from kubekuma.check.scram import Hash, prepared, prove

DATABASE: Final = "admin"


async def log_in(server: MongoWire, login: Login, check: Check) -> None:
    """Greet the server, and log in if there is somebody to log in."""
    hello: Mapping[str, Any] = {"hello": 1}
    if not login:
        await server.ask(DATABASE, hello)
        return
    asked = {**hello, "saslSupportedMechs": f"{DATABASE}.{login.user}"}
    ways = (await server.ask(DATABASE, asked)).get("saslSupportedMechs")
    # Of users that it does not know the server says nothing.
    old = isinstance(ways, list) and "SCRAM-SHA-256" not in ways
    kind: Hash = "sha1" if old else "sha256"
    mechanism = "SCRAM-SHA-1" if old else "SCRAM-SHA-256"
    session = _Conversation(server, mechanism)
    await prove(kind, Login(login.user, _password(login, kind)), session.say, check)
    await session.finish()


class _Conversation:
    def __init__(self, server: MongoWire, mechanism: str) -> None:
        self._server = server
        self._mechanism = mechanism
        self._answer: Mapping[str, Any] = {}

    async def say(self, payload: bytes) -> bytes:
        if not self._answer:
            start = {"saslStart": 1, "mechanism": self._mechanism, "payload": payload}
            options = {"skipEmptyExchange": True}
            self._answer = await self._server.ask(DATABASE, {**start, "options": options})
        else:
            number = self._answer.get("conversationId")
            more = {"saslContinue": 1, "conversationId": number, "payload": payload}
            self._answer = await self._server.ask(DATABASE, more)
        said = self._answer.get("payload")
        if not isinstance(said, bytes):
            raise no_mongodb()
        return said

    async def finish(self) -> None:
        # Some want to hear that we are content.
        if not self._answer.get("done"):
            await self.say(b"")


def _password(login: Login, kind: Hash) -> str:
    if kind == "sha256":
        return prepared(login.password)
    # The protocol's choice, not ours.
    plain = f"{login.user}:mongo:{login.password}".encode()
    return hashlib.md5(plain, usedforsecurity=False).hexdigest()
