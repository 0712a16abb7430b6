"""What is checked: one class per type of monitor, and ``Target``, which holds one of them."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import attrs

from kubekuma.kit.placeholder import names_in
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.field import Rule, at_most_one, exactly_one, needed_when, says
from kubekuma.model.meta import SecretKeyRef

HOST = "Name or address of the host."
PORT = "Port to connect to."
WARN_BEFORE_DAYS = (
    "Days before the certificate expires on which to say so, each of them once, largest first."
)
# A letter to begin with, then no white space or control character: userinfo is judged by validate.
HTTP_URL = r"^https?://[^\s]+$"
# With names in double braces, which may have blanks in them.
STEP_URL = r"^https?://([^\s]|\{\{ *[A-Za-z_][A-Za-z0-9_]* *\}\})+$"
WEBSOCKET_URL = r"^wss?://[^\s]+$"
TOKEN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # noqa: S105 - RFC 9110's word for such a string


class IpFamily(StrEnum):
    """Which addresses of a name may be used."""

    AUTO = "auto"
    IPV4 = "4"
    IPV6 = "6"


class ProxyMode(StrEnum):
    """How a request leaves."""

    NONE = "none"
    HTTP = "http"
    SOCKS = "socks"


class StartTls(StrEnum):
    """Protocols that begin in the clear and turn to TLS on request."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    FTP = "ftp"
    XMPP = "xmpp"
    LDAP = "ldap"
    POSTGRES = "postgres"
    MYSQL = "mysql"


class DnsTransport(StrEnum):
    """How a question reaches a resolver."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"

    @property
    def is_encrypted(self) -> bool:
        """Whether the server shows a certificate, so that it needs a name."""
        return self in {DnsTransport.TLS, DnsTransport.HTTPS}


class RecordType(StrEnum):
    """Record types that a dns monitor can ask for."""

    A = "A"
    AAAA = "AAAA"
    CAA = "CAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    PTR = "PTR"
    SOA = "SOA"
    SRV = "SRV"
    TXT = "TXT"


class WorkloadCheck(StrEnum):
    """What a k8s monitor asks of a workload."""

    AVAILABLE_REPLICAS_AT_LEAST = "AvailableReplicasAtLeast"
    POD_READINESS = "PodReadiness"
    ENDPOINT_NON_EMPTY = "EndpointNonEmpty"
    JOB_SUCCEEDED = "JobSucceeded"
    CONDITION = "Condition"


class GroupRule(StrEnum):
    """How the states of members make the state of their group."""

    WORST = "worst"
    BEST = "best"
    AT_LEAST = "atLeast"
    PERCENT = "percent"


class SaslMechanism(StrEnum):
    """Ways to log in to a Kafka broker."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class SnmpVersion(StrEnum):
    """SNMP versions."""

    V1 = "1"
    V2C = "2c"
    V3 = "3"


class SnmpAuth(StrEnum):
    """How messages of SNMP version 3 are authenticated (RFC 3414, RFC 7860)."""

    MD5 = "MD5"
    SHA = "SHA"
    SHA_224 = "SHA-224"
    SHA_256 = "SHA-256"
    SHA_384 = "SHA-384"
    SHA_512 = "SHA-512"


class SnmpPrivacy(StrEnum):
    """How messages of SNMP version 3 are encrypted; keys that are too short are stretched.

    As RFC 3826 and draft-blumenthal-aes-usm say, or with a C as Cisco's devices do
    (draft-reeder-snmpv3-usm-3desede).
    """

    AES_128 = "AES-128"
    AES_192 = "AES-192"
    AES_256 = "AES-256"
    AES_192_C = "AES-192-C"
    AES_256_C = "AES-256-C"


# Parts that several targets share ----------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Resolver:
    """A DNS server to ask."""

    address: str = says("Address of the server, or its name for tls and https.", min_length=1)
    port: int | None = says(
        "Port of the server; default: the transport's own.", default=None, low=1, high=65535
    )
    transport: DnsTransport = says("How the server is asked.", default=DnsTransport.UDP)


@attrs.frozen(kw_only=True)
class Header:
    """A header to send; its value stands here or in a Secret."""

    __rules__ = (exactly_one("value", "valueFromSecretRef"),)

    name: str = says("Name of the header.", min_length=1, max_length=256, pattern=TOKEN)
    value: str | None = says("Its value.", default=None, max_length=8192, pattern=r"^[^\r\n\x00]*$")
    value_from_secret_ref: SecretKeyRef | None = says(
        "Where its value stands, if it is a secret.", default=None
    )


@attrs.frozen(kw_only=True)
class Tls:
    """How a TLS connection is made and judged."""

    verify: bool = says("Whether the certificate must be valid for the host.", default=True)
    sni: str | None = says(
        "Server name to ask for and to verify; default: the host.", default=None, min_length=1
    )
    ca_bundle_secret_ref: SecretKeyRef | None = says(
        "PEM bundle of the authorities to trust instead of the system's.", default=None
    )
    warn_before_days: tuple[int, ...] = says(
        WARN_BEFORE_DAYS, default=(21, 14, 7), low=1, high=3650, max_items=16, list_type="set"
    )


@attrs.frozen(kw_only=True)
class OptionalTls(Tls):
    """TLS for a protocol that may also speak in the clear."""

    enabled: bool = says("Whether to speak TLS from the first byte.", default=False)
    start_tls: StartTls | None = says(
        "Protocol in which to ask for TLS after connecting.", default=None
    )


@attrs.frozen(kw_only=True)
class Credentials:
    """A user name and password, by Secret reference."""

    username_secret_ref: SecretKeyRef | None = says("Where the user name stands.", default=None)
    password_secret_ref: SecretKeyRef | None = says("Where the password stands.", default=None)


# HTTP --------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Body:
    """What to send after the headers, in one of three forms."""

    __rules__ = (exactly_one("json", "text", "form", visible=False),)

    json: Any | None = says("Sent as application/json.", default=None)
    text: str | None = says("Sent as text/plain.", default=None, max_length=65536)
    form: Mapping[str, str] | None = says(
        "Sent as application/x-www-form-urlencoded.", default=None, max_length=8192, max_items=128
    )


@attrs.frozen(kw_only=True)
class BasicAuth:
    """A user name and password (RFC 7617, RFC 7616)."""

    username_secret_ref: SecretKeyRef = says("Where the user name stands.")
    password_secret_ref: SecretKeyRef = says("Where the password stands.")


@attrs.frozen(kw_only=True)
class BearerAuth:
    """A bearer token (RFC 6750)."""

    token_secret_ref: SecretKeyRef = says("Where the token stands.")


@attrs.frozen(kw_only=True)
class OAuth2ClientCredentials:
    """A token fetched with client credentials (RFC 6749, section 4.4) and kept until it expires."""

    token_url: str = says("Where tokens are issued.", max_length=2048, pattern=HTTP_URL)
    client_id_secret_ref: SecretKeyRef = says("Where the client's id stands.")
    client_secret_secret_ref: SecretKeyRef = says("Where the client's secret stands.")
    scopes: tuple[str, ...] = says(
        "Scopes to ask for.", default=(), max_items=32, max_length=256, list_type="set"
    )
    audience: str | None = says("Audience to ask for.", default=None, max_length=2048)


@attrs.frozen(kw_only=True)
class ClientCertificate:
    """A certificate that we show."""

    cert_secret_ref: SecretKeyRef = says("PEM certificate, with its chain.")
    key_secret_ref: SecretKeyRef = says("PEM private key.")


@attrs.frozen(kw_only=True)
class Auth:
    """How we say who we are."""

    __rules__ = (at_most_one("basic", "digest", "bearer", "oauth2ClientCredentials"),)

    basic: BasicAuth | None = says("User name and password, sent at once.", default=None)
    digest: BasicAuth | None = says("User name and password, sent when challenged.", default=None)
    bearer: BearerAuth | None = says("A token that does not change.", default=None)
    oauth2_client_credentials: OAuth2ClientCredentials | None = says(
        "A token that is fetched first.", default=None
    )
    mtls: ClientCertificate | None = says("A certificate of ours.", default=None)


@attrs.frozen(kw_only=True)
class Proxy:
    """The proxy to go through."""

    __rules__ = (needed_when("urlFromSecretRef", "mode", "http", "socks"),)

    mode: ProxyMode = says("Kind of proxy.", default=ProxyMode.NONE)
    url_from_secret_ref: SecretKeyRef | None = says("Where the proxy's URL stands.", default=None)


@attrs.frozen(kw_only=True)
class HttpTarget:
    """An HTTP or HTTPS resource, fetched over a new connection each time."""

    url: str = says(
        "Where to send the request; credentials belong into auth.",
        min_length=8,
        max_length=2048,
        pattern=HTTP_URL,
    )
    method: str = says(
        "Request method.", default="GET", min_length=1, max_length=32, pattern=r"^[A-Z]+$"
    )
    follow_redirects: bool = says("Whether a redirect is followed.", default=True)
    max_redirects: int = says("How many in a row at most.", default=10, low=0, high=20)
    headers: tuple[Header, ...] = says("Headers to send.", default=(), max_items=64)
    body: Body | None = says("What to send after the headers.", default=None)
    auth: Auth | None = says("How we say who we are.", default=None)
    max_body_bytes: int = says(
        "How much of the answer's body is read, before and after decompression.",
        default=1024 * 1024,
        low=0,
        high=16 * 1024 * 1024,
    )
    ip_family: IpFamily = says("Which addresses may be used.", default=IpFamily.AUTO)
    tls: Tls = says("How TLS is made and judged.", default=Tls())
    proxy: Proxy | None = says("The proxy to go through.", default=None)
    resolver: Resolver | None = says("The DNS server to ask instead of the usual.", default=None)
    cache_bust: bool = says(
        "Whether to add a query parameter that changes with each check.", default=False
    )


# Streams and datagrams ---------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class TcpTarget:
    """A TCP port, and if asked what it says."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, low=1, high=65535)
    send: str | None = says("Text to send after connecting.", default=None, max_length=4096)
    expect: str | None = says(
        "RE2 pattern that the answer must contain.", default=None, min_length=1, max_length=512
    )
    tls: OptionalTls = says("How TLS is made and judged.", default=OptionalTls())
    ip_family: IpFamily = says("Which addresses may be used.", default=IpFamily.AUTO)


@attrs.frozen(kw_only=True)
class UdpTarget:
    """A UDP service that answers."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, low=1, high=65535)
    send: str = says("Text of the datagram.", max_length=4096)
    expect: str | None = says(
        "RE2 pattern that the answer must contain.", default=None, min_length=1, max_length=512
    )


@attrs.frozen(kw_only=True)
class DnsTarget:
    """A name in the DNS."""

    name: str = says("Name to ask for.", min_length=1)
    record_type: RecordType = says("Type of the records.", default=RecordType.A)
    resolvers: tuple[Resolver, ...] = says(
        "Servers to ask; default: the settings', then the system's.", default=(), max_items=8
    )
    all_must_agree: bool = says(
        "Whether every server must give the same answer; otherwise the first answer counts.",
        default=False,
    )


@attrs.frozen(kw_only=True)
class PingTarget:
    """A host that answers ICMP echo requests."""

    host: str = says(HOST, min_length=1)
    packet_count: int = says("Requests a check.", default=3, low=1, high=20)
    packet_size: int = says("Bytes of payload.", default=56, low=8, high=65000)
    ip_family: IpFamily = says("Which addresses may be used.", default=IpFamily.AUTO)


@attrs.frozen(kw_only=True)
class WebsocketTarget:
    """A WebSocket."""

    url: str = says("Where to connect.", max_length=2048, pattern=WEBSOCKET_URL)
    headers: tuple[Header, ...] = says("Headers of the handshake.", default=(), max_items=64)
    subprotocols: tuple[str, ...] = says(
        "Subprotocols to offer, the best first.", default=(), max_items=16, max_length=128
    )
    send: str | None = says("Message to send once open.", default=None, max_length=4096)
    expect: str | None = says(
        "RE2 pattern that a message must contain.", default=None, min_length=1, max_length=512
    )
    tls: Tls = says("How TLS is made and judged.", default=Tls())


@attrs.frozen(kw_only=True)
class PushTarget:
    """A sender that reports to us; its silence is the failure."""

    __rules__ = (exactly_one("expireSeconds", "schedule"),)

    token_secret_ref: SecretKeyRef = says("Where the token of the push URL stands.")
    expire_seconds: int | None = says(
        "How long a beat lasts.", default=None, low=1, high=31 * 86400
    )
    grace_period_seconds: int = says("How late a beat may be.", default=0, low=0, high=31 * 86400)
    max_run_seconds: int | None = says(
        "How long a job may take from its start to its end.", default=None, low=1, high=31 * 86400
    )
    schedule: str | None = says(
        "Cron expression of the beats, instead of expireSeconds.", default=None, max_length=128
    )
    timezone: str = says("IANA time zone of the cron expression.", default="UTC", max_length=64)


@attrs.frozen(kw_only=True)
class SteamTarget:
    """A game server that answers A2S_INFO."""

    host: str = says(HOST, min_length=1)
    port: int = says("Query port.", low=1, high=65535)


# Orchestrators -----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class WorkloadRef:
    """Objects of the cluster, by name or by labels."""

    __rules__ = (exactly_one("name", "labelSelector"),)

    api_version: str = says(
        "For example apps/v1.",
        min_length=1,
        max_length=253,
        pattern=r"^([a-z0-9][a-z0-9.-]*/)?v[0-9][a-z0-9]*$",
    )
    kind: str = says("For example Deployment.", min_length=1, max_length=63)
    name: str | None = says("Name of the object.", default=None, min_length=1)
    label_selector: Mapping[str, str] | None = says(
        "Labels that the objects carry.", default=None, max_length=63, max_items=16
    )


@attrs.frozen(kw_only=True)
class WorkloadCondition:
    """A condition that an object must have."""

    type: str = says("Type of the condition.", min_length=1)
    status: str = says("Its status.", default="True", max_length=16)


@attrs.frozen(kw_only=True)
class WorkloadTest:
    """What is asked of the objects."""

    __rules__ = (needed_when("condition", "type", "Condition"),)

    type: WorkloadCheck = says("What is asked.")
    min: int = says(
        "How many replicas, pods, endpoints or objects at least; of Jobs, the last that has ended"
        " says how it is.",
        default=1,
        low=0,
        high=100_000,
    )
    condition: WorkloadCondition | None = says("The condition, for type Condition.", default=None)


@attrs.frozen(kw_only=True)
class K8sTarget:
    """A workload in the monitor's own namespace."""

    __rules__ = (
        Rule(
            cel=("self.check.type != 'JobSucceeded' || self.resource.kind in ['Job', 'CronJob']"),
            holds=lambda it: (
                it.check.type != "JobSucceeded" or it.resource.kind in {"Job", "CronJob"}
            ),
            message="must be Job or CronJob when check.type is JobSucceeded",
            field_path="resource.kind",
        ),
        Rule(
            cel=(
                "self.check.type != 'EndpointNonEmpty'"
                " || self.resource.kind in ['Service', 'Endpoints', 'EndpointSlice']"
            ),
            holds=lambda it: (
                it.check.type != "EndpointNonEmpty"
                or it.resource.kind in {"Service", "Endpoints", "EndpointSlice"}
            ),
            message=(
                "must be Service, EndpointSlice or Endpoints when check.type is EndpointNonEmpty"
            ),
            field_path="resource.kind",
        ),
    )

    resource: WorkloadRef = says("Which objects.")
    check: WorkloadTest = says("What is asked of them.")


@attrs.frozen(kw_only=True)
class DockerTarget:
    """A container of a Docker engine."""

    host: str = says(
        "unix:///path (a path that the settings allow) or tcp://host:port.",
        default="unix:///var/run/docker.sock",
        max_length=1024,
        pattern=r"^(unix:///|tcp://)\S+$",
    )
    container: str = says(
        "Name or id of the container.", max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
    )
    tls: ClientCertificate | None = says(
        "Certificate of ours, for tcp; with it or caBundleSecretRef, TLS is spoken.", default=None
    )
    ca_bundle_secret_ref: SecretKeyRef | None = says(
        "PEM bundle of the authorities to trust.", default=None
    )


# One more protocol each --------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class GrpcTarget:
    """A gRPC server with the standard health service (grpc.health.v1)."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, low=1, high=65535)
    service: str = says("Service to ask about; empty: the server as a whole.", default="")
    tls: OptionalTls = says("How TLS is made and judged.", default=OptionalTls())
    metadata: tuple[Header, ...] = says("Metadata to send.", default=(), max_items=64)


@attrs.frozen(kw_only=True)
class TlsCertificateTarget:
    """The certificate of any TLS port."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, low=1, high=65535)
    start_tls: StartTls | None = says(
        "Protocol in which to ask for TLS after connecting.", default=None
    )
    sni: str | None = says(
        "Server name to ask for and to verify; default: the host.", default=None, min_length=1
    )
    ca_bundle_secret_ref: SecretKeyRef | None = says(
        "PEM bundle of the authorities to trust instead of the system's.", default=None
    )
    warn_before_days: tuple[int, ...] = says(
        WARN_BEFORE_DAYS, default=(21, 14, 7), low=1, high=3650, max_items=16, list_type="set"
    )


@attrs.frozen(kw_only=True)
class DomainExpiryTarget:
    """The registration of a domain, asked by RDAP."""

    domain: str = says("Registered domain.", min_length=3)
    warn_before_days: tuple[int, ...] = says(
        "Days before the registration ends on which to say so, each of them once.",
        default=(30, 14, 7),
        low=1,
        high=3650,
        max_items=16,
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class ServiceTarget:
    """A server that is asked to log us in."""

    host: str = says(HOST, min_length=1)
    port: int | None = says(
        "Port to connect to; default: the protocol's own.", default=None, low=1, high=65535
    )
    tls: OptionalTls = says("How TLS is made and judged.", default=OptionalTls())
    credentials: Credentials | None = says("Who we are; default: nobody.", default=None)


@attrs.frozen(kw_only=True)
class DatabaseTarget(ServiceTarget):
    """A database that is asked a question."""

    database: str | None = says("Database to connect to.", default=None, min_length=1)
    query: str | None = says(
        "Read-only statement to run; default: the smallest that there is.",
        default=None,
        min_length=1,
        max_length=4096,
    )


@attrs.frozen(kw_only=True)
class RedisTarget(ServiceTarget):
    """A Redis or Valkey server that is given a command."""

    database: int = says("Number of the database.", default=0, low=0, high=1_000_000)
    command: tuple[str, ...] = says(
        "Command and arguments.", default=("PING",), min_items=1, max_items=32, max_length=1024
    )


@attrs.frozen(kw_only=True)
class MongodbTarget(ServiceTarget):
    """A MongoDB server that is given a command."""

    database: str = says("Database to run the command in.", default="admin", min_length=1)
    command: str = says("Name of the command.", default="ping", min_length=1, max_length=64)


@attrs.frozen(kw_only=True)
class MqttTarget(ServiceTarget):
    """An MQTT broker, and if asked a message on a topic."""

    topic: str | None = says("Topic to subscribe to.", default=None, min_length=1, max_length=1024)
    expect: str | None = says(
        "RE2 pattern that a message must contain.", default=None, min_length=1, max_length=512
    )


@attrs.frozen(kw_only=True)
class RabbitmqTarget(ServiceTarget):
    """A RabbitMQ broker, and if asked a queue."""

    virtual_host: str = says("Virtual host.", default="/", max_length=255)
    queue: str | None = says("Queue that must exist.", default=None, min_length=1, max_length=255)


@attrs.frozen(kw_only=True)
class KafkaTarget(ServiceTarget):
    """A Kafka broker, and if asked a topic."""

    topic: str | None = says("Topic that must exist.", default=None, min_length=1, max_length=249)
    mechanism: SaslMechanism | None = says(
        "How we log in; default: the best that the broker offers.", default=None
    )


@attrs.frozen(kw_only=True)
class SshTarget:
    """An SSH server: its banner and host key."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, default=22, low=1, high=65535)
    host_key_fingerprint: str | None = says(
        "Fingerprint that the host key must have, as ssh-keygen -l prints it.",
        default=None,
        pattern=r"^SHA256:[A-Za-z0-9+/]{43}$",
    )


@attrs.frozen(kw_only=True)
class LdapTarget(ServiceTarget):
    """An LDAP directory that is asked for an entry."""

    base_dn: str = says("Where to search.", default="", max_length=1024)
    filter: str = says("What to search for.", default="(objectClass=*)", max_length=1024)


@attrs.frozen(kw_only=True)
class RadiusTarget:
    """A RADIUS server that is asked to let us in, or for its status."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, default=1812, low=1, high=65535)
    shared_secret_ref: SecretKeyRef = says("Where the shared secret stands.")
    credentials: Credentials | None = says("Who we are; default: Status-Server.", default=None)
    called_station_id: str | None = says("Called-Station-Id to send.", default=None)


@attrs.frozen(kw_only=True)
class SnmpTarget:
    """A value that an SNMP agent gives.

    The security level of version 3 follows from which protocols are given.
    """

    __rules__ = (
        Rule(
            cel=(
                "!has(self.version) || self.version != '3'"
                " || (has(self.credentials) && has(self.credentials.usernameSecretRef))"
            ),
            holds=lambda it: (
                it.version != SnmpVersion.V3
                or (it.credentials is not None and it.credentials.username_secret_ref is not None)
            ),
            message="must have credentials.usernameSecretRef when version is 3",
        ),
        Rule(
            cel=(
                "!has(self.authProtocol)"
                " || (has(self.credentials) && has(self.credentials.passwordSecretRef))"
            ),
            holds=lambda it: (
                it.auth_protocol is None
                or (it.credentials is not None and it.credentials.password_secret_ref is not None)
            ),
            message="must have credentials.passwordSecretRef when it has authProtocol",
        ),
        Rule(
            cel="!has(self.privProtocol) || has(self.authProtocol)",
            holds=lambda it: it.priv_protocol is None or it.auth_protocol is not None,
            message="must have authProtocol when it has privProtocol",
        ),
    )

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, default=161, low=1, high=65535)
    version: SnmpVersion = says("Version to speak.", default=SnmpVersion.V2C)
    oid: str = says("Object to ask for.", max_length=512, pattern=r"^\.?[0-9]+(\.[0-9]+)+$")
    community_secret_ref: SecretKeyRef | None = says(
        "Where the community stands (versions 1 and 2c).", default=None
    )
    credentials: Credentials | None = says(
        "User, and passphrase to authenticate with (version 3).", default=None
    )
    auth_protocol: SnmpAuth | None = says(
        "How messages are authenticated (version 3); default: not at all.", default=None
    )
    priv_protocol: SnmpPrivacy | None = says(
        "How messages are encrypted (version 3); default: not at all.", default=None
    )
    priv_password_secret_ref: SecretKeyRef | None = says(
        "Where the passphrase to encrypt with stands; default: that of credentials.", default=None
    )
    context_name: str = says("Context to ask in (version 3).", default="", max_length=32)


@attrs.frozen(kw_only=True)
class NtpTarget:
    """A time server."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, default=123, low=1, high=65535)


@attrs.frozen(kw_only=True)
class SipTarget:
    """A SIP server that answers OPTIONS."""

    host: str = says(HOST, min_length=1)
    port: int = says(PORT, default=5060, low=1, high=65535)
    transport: str = says("udp, tcp or tls.", default="udp", pattern=r"^(udp|tcp|tls)$")
    user: str | None = says("User part of the address to ask about.", default=None)


# Made of other things ----------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class MemberRef:
    """A monitor by name."""

    name: str = says("Name of the monitor.", min_length=1)
    namespace: str | None = says("Its namespace; default: our own.", default=None, max_length=63)


@attrs.frozen(kw_only=True)
class GroupTarget:
    """Other monitors, seen as one."""

    __rules__ = (
        exactly_one("members", "selector"),
        needed_when("threshold", "rule", "atLeast", "percent"),
        Rule(
            cel=(
                "!has(self.rule) || self.rule != 'percent'"
                " || !has(self.threshold) || self.threshold <= 100"
            ),
            holds=lambda it: it.rule != "percent" or (it.threshold or 0) <= 100,
            message="must be at most 100 when rule is percent",
            field_path="threshold",
        ),
    )

    members: tuple[MemberRef, ...] | None = says(
        "Members by name.", default=None, min_items=1, max_items=256
    )
    selector: Mapping[str, str] | None = says(
        "Labels that the members carry.", default=None, max_length=63, max_items=16
    )
    rule: GroupRule = says("How members make the group's state.", default=GroupRule.WORST)
    threshold: int | None = says(
        "How many members, or what percentage, must be up.", default=None, low=1, high=1000
    )


@attrs.frozen(kw_only=True)
class ManualTarget:
    """A state that people set, by an annotation: monitoring.kubekuma.io/state: down."""

    initial_state: str = says(
        "State before anybody has set one.", default="up", pattern=r"^(up|degraded|down)$"
    )


@attrs.frozen(kw_only=True)
class Extract:
    """A value to carry into later steps, where ``{{ name }}`` stands for it."""

    __rules__ = (exactly_one("jsonPath", "header", "regex"),)

    name: str = says("Its name.", min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    json_path: str | None = says("RFC 9535 path into the body.", default=None, max_length=512)
    header: str | None = says("Header of the answer.", default=None, max_length=256)
    regex: str | None = says("RE2 pattern; its first group.", default=None, max_length=512)


@attrs.frozen(kw_only=True)
class ScenarioValue:
    """A secret that steps may use as ``{{ name }}``."""

    name: str = says("Its name.", min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    value_from_secret_ref: SecretKeyRef = says("Where it stands.")


@attrs.frozen(kw_only=True)
class StepRequest(HttpTarget):
    """An HTTP request in which ``{{ name }}`` stands for a value.

    In the path or query of the URL, in values of headers, and in the body.
    """

    url: str = says(
        "Where to send the request; names may stand in its path and query.",
        min_length=8,
        max_length=2048,
        pattern=STEP_URL,
    )

    @property
    def names(self) -> Sequence[tuple[str, str]]:
        """The fields in which names stand, and those names."""
        body = self.body or Body()
        texts = [
            ("url", self.url),
            *((f"headers[{i}].value", each.value or "") for i, each in enumerate(self.headers)),
            ("body.text", body.text or ""),
            *((f"body.form.{key}", value) for key, value in (body.form or {}).items()),
            *(("body.json", text) for text in _texts_in(body.json)),
        ]
        return [(field, name) for field, text in texts for name in names_in(text)]


def _texts_in(document: Any) -> Iterator[str]:
    match document:
        case str():
            yield document
        case Mapping():
            for each in document.values():
                yield from _texts_in(each)
        case list() | tuple():
            for each in document:
                yield from _texts_in(each)


@attrs.frozen(kw_only=True)
class Step:
    """One request of a scenario."""

    name: str = says("Its name.", min_length=1, max_length=63)
    http: StepRequest = says("The request.")
    success_criteria: SuccessCriteria = says("What passes.", default=SuccessCriteria())
    extract: tuple[Extract, ...] = says(
        "Values to carry on.", default=(), max_items=16, list_type="map", list_keys=("name",)
    )
    always_run: bool = says("Whether to run although an earlier step failed.", default=False)


@attrs.frozen(kw_only=True)
class ScenarioTarget:
    """Several requests in order; cookies are kept, values carried on."""

    steps: tuple[Step, ...] = says(
        "The requests.", min_items=1, max_items=20, list_type="map", list_keys=("name",)
    )
    values: tuple[ScenarioValue, ...] = says(
        "Secrets for the steps.", default=(), max_items=16, list_type="map", list_keys=("name",)
    )


# The union ---------------------------------------------------------------------------------------

AnyTarget: TypeAlias = (
    HttpTarget
    | TcpTarget
    | UdpTarget
    | DnsTarget
    | PingTarget
    | WebsocketTarget
    | PushTarget
    | SteamTarget
    | K8sTarget
    | DockerTarget
    | GrpcTarget
    | TlsCertificateTarget
    | DomainExpiryTarget
    | DatabaseTarget
    | RedisTarget
    | MongodbTarget
    | MqttTarget
    | RabbitmqTarget
    | KafkaTarget
    | ServiceTarget
    | SshTarget
    | LdapTarget
    | RadiusTarget
    | SnmpTarget
    | NtpTarget
    | SipTarget
    | GroupTarget
    | ManualTarget
    | ScenarioTarget
)


@attrs.frozen(kw_only=True)
class Target:
    """Exactly one of these: what ``type`` names (``keyword`` and ``jsonQuery`` use http)."""

    http: HttpTarget | None = says("For types http, keyword and jsonQuery.", default=None)
    tcp: TcpTarget | None = says("A TCP port.", default=None)
    udp: UdpTarget | None = says("A UDP service.", default=None)
    dns: DnsTarget | None = says("A name in the DNS.", default=None)
    ping: PingTarget | None = says("A host.", default=None)
    websocket: WebsocketTarget | None = says("A WebSocket.", default=None)
    push: PushTarget | None = says("A sender that reports to us.", default=None)
    steam: SteamTarget | None = says("A game server.", default=None)
    k8s: K8sTarget | None = says("A workload of the cluster.", default=None)
    docker: DockerTarget | None = says("A container.", default=None)
    grpc: GrpcTarget | None = says("A gRPC server.", default=None)
    tls_certificate: TlsCertificateTarget | None = says("A certificate.", default=None)
    domain_expiry: DomainExpiryTarget | None = says("A domain.", default=None)
    postgresql: DatabaseTarget | None = says("A PostgreSQL server.", default=None)
    mysql: DatabaseTarget | None = says("A MySQL or MariaDB server.", default=None)
    mssql: DatabaseTarget | None = says("A Microsoft SQL Server.", default=None)
    redis: RedisTarget | None = says("A Redis or Valkey server.", default=None)
    mongodb: MongodbTarget | None = says("A MongoDB server.", default=None)
    mqtt: MqttTarget | None = says("An MQTT broker.", default=None)
    rabbitmq: RabbitmqTarget | None = says("A RabbitMQ broker.", default=None)
    kafka: KafkaTarget | None = says("A Kafka broker.", default=None)
    smtp: ServiceTarget | None = says("A mail server.", default=None)
    imap: ServiceTarget | None = says("A mailbox server.", default=None)
    ssh: SshTarget | None = says("An SSH server.", default=None)
    ldap: LdapTarget | None = says("A directory.", default=None)
    radius: RadiusTarget | None = says("A RADIUS server.", default=None)
    snmp: SnmpTarget | None = says("An SNMP agent.", default=None)
    ntp: NtpTarget | None = says("A time server.", default=None)
    sip: SipTarget | None = says("A SIP server.", default=None)
    group: GroupTarget | None = says("Other monitors.", default=None)
    manual: ManualTarget | None = says("A state set by hand.", default=None)
    scenario: ScenarioTarget | None = says("Several requests.", default=None)
