"""Which parts of a spec have a checker in this version."""

from typing import Final

from kubekuma.model.monitor import MonitorSpec, MonitorType
from kubekuma.model.target import SnmpVersion

AVAILABLE_TYPES: Final = frozenset(
    {
        MonitorType.HTTP,
        MonitorType.KEYWORD,
        MonitorType.JSON_QUERY,
        MonitorType.TCP,
        MonitorType.UDP,
        MonitorType.DNS,
        MonitorType.PING,
        MonitorType.NTP,
        MonitorType.WEBSOCKET,
        MonitorType.GRPC,
        MonitorType.DOMAIN_EXPIRY,
        MonitorType.SNMP,
        MonitorType.RADIUS,
        MonitorType.SIP,
        MonitorType.STEAM,
        MonitorType.TLS_CERTIFICATE,
        MonitorType.REDIS,
        MonitorType.MQTT,
        MonitorType.SMTP,
        MonitorType.IMAP,
        MonitorType.SSH,
        MonitorType.LDAP,
        MonitorType.PUSH,
        MonitorType.K8S,
        MonitorType.GROUP,
        MonitorType.MANUAL,
        MonitorType.POSTGRESQL,
        MonitorType.MYSQL,
    }
)


def missing(spec: MonitorSpec) -> str | None:
    """The first part of ``spec`` that no checker can do yet; None when all of it can be done."""
    if spec.type not in AVAILABLE_TYPES:
        return f"type {spec.type}"
    snmp = spec.target.snmp
    if spec.type is MonitorType.SNMP and snmp is not None and snmp.version is SnmpVersion.V3:
        return "target.snmp.version"
    return None
