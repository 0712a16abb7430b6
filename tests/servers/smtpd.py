"""A mail server with one user, alice: aiosmtpd, in a process of its own as it needs asyncio."""

import os
import ssl
import sys
from signal import pause
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Discard:
    """Takes whatever comes."""


def _allowed(_server: Any, _session: Any, _envelope: Any, _way: str, data: Any) -> AuthResult:
    wanted = LoginPassword(b"alice", os.environ["PASSWORD"].encode())
    return AuthResult(success=data == wanted, handled=False)


def main(port: str, tls_port: str, cert: str, key: str) -> None:
    """Serve until killed, in the clear with STARTTLS and with TLS from the first byte."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    how: dict[str, Any] = {"hostname": "127.0.0.1", "authenticator": _allowed}
    clear = Controller(Discard(), port=int(port), tls_context=context, **how)
    secure = Controller(
        Discard(), port=int(tls_port), ssl_context=context, auth_require_tls=False, **how
    )
    clear.start()
    secure.start()
    pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
