"""One monitor of each type of checker, aimed at a port of loopback."""

from collections.abc import Callable
from typing import TypeAlias

import bson.json_util
import pytds
from fakes.targets import monitor_of

from kubekuma.model.criteria import (
    JsonQueryCriteria,
    KeywordCriteria,
    SuccessCriteria,
    TcpCriteria,
)
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.target import (
    AnyTarget,
    DatabaseTarget,
    DnsTarget,
    DockerTarget,
    Extract,
    GrpcTarget,
    HttpTarget,
    KafkaTarget,
    LdapTarget,
    MongodbTarget,
    MqttTarget,
    NtpTarget,
    RabbitmqTarget,
    RedisTarget,
    Resolver,
    ScenarioTarget,
    ServiceTarget,
    SipTarget,
    SnmpTarget,
    SshTarget,
    SteamTarget,
    Step,
    StepRequest,
    TcpTarget,
    TlsCertificateTarget,
    UdpTarget,
    WebsocketTarget,
)

LONG_SECONDS = 600
# Loaded by now: where time is virtual it does not wait for the thread that would load them.
LIBRARIES = (bson.json_util, pytds)

Make: TypeAlias = Callable[[int], Monitor]


def over_http(kind: MonitorType, criteria: SuccessCriteria) -> Make:
    def make(port: int) -> Monitor:
        target = HttpTarget(url=f"http://127.0.0.1:{port}/")
        return monitor_of(kind, target, criteria, timeout_seconds=LONG_SECONDS)

    return make


def over_tcp(port: int) -> Monitor:
    target = TcpTarget(host="127.0.0.1", port=port)
    criteria = SuccessCriteria(tcp=TcpCriteria(banner_contains="hello"))
    return monitor_of(MonitorType.TCP, target, criteria, timeout_seconds=LONG_SECONDS)


def over_websocket(port: int) -> Monitor:
    target = WebsocketTarget(url=f"ws://127.0.0.1:{port}/")
    return monitor_of(MonitorType.WEBSOCKET, target, timeout_seconds=LONG_SECONDS)


def over_steps(port: int) -> Monitor:
    step = Step(
        name="one",
        http=StepRequest(url=f"http://127.0.0.1:{port}/"),
        extract=(Extract(name="id", json_path="$.id"),),
    )
    return monitor_of(
        MonitorType.SCENARIO, ScenarioTarget(steps=(step,)), timeout_seconds=LONG_SECONDS
    )


def over_docker(port: int) -> Monitor:
    target = DockerTarget(host=f"tcp://127.0.0.1:{port}", container="web")
    return monitor_of(MonitorType.DOCKER, target, timeout_seconds=LONG_SECONDS)


def plain(kind: MonitorType, make: Callable[..., AnyTarget]) -> Make:
    return lambda port: monitor_of(
        kind, make(host="127.0.0.1", port=port), timeout_seconds=LONG_SECONDS
    )


KEYWORD = SuccessCriteria(keyword=KeywordCriteria(contains=("x",)))
JSON_QUERY = SuccessCriteria(json_query=JsonQueryCriteria(path="$.x", exists=True))
# Those that connect.
STREAMS: dict[MonitorType, Make] = {
    MonitorType.HTTP: over_http(MonitorType.HTTP, SuccessCriteria()),
    MonitorType.KEYWORD: over_http(MonitorType.KEYWORD, KEYWORD),
    MonitorType.JSON_QUERY: over_http(MonitorType.JSON_QUERY, JSON_QUERY),
    MonitorType.TCP: over_tcp,
    MonitorType.TLS_CERTIFICATE: plain(MonitorType.TLS_CERTIFICATE, TlsCertificateTarget),
    MonitorType.REDIS: plain(MonitorType.REDIS, RedisTarget),
    MonitorType.MQTT: plain(MonitorType.MQTT, MqttTarget),
    MonitorType.SMTP: plain(MonitorType.SMTP, ServiceTarget),
    MonitorType.IMAP: plain(MonitorType.IMAP, ServiceTarget),
    MonitorType.SSH: plain(MonitorType.SSH, SshTarget),
    MonitorType.LDAP: plain(MonitorType.LDAP, LdapTarget),
    MonitorType.POSTGRESQL: plain(MonitorType.POSTGRESQL, DatabaseTarget),
    MonitorType.MYSQL: plain(MonitorType.MYSQL, DatabaseTarget),
    MonitorType.MSSQL: plain(MonitorType.MSSQL, DatabaseTarget),
    MonitorType.MONGODB: plain(MonitorType.MONGODB, MongodbTarget),
    MonitorType.WEBSOCKET: over_websocket,
    MonitorType.GRPC: plain(MonitorType.GRPC, GrpcTarget),
    MonitorType.SCENARIO: over_steps,
    MonitorType.KAFKA: plain(MonitorType.KAFKA, KafkaTarget),
    MonitorType.DOCKER: over_docker,
    MonitorType.RABBITMQ: plain(MonitorType.RABBITMQ, RabbitmqTarget),
}


def over_udp(port: int) -> Monitor:
    target = UdpTarget(host="127.0.0.1", port=port, send="hello")
    return monitor_of(MonitorType.UDP, target, timeout_seconds=LONG_SECONDS)


def over_snmp(port: int) -> Monitor:
    target = SnmpTarget(host="127.0.0.1", port=port, oid="1.3.6.1.2.1.1.5.0")
    return monitor_of(MonitorType.SNMP, target, timeout_seconds=LONG_SECONDS)


def over_dns(port: int) -> Monitor:
    resolver = Resolver(address="127.0.0.1", port=port)
    target = DnsTarget(name="example.org", resolvers=(resolver,))
    return monitor_of(MonitorType.DNS, target, timeout_seconds=LONG_SECONDS)


# Those that send datagrams.
DATAGRAMS: dict[MonitorType, Make] = {
    MonitorType.UDP: over_udp,
    MonitorType.DNS: over_dns,
    MonitorType.NTP: plain(MonitorType.NTP, NtpTarget),
    MonitorType.STEAM: plain(MonitorType.STEAM, SteamTarget),
    MonitorType.SIP: plain(MonitorType.SIP, SipTarget),
    MonitorType.SNMP: over_snmp,
}
# Those without a port, or with a Secret that they cannot do without: they have tests of their own.
OTHERS = {
    MonitorType.PING,
    MonitorType.DOMAIN_EXPIRY,
    MonitorType.RADIUS,
    # They ask no target at all.
    MonitorType.GROUP,
    MonitorType.MANUAL,
    MonitorType.PUSH,
    MonitorType.K8S,
}
