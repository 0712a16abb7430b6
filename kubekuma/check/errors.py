"""From the errors of the system and of TLS to reasons: one map for all checkers."""

import errno
import os
import socket
import ssl
from typing import Final

from kubekuma.check.finding import CheckFailed
from kubekuma.model.result import Reason

OS_REASONS: Final = {
    # Ours
    errno.EMFILE: Reason.NO_DESCRIPTORS,
    errno.ENFILE: Reason.NO_DESCRIPTORS,
    errno.ENOMEM: Reason.NO_MEMORY,
    errno.ENOBUFS: Reason.NO_MEMORY,
    errno.ENETDOWN: Reason.NO_ROUTE,
    errno.EADDRNOTAVAIL: Reason.NO_ROUTE,  # no address, or no free port, to connect from
    errno.EAFNOSUPPORT: Reason.NO_ROUTE,  # a kernel without IPv6
    errno.EPERM: Reason.NO_ROUTE,  # a firewall on this machine
    errno.EACCES: Reason.NO_ROUTE,  # the same, or a route that says "prohibit"
    # The target's, or the network's before it
    errno.ECONNREFUSED: Reason.CONNECTION_REFUSED,
    errno.ECONNRESET: Reason.CONNECTION_RESET,
    errno.ECONNABORTED: Reason.CONNECTION_RESET,
    errno.ENOTCONN: Reason.CONNECTION_RESET,  # as soon as it was made
    errno.EPIPE: Reason.CONNECTION_RESET,
    errno.EHOSTUNREACH: Reason.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Reason.HOST_UNREACHABLE,
    errno.ENETUNREACH: Reason.HOST_UNREACHABLE,  # unless we have no route at all
    errno.ETIMEDOUT: Reason.TIMEOUT,
}

# OpenSSL's X509_V_ERR_…
_CERT_HAS_EXPIRED: Final = 10
_HOSTNAME_MISMATCH: Final = 62
_IP_ADDRESS_MISMATCH: Final = 64


def os_reason(error: OSError, address: str | None = None) -> Reason:
    """The reason for ``error``; ``address`` is the one that was being connected to."""
    if error.errno == errno.ENETUNREACH and address and not has_route(address):
        return Reason.NO_ROUTE
    return OS_REASONS.get(error.errno or 0, Reason.CONNECTION_FAILED)


def os_failure(error: OSError, doing: str) -> CheckFailed:
    """``error`` as the end of a check that was ``doing`` something."""
    return CheckFailed(os_reason(error), f"{words(error)} while {doing}")


def words(error: OSError) -> str:
    """What the system says of ``error``, without the addresses that some callers add."""
    return os.strerror(error.errno) if error.errno else type(error).__name__


def has_route(address: str) -> bool:
    """Whether this machine knows a way to ``address``. Sends nothing.

    ENETUNREACH alone does not tell: a router far away can cause it too.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
    except OSError:
        return False
    return True


def verify_reason(error: ssl.SSLCertVerificationError) -> Reason:
    """Why a certificate does not verify."""
    match error.verify_code:
        case code if code == _CERT_HAS_EXPIRED:
            return Reason.TLS_EXPIRED
        case code if code in {_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH}:
            return Reason.TLS_HOSTNAME
        case _:
            return Reason.TLS_UNTRUSTED


def tls_failure(error: ssl.SSLError, doing: str) -> CheckFailed:
    """A TLS error that is not about the certificate, as the end of a check."""
    said = (error.reason or type(error).__name__).replace("_", " ").lower()
    return CheckFailed(Reason.TLS_FAILED, f"TLS failed ({said}) while {doing}")
