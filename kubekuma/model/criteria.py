"""What passes: criteria by type, and the form that fits every type."""

from enum import StrEnum
from typing import Any

import attrs

from kubekuma.model.field import Rule, at_least_one, exactly_one, says

STATUS_CODES = r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"
EXPECT_VALUE = (
    r"^(status|latencyMs|body|connected|peer|certificateDays|domainDays|rcode|output"
    r"|header\.[!#$%&'*+.^_`|~0-9A-Za-z-]+|(json|length)\(.+\))$"
)
DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
PERCENT = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)$"


class Severity(StrEnum):
    """What a failed criterion makes of the monitor."""

    DOWN = "down"
    DEGRADED = "degraded"


class Op(StrEnum):
    """How a value is compared."""

    EQUALS = "equals"
    NOT_EQUALS = "notEquals"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    CONTAINS = "contains"
    NOT_CONTAINS = "notContains"
    MATCHES = "matches"
    IN = "in"
    EXISTS = "exists"


class Match(StrEnum):
    """Whether one of several values is enough."""

    ALL = "all"
    ANY = "any"


@attrs.frozen(kw_only=True)
class Expectation:
    """One comparison: ``value op to``."""

    __rules__ = (
        Rule(
            cel=None,  # to has any type
            holds=lambda it: it.op == Op.EXISTS or it.to is not None,
            message="must have to unless op is exists",
        ),
    )

    value: str = says(
        "What is compared: status, latencyMs, body, header.<name>, json(<path>), length(<path>),"
        " connected, peer, certificateDays, domainDays, rcode or output.",
        max_length=600,
        pattern=EXPECT_VALUE,
    )
    op: Op = says("How it is compared.", default=Op.EQUALS)
    to: Any | None = says(
        "With what: text, a number, true or false, or for in a list.", default=None
    )
    severity: Severity = says("What a mismatch makes of the monitor.", default=Severity.DOWN)


@attrs.frozen(kw_only=True)
class HeaderCriterion:
    """A header that the answer must carry."""

    name: str = says("Name of the header.", min_length=1, max_length=256)
    contains: str | None = says(
        "Text that its value must contain; absent: it must be there.", default=None, max_length=8192
    )


@attrs.frozen(kw_only=True)
class HttpCriteria:
    """What passes for http, and beside their own for keyword and jsonQuery."""

    accepted_status_codes: tuple[str, ...] = says(
        'Codes and ranges that pass, such as "204" or "200-299".',
        default=("200-299",),
        min_items=1,
        max_items=32,
        max_length=7,
        pattern=STATUS_CODES,
        list_type="set",
    )
    latency_ms_under: int | None = says(
        "Milliseconds in which the whole answer must be there.", default=None, low=1, high=600_000
    )
    content_type: str | None = says(
        "Media type that the answer must have.", default=None, min_length=3, max_length=128
    )
    headers: tuple[HeaderCriterion, ...] = says(
        "Headers that the answer must carry.", default=(), max_items=32
    )


@attrs.frozen(kw_only=True)
class KeywordCriteria:
    """What the decoded body must and must not contain."""

    __rules__ = (at_least_one("contains", "notContains", "regex"),)

    contains: tuple[str, ...] | None = says(
        "Texts that must all occur.", default=None, min_items=1, max_items=32, max_length=1024
    )
    not_contains: tuple[str, ...] | None = says(
        "Texts of which none may occur.", default=None, min_items=1, max_items=32, max_length=1024
    )
    regex: tuple[str, ...] | None = says(
        "RE2 patterns that must all match somewhere.",
        default=None,
        min_items=1,
        max_items=32,
        max_length=512,
    )


@attrs.frozen(kw_only=True)
class JsonQueryCriteria:
    """What a path into the JSON body must find."""

    __rules__ = (
        exactly_one(
            *("equals", "notEquals", "exists", "matches", "lt", "lte", "gt", "gte"), visible=False
        ),
    )

    path: str = says("RFC 9535 JSONPath; the first value that it finds counts.", max_length=512)
    equals: Any | None = says("Value that it must be.", default=None)
    not_equals: Any | None = says("Value that it must not be.", default=None)
    exists: bool | None = says("Whether it must be there.", default=None)
    matches: str | None = says("RE2 pattern that it must match.", default=None, max_length=512)
    lt: int | str | None = says(
        "It must be less.", default=None, int_or_string=True, pattern=DECIMAL, max_length=64
    )
    lte: int | str | None = says(
        "It must be at most this.", default=None, int_or_string=True, pattern=DECIMAL, max_length=64
    )
    gt: int | str | None = says(
        "It must be greater.", default=None, int_or_string=True, pattern=DECIMAL, max_length=64
    )
    gte: int | str | None = says(
        "It must be at least this.",
        default=None,
        int_or_string=True,
        pattern=DECIMAL,
        max_length=64,
    )


@attrs.frozen(kw_only=True)
class TcpCriteria:
    """What the port must say of its own accord."""

    banner_contains: str | None = says(
        "Text that the greeting must contain.", default=None, min_length=1, max_length=1024
    )


@attrs.frozen(kw_only=True)
class DnsCriteria:
    """What the DNS must answer."""

    must_resolve: bool = says("Whether there must be records; false: there must not.", default=True)
    values: tuple[str, ...] = says(
        "Records that must be there.", default=(), max_items=64, max_length=1024
    )
    match: Match = says("Whether all of them, or any.", default=Match.ALL)
    rcode: str | None = says("Response code that must be given.", default=None, max_length=16)


@attrs.frozen(kw_only=True)
class PingCriteria:
    """How well the host must answer."""

    max_loss_percent: int = says("Requests that may be lost.", default=0, low=0, high=100)
    latency_ms_under: int | None = says(
        "Average round trip in milliseconds.", default=None, low=1, high=600_000
    )


@attrs.frozen(kw_only=True)
class WebsocketCriteria:
    """What the WebSocket must say."""

    must_receive_within_seconds: int | None = says(
        "Seconds within which a message must come.", default=None, low=1, high=600
    )


@attrs.frozen(kw_only=True)
class SteamCriteria:
    """What the game server must say."""

    min_players: int | None = says("Players at least.", default=None, low=0, high=255)
    max_players: int | None = says("Players at most.", default=None, low=0, high=255)
    map: str | None = says("Map that must be played.", default=None, min_length=1)


@attrs.frozen(kw_only=True)
class DockerCriteria:
    """What the container must be."""

    running: bool = says("Whether it must run.", default=True)
    healthy: bool = says("Whether its health check must pass.", default=False)


@attrs.frozen(kw_only=True)
class GrpcCriteria:
    """What the health service must say."""

    serving: bool = says("Whether it must say SERVING.", default=True)


@attrs.frozen(kw_only=True)
class TlsCertificateCriteria:
    """What the certificate must be."""

    min_days_remaining: int | None = says(
        "Days that it must still be valid.", default=None, low=0, high=3650
    )
    names: tuple[str, ...] = says(
        "Names that it must be valid for.", default=(), max_items=64, list_type="set"
    )
    issuer: str | None = says("Text that its issuer must contain.", default=None, max_length=1024)
    fingerprint: str | None = says(
        "SHA-256 that it must have, in hex.", default=None, pattern=r"^[0-9A-Fa-f:]{64,95}$"
    )


@attrs.frozen(kw_only=True)
class DomainExpiryCriteria:
    """What the registration must be."""

    min_days_remaining: int | None = says(
        "Days that it must still be valid.", default=None, low=0, high=3650
    )


@attrs.frozen(kw_only=True)
class ServiceCriteria:
    """What a database, broker or directory must answer."""

    value: str | None = says("Text that the answer must be.", default=None, max_length=4096)
    pattern: str | None = says("RE2 pattern that it must match.", default=None, max_length=512)
    min_value: int | None = says("Number that it must be at least.", default=None)
    max_value: int | None = says("Number that it must be at most.", default=None)


@attrs.frozen(kw_only=True)
class NtpCriteria:
    """How good the time must be."""

    max_offset_ms: int | None = says(
        "Offset from our own clock.", default=None, low=1, high=86_400_000
    )
    max_stratum: int | None = says("Distance from a clock.", default=None, low=1, high=15)


@attrs.frozen(kw_only=True)
class SuccessCriteria:
    """What passes. The part that ``type`` names, and the two that every type takes."""

    http: HttpCriteria = says("For types http, keyword and jsonQuery.", default=HttpCriteria())
    keyword: KeywordCriteria | None = says("For type keyword.", default=None)
    json_query: JsonQueryCriteria | None = says("For type jsonQuery.", default=None)
    tcp: TcpCriteria | None = says("For type tcp.", default=None)
    dns: DnsCriteria | None = says("For type dns.", default=None)
    ping: PingCriteria | None = says("For type ping.", default=None)
    websocket: WebsocketCriteria | None = says("For type websocket.", default=None)
    steam: SteamCriteria | None = says("For type steam.", default=None)
    docker: DockerCriteria | None = says("For type docker.", default=None)
    grpc: GrpcCriteria | None = says("For type grpc.", default=None)
    tls_certificate: TlsCertificateCriteria | None = says("For tlsCertificate.", default=None)
    domain_expiry: DomainExpiryCriteria | None = says("For type domainExpiry.", default=None)
    service: ServiceCriteria | None = says(
        "For databases, brokers, mail, ldap, radius, snmp and sip.", default=None
    )
    ntp: NtpCriteria | None = says("For type ntp.", default=None)
    degraded_above_ms: int | None = says(
        "Latency above which a pass counts as degraded.", default=None, low=1, high=600_000
    )
    expect: tuple[Expectation, ...] = says(
        "Comparisons that must all hold.", default=(), max_items=32
    )
