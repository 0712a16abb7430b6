import errno
import ssl

import pytest

from kubekuma.check.errors import OS_REASONS, has_route, os_failure, os_reason, verify_reason
from kubekuma.model.result import Reason


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EMFILE, Reason.NO_DESCRIPTORS),
        (errno.ENFILE, Reason.NO_DESCRIPTORS),
        (errno.ENOBUFS, Reason.NO_MEMORY),
        (errno.ENETDOWN, Reason.NO_ROUTE),
        (errno.ECONNREFUSED, Reason.CONNECTION_REFUSED),
        (errno.ECONNRESET, Reason.CONNECTION_RESET),
        (errno.EHOSTUNREACH, Reason.HOST_UNREACHABLE),
        (errno.ETIMEDOUT, Reason.TIMEOUT),
        (errno.EIO, Reason.CONNECTION_FAILED),
    ],
)
def test_what_errors_of_the_system_mean(number: int, reason: Reason) -> None:
    assert os_reason(OSError(number, "")) is reason


def test_an_unreachable_network_is_the_targets_while_we_have_a_route() -> None:
    error = OSError(errno.ENETUNREACH, "")
    assert has_route("127.0.0.1")
    assert os_reason(error, "127.0.0.1") is Reason.HOST_UNREACHABLE


def test_a_failure_says_what_was_being_done() -> None:
    finding = os_failure(OSError(errno.EPIPE, "x"), "sending").finding
    assert finding.message == "Broken pipe while sending"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (10, Reason.TLS_EXPIRED),
        (62, Reason.TLS_HOSTNAME),
        (64, Reason.TLS_HOSTNAME),
        (9, Reason.TLS_UNTRUSTED),
        (18, Reason.TLS_UNTRUSTED),
        (20, Reason.TLS_UNTRUSTED),
    ],
)
def test_what_is_wrong_with_a_certificate(code: int, reason: Reason) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert verify_reason(error) is reason


def test_only_our_own_lacks_are_called_ours() -> None:
    ours = {number for number, reason in OS_REASONS.items() if reason.ours}
    assert errno.EMFILE in ours
    assert not ours & {errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ETIMEDOUT}
