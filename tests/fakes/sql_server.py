"""A peer that speaks TDS 7.4 as SQL Server does ([MS-TDS]), as far as a query needs it."""

import ssl
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import attrs
import trio

SQL_BATCH, REPLY, LOGIN, TRANSACTION, PRELOGIN = 1, 4, 16, 14, 18
OFF, ON, NOT_SUPPORTED, REQUIRED = 0, 1, 2, 3
BLOCK: Final = 4096

# What a query gives: rows, bytes as they are, or None for silence.
Answer: TypeAlias = Sequence[Sequence[object]] | bytes | None


# Tokens ------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    """A text and its length in a byte."""
    return bytes([len(value)]) + value.encode("utf-16-le")


def token(kind: int, body: bytes) -> bytes:
    """A token with its length."""
    return struct.pack("<BH", kind, len(body)) + body


def done(*, failed: bool = False) -> bytes:
    """The end of an answer."""
    return struct.pack("<BHHQ", 0xFD, 2 if failed else 0, 0, 0)


def error(*found: tuple[int, str]) -> bytes:
    """What is wrong: numbers and words."""
    return b"".join(
        token(
            0xAA,
            struct.pack("<iBBH", number, 1, 16, len(words))
            + words.encode("utf-16-le")
            + text("fake")
            + text("")
            + struct.pack("<I", 1),
        )
        for number, words in found
    ) + done(failed=True)


def let_in(database: str) -> bytes:
    """The answer to a good login."""
    moved = token(0xE3, b"\x01" + text(database) + text("master"))
    acknowledged = b"\x01" + struct.pack(">I", 0x74000004) + text("Fake SQL Server") + bytes(4)
    return moved + token(0xAD, acknowledged) + done()


def elsewhere(server: str, port: int) -> bytes:
    """The answer that sends a client to another server."""
    place = struct.pack("<BHH", 0, port, len(server)) + server.encode("utf-16-le")
    moved = token(0xE3, b"\x14" + struct.pack("<H", len(place)) + place + bytes(2))
    return let_in("master")[: -len(done())] + moved + done()


def rows(found: Sequence[Sequence[object]]) -> bytes:
    """A table of numbers, texts, bits and bytes."""
    columns = found[0] if found else ["none"]
    head = struct.pack("<BH", 0x81, len(columns))
    for each in columns:
        match each:
            case bool():
                kind = b"\x68\x01"
            case int():
                kind = b"\x26\x04"
            case bytes():
                kind = b"\xa5" + struct.pack("<H", 8000)
            case _:
                kind = b"\xe7" + struct.pack("<H", 8000) + b"\x09\x04\xd0\x00\x34"
        head += bytes(6) + kind + text("c")
    return head + b"".join(b"\xd1" + b"".join(map(_value, row)) for row in found) + done()


def _value(value: object) -> bytes:
    match value:
        case None:
            return b"\xff\xff"
        case bool():
            return b"\x01" + bytes([value])
        case int():
            return b"\x04" + struct.pack("<i", value)
        case bytes():
            return struct.pack("<H", len(value)) + value
        case _:
            encoded = str(value).encode("utf-16-le")
            return struct.pack("<H", len(encoded)) + encoded


# The server --------------------------------------------------------------------------------------


@attrs.define
class SqlServer:
    """What it lets in and knows; ``heard`` are the queries, ``logins`` who came."""

    answers: Mapping[str, Answer]
    tls: ssl.SSLContext | None = None
    encryption: int = ON  # what it says if it has TLS and the client wants it
    demands_tls: bool = False
    login: bytes | None = None  # the answer to every login
    port: int = 0
    heard: list[str] = attrs.field(factory=list)
    logins: list[Mapping[str, str]] = attrs.field(factory=list)
    closed: trio.Event = attrs.field(factory=trio.Event)

    async def start(self, nursery: trio.Nursery) -> "SqlServer":
        """Listen on a free port of loopback."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        if self.tls is not None:
            # All that there is below TDS 8.
            self.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        nursery.start_soon(partial(trio.serve_listeners, self._serve, [listener]))
        return self

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await self._converse(_Packets(stream))
        except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
            self.closed.set()

    async def _converse(self, client: "_Packets") -> NoReturn:
        _, body = await client.receive()
        wanted = _option(body, 1)
        encryption = self.encryption if self.tls and wanted != NOT_SUPPORTED else NOT_SUPPORTED
        if self.demands_tls:
            encryption = REQUIRED
        await client.send(_prelogin(encryption))
        if encryption in {ON, REQUIRED} and self.tls and wanted != NOT_SUPPORTED:
            await client.turn_to_tls(self.tls)
        database = ""
        while True:
            kind, body = await client.receive()
            match kind:
                case n if n == LOGIN:
                    who = _login(body)
                    self.logins.append(who)
                    database = who["database"] or "master"
                    await client.send(self._admit(who, database))
                case n if n == TRANSACTION:
                    begun = token(0xE3, b"\x08\x08" + b"\x01" * 8 + b"\x00")
                    await client.send(begun + done())
                case n if n == SQL_BATCH:
                    headers = int.from_bytes(body[:4], "little")
                    await self._answer(body[headers:].decode("utf-16-le"), client)
                case _:
                    raise EOFError

    def _admit(self, who: Mapping[str, str], database: str) -> bytes:
        if self.login is not None:
            return self.login
        failed = (18456, f"Login failed for user '{who['user']}'.")
        if who["password"] != "s3cret":
            return error(failed)
        if database == "none":
            return error((4060, 'Cannot open database "none" requested by the login.'), failed)
        return let_in(database)

    async def _answer(self, query: str, client: "_Packets") -> None:
        self.heard.append(query)
        answer = self.answers[query]
        if answer is None:
            await client.receive()  # until the client hangs up
        elif isinstance(answer, bytes):
            await client.send(answer)
        else:
            await client.send(rows(answer))


def _prelogin(encryption: int) -> bytes:
    head = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
    return head + b"\x10\x00\x03\xe8\x00\x00" + bytes([encryption])


def _option(body: bytes, wanted: int) -> int:
    for at in range(0, len(body), 5):
        if body[at] == wanted:
            return body[int.from_bytes(body[at + 1 : at + 3], "big")]
    raise AssertionError(body)


def _login(body: bytes) -> Mapping[str, str]:
    def field(at: int) -> bytes:
        offset, characters = struct.unpack_from("<HH", body, at)
        return body[offset : offset + 2 * characters]

    hidden = bytes(byte ^ 0xA5 for byte in field(44))
    password = bytes(byte >> 4 | (byte & 15) << 4 for byte in hidden)
    fields: dict[str, Any] = {"user": field(40), "password": password, "database": field(68)}
    fields |= {"application": field(48), "server": field(52)}
    return {name: value.decode("utf-16-le") for name, value in fields.items()}


class _Packets:
    """Packets of TDS, in the clear or through TLS whose handshake is in packets itself."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._tls: tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO] | None = None

    async def receive(self) -> tuple[int, bytes]:
        body = b""
        while True:
            kind, status, size, *_ = struct.unpack(">BBHHBB", await self._exactly(8))
            body += await self._exactly(size - 8)
            if status & 1:
                return kind, body

    async def send(self, body: bytes) -> None:
        parts = [body[at : at + BLOCK - 8] for at in range(0, len(body), BLOCK - 8)]
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            head = struct.pack(">BBHHBB", REPLY, last, 8 + len(part), 0, number % 256, 0)
            await self._write(head + part)

    async def turn_to_tls(self, context: ssl.SSLContext) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                ready = False
            except ssl.SSLError as error:
                raise EOFError from error
            else:
                ready = True
            if outgoing.pending:
                part = outgoing.read()
                await self._write(
                    struct.pack(">BBHHBB", PRELOGIN, 1, 8 + len(part), 0, 1, 0) + part
                )
            if ready:
                break
            kind, body = await self.receive()
            assert kind == PRELOGIN
            incoming.write(body)
        self._tls = tls, incoming, outgoing

    async def _write(self, data: bytes) -> None:
        if self._tls is not None:
            tls, _, outgoing = self._tls
            tls.write(data)
            data = outgoing.read()
        await self._stream.send_all(data)

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = await self._stream.receive_some()
            if not data:
                raise EOFError
            self._buffer += self._decrypted(data)
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _decrypted(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        tls, incoming, _ = self._tls
        incoming.write(data)
        clear = b""
        try:
            while part := tls.read(65536):
                clear += part
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise EOFError from error
        return clear
