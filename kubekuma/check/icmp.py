"""ICMP echo over a socket of its own: a datagram one, or a raw one where those are refused."""

import ctypes
import errno
import secrets
import socket
import struct
from typing import Final

import trio

from kubekuma.check.datagram import hear_errors
from kubekuma.check.errors import os_failure, os_reason, words
from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

# Payloads begin with a word of our own: other programs may use the same id.
TOKEN_BYTES: Final = 8
_MOST_BYTES: Final = 65536
_SO_ATTACH_FILTER: Final = 26
_ECHO: Final = {4: (8, 0), 6: (128, 129)}  # request and reply (RFC 792, RFC 4443)


class EchoSocket:
    """Sends echo requests to one address and hears the replies to them."""

    def __init__(self, sock: trio.socket.SocketType, version: int, *, raw: bool) -> None:
        self.raw = raw
        self._sock = sock
        self._version = version
        # The kernel puts its own id into the requests of datagram sockets.
        self._id = secrets.randbits(16)
        self._token = secrets.token_bytes(TOKEN_BYTES)

    async def connect(self, address: str) -> None:
        """Turn to ``address``. Raises OSError."""
        hear_errors(self._sock)
        if self.raw:
            _hear_only(self._sock, self._version, self._id)
        await self._sock.connect((address, 0))

    async def send(self, number: int, size: int) -> None:
        """Send request ``number`` with a payload of ``size`` bytes."""
        kind, _ = _ECHO[self._version]
        fill = bytes(range(256)) * (size // 256 + 1)
        payload = (self._token + fill)[:size]
        head = struct.pack(">BBHHH", kind, 0, 0, self._id, number)
        # Of IPv6, and of datagram sockets, the kernel makes the checksum.
        check = checksum(head + payload) if self._version == 4 else 0
        packet = struct.pack(">BBHHH", kind, 0, check, self._id, number) + payload
        try:
            await self._sock.send(packet)
        except OSError as error:
            raise os_failure(error, "sending") from error

    async def receive(self) -> int:
        """Wait for a reply to one of our requests; return its number."""
        _, reply = _ECHO[self._version]
        while True:
            try:
                data: bytes = await self._sock.recv(_MOST_BYTES)
            except OSError as error:
                raise os_failure(error, "receiving") from error
            if self.raw and self._version == 4:
                data = data[(data[0] & 0x0F) * 4 :]  # the IP header comes with it
            if len(data) < 8 + TOKEN_BYTES or data[0] != reply:
                continue
            ours = data[4:6] == self._id.to_bytes(2, "big") or not self.raw
            if ours and data[8 : 8 + TOKEN_BYTES] == self._token:
                return int.from_bytes(data[6:8], "big")

    def close(self) -> None:
        """Close at once."""
        self._sock.close()


async def open_echo(address: str) -> EchoSocket:
    """Open a socket to ``address``; raises CheckFailed: NoPermission if the system forbids both.

    The caller closes what it gets.
    """
    version = 6 if ":" in address else 4
    refused: OSError | None = None
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            sock = _socket(version, kind)
        except PermissionError as error:
            refused = error
            continue
        except OSError as error:
            raise os_failure(error, "opening a socket for ICMP") from error
        echo = EchoSocket(sock, version, raw=kind == socket.SOCK_RAW)
        try:
            await echo.connect(address)
        except OSError as error:
            echo.close()
            if error.errno in {errno.EACCES, errno.EPERM}:
                refused = error
                continue
            doing = f"{words(error)} while turning to {address}"
            raise CheckFailed(os_reason(error, address), doing) from error
        except BaseException:
            echo.close()
            raise
        return echo
    message = (
        "this process may not send ICMP: allow it by the sysctl net.ipv4.ping_group_range or the "
        "capability NET_RAW, or set networking.ping.mode to tcpFallback"
    )
    raise CheckFailed(Reason.NO_PERMISSION, message) from refused


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _socket(version: int, kind: int) -> trio.socket.SocketType:
    if version == 4:
        return trio.socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
    return trio.socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)


def _hear_only(sock: trio.socket.SocketType, version: int, identity: int) -> None:
    """Have the kernel drop all but the replies to us.

    A raw socket hears every ICMP packet of the machine: with many of them open, each would wake
    for the replies to all the others.
    """
    # Classic BPF: code, jump if true, jump if false, value. Of IPv4 the header comes first, whose
    # length goes to the index register.
    program = [
        *([(0xB1, 0, 0, 0), (0x48, 0, 0, 4)] if version == 4 else [(0x28, 0, 0, 4)]),
        (0x15, 0, 1, identity),
        (0x06, 0, 0, 0xFFFFFFFF),
        (0x06, 0, 0, 0),
    ]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(packed))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
