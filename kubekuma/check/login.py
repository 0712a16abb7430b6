"""Where services are, and who we are there."""

import attrs

from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, tls_of
from kubekuma.kit.url import parse_host
from kubekuma.model.target import Credentials, IpFamily, ServiceTarget


@attrs.frozen
class Login:
    """A user name and a password; either may be empty, both are if nobody is to be logged in."""

    user: str = ""
    password: str = attrs.field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.user or self.password)


async def login_of(credentials: Credentials | None, check: Check) -> Login:
    """Fetch what ``credentials`` refer to. Line ends at the end of a Secret are no part of it."""
    if credentials is None:
        return Login()
    user = password = b""
    if credentials.username_secret_ref is not None:
        # Not a secret by itself: it may be shown.
        user = await check.value(credentials.username_secret_ref)
    if credentials.password_secret_ref is not None:
        password = await check.secret(credentials.password_secret_ref)
    return Login(_text(user), _text(password))


def destination(target: ServiceTarget, port: int, tls_port: int | None = None) -> Destination:
    """Where ``target`` is; its own ports are for whoever names none."""
    default = tls_port if target.tls.enabled and tls_port is not None else port
    return Destination(
        host=parse_host(target.host),
        port=target.port or default,
        ip_family=IpFamily.AUTO,
        tls=tls_of(target.tls),
        start_tls=target.tls.start_tls,
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").rstrip("\r\n")
