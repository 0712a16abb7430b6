"""What one check found."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs


class Outcome(StrEnum):
    """What a check says of its target."""

    PASSED = "passed"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"  # we could not look: never the target's fault


class Reason(StrEnum):
    """Why a check ended as it did: the same word in status, history, metrics, API and UI."""

    PASSED = "Passed"
    # Degraded
    SLOW = "Slow"
    EXPECTATION_DEGRADED = "ExpectationDegraded"
    MEMBERS_DEGRADED = "MembersDegraded"
    SET_DEGRADED = "SetDegraded"  # by a person
    # The target's
    TIMEOUT = "Timeout"
    DNS_NXDOMAIN = "DnsNxdomain"
    DNS_FAILURE = "DnsFailure"
    DNS_SERVFAIL = "DnsServfail"
    DNS_REFUSED = "DnsRefused"
    DNS_NO_RECORDS = "DnsNoRecords"
    CONNECTION_REFUSED = "ConnectionRefused"
    CONNECTION_RESET = "ConnectionReset"
    CONNECTION_CLOSED = "ConnectionClosed"
    CONNECTION_FAILED = "ConnectionFailed"
    HOST_UNREACHABLE = "HostUnreachable"
    ADDRESS_DENIED = "AddressDenied"
    TLS_EXPIRED = "TlsExpired"
    TLS_UNTRUSTED = "TlsUntrusted"
    TLS_HOSTNAME = "TlsHostname"
    TLS_FAILED = "TlsFailed"
    PROTOCOL_ERROR = "ProtocolError"
    TOO_MANY_REDIRECTS = "TooManyRedirects"
    BAD_REDIRECT = "BadRedirect"
    HEADERS_TOO_LARGE = "HeadersTooLarge"
    BODY_TOO_LARGE = "BodyTooLarge"
    DECODING_FAILED = "DecodingFailed"
    STATUS_MISMATCH = "StatusMismatch"
    LATENCY_MISMATCH = "LatencyMismatch"
    CONTENT_TYPE_MISMATCH = "ContentTypeMismatch"
    HEADER_MISMATCH = "HeaderMismatch"
    KEYWORD_MISSING = "KeywordMissing"
    KEYWORD_PRESENT = "KeywordPresent"
    JSON_INVALID = "JsonInvalid"
    JSON_MISMATCH = "JsonMismatch"
    BANNER_MISMATCH = "BannerMismatch"
    AUTH_FAILED = "AuthFailed"  # the target does not let us in
    COMMAND_FAILED = "CommandFailed"  # it lets us in, and does not do what we ask
    MESSAGE_MISSING = "MessageMissing"
    RECORD_MISMATCH = "RecordMismatch"
    PACKET_LOSS = "PacketLoss"
    CLOCK_WRONG = "ClockWrong"
    NOT_SERVING = "NotServing"
    VALUE_MISMATCH = "ValueMismatch"
    CERTIFICATE_MISMATCH = "CertificateMismatch"
    EXPIRES_SOON = "ExpiresSoon"
    HOST_KEY_MISMATCH = "HostKeyMismatch"
    EXPECTATION_FAILED = "ExpectationFailed"
    WORKLOAD_MISSING = "WorkloadMissing"
    WORKLOAD_NOT_READY = "WorkloadNotReady"
    JOB_FAILED = "JobFailed"
    REPORT_OVERDUE = "ReportOverdue"
    RUN_OVERDUE = "RunOverdue"
    REPORTED_FAILURE = "ReportedFailure"
    MEMBERS_DOWN = "MembersDown"
    SET_DOWN = "SetDown"  # by a person
    INVERTED = "Inverted"  # it passed, and should not have
    # Ours: the outcome is unknown and nobody is blamed
    BLIND = "Blind"  # nothing that lies that way can be reached
    NO_DESCRIPTORS = "NoDescriptors"
    NO_ROUTE = "NoRoute"
    NO_RESOLVER = "NoResolver"
    NO_MEMORY = "NoMemory"
    NO_PERMISSION = "NoPermission"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a word, not a secret
    INTERNAL_ERROR = "InternalError"
    MEMBERS_UNKNOWN = "MembersUnknown"
    API_UNAVAILABLE = "ApiUnavailable"  # of the cluster
    NOT_ENDED_YET = "NotEndedYet"
    NO_REPORT_YET = "NoReportYet"
    NOT_LISTENING = "NotListening"  # a report may have come while we were away
    NO_PUSH_ARRIVES = "NoPushArrives"
    NOT_CHECKED = "NotChecked"  # nobody looked for longer than a heartbeat speaks

    @property
    def ours(self) -> bool:
        """Whether the fault is ours, so that nothing can be said of the target."""
        return self in _OURS


_OURS = frozenset(
    {
        Reason.BLIND,
        Reason.NO_DESCRIPTORS,
        Reason.NO_ROUTE,
        Reason.NO_RESOLVER,
        Reason.NO_MEMORY,
        Reason.NO_PERMISSION,
        Reason.SECRET_MISSING,
        Reason.INTERNAL_ERROR,
        Reason.MEMBERS_UNKNOWN,
        Reason.API_UNAVAILABLE,
        Reason.NOT_ENDED_YET,
        Reason.NO_REPORT_YET,
        Reason.NOT_LISTENING,
        Reason.NO_PUSH_ARRIVES,
        Reason.NOT_CHECKED,
    }
)
_DEGRADED = frozenset(
    {
        Reason.SLOW,
        Reason.EXPECTATION_DEGRADED,
        Reason.MEMBERS_DEGRADED,
        Reason.SET_DEGRADED,
    }
)


def outcome_of(reason: Reason) -> Outcome:
    """What ``reason`` says of the target, before ``invert``."""
    if reason is Reason.PASSED:
        return Outcome.PASSED
    if reason in _DEGRADED:
        return Outcome.DEGRADED
    return Outcome.UNKNOWN if reason.ours else Outcome.FAILED


@attrs.frozen(kw_only=True)
class Timings:
    """Seconds spent in each phase; None: the check did not get that far, or has no such phase.

    They add up to the latency, redirects included.
    """

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    transfer: float | None = None


@attrs.frozen(kw_only=True)
class Certificate:
    """The certificate that a target showed, whether or not it verifies."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    expires_at: datetime
    fingerprint: str  # SHA-256 of the DER form, in hex
    valid: bool


@attrs.frozen(kw_only=True)
class CheckResult:
    """What one check found. ``latency_seconds`` is the check's own, without waiting for a slot."""

    reason: Reason
    message: str = ""
    latency_seconds: float = 0.0
    timings: Timings = Timings()
    peer: str | None = None  # "192.0.2.1:443"
    status_code: int | None = None
    certificate: Certificate | None = None
    registered_until: datetime | None = None  # of a domain
    transcript: Sequence[str] = ()

    @property
    def outcome(self) -> Outcome:
        """What this says of the target, before ``invert``."""
        return outcome_of(self.reason)
