"""A mail server with one user, alice: aiosmtpd, in a process of its own as it needs asyncio."""

import os
import ssl
import sys
from pathlib import Path
from signal import pause
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Keep:
    """Takes whatever comes, but for addresses that begin with an SMTP code; keeps it in MAILS."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name, and its arguments
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        del server, session, options
        code = address[:3]
        if code.isdigit():
            return f"{code} not for {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the same
        del server, session
        _keep(",".join(envelope.rcpt_tos), envelope.content)
        return "250 OK"


def _keep(to: str, content: bytes) -> None:
    if "MAILS" in os.environ:
        folder = Path(os.environ["MAILS"])
        name = f"{len([*folder.iterdir()]):03}"
        part = folder / f".{name}"
        part.write_bytes(to.encode() + b"\n" + content)
        part.rename(folder / name)


def _allowed(_server: Any, _session: Any, _envelope: Any, _way: str, data: Any) -> AuthResult:
    wanted = LoginPassword(b"alice", os.environ["PASSWORD"].encode())
    return AuthResult(success=data == wanted, handled=False)


def main(port: str, tls_port: str, cert: str, key: str) -> None:
    """Serve until killed, in the clear with STARTTLS and with TLS from the first byte."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    how: dict[str, Any] = {"hostname": "127.0.0.1", "authenticator": _allowed}
    clear = Controller(Keep(), port=int(port), tls_context=context, **how)
    secure = Controller(
        Keep(), port=int(tls_port), ssl_context=context, auth_require_tls=False, **how
    )
    clear.start()
    secure.start()
    pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
