"""Which parts of a spec have a checker in this version."""

from typing import Final

from kubekuma.model.monitor import MonitorSpec, MonitorType

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
        MonitorType.TLS_CERTIFICATE,
        MonitorType.REDIS,
        MonitorType.MQTT,
        MonitorType.SMTP,
        MonitorType.IMAP,
        MonitorType.SSH,
        MonitorType.LDAP,
    }
)


def missing(spec: MonitorSpec) -> str | None:
    """The first part of ``spec`` that no checker can do yet; None when all of it can be done."""
    return None if spec.type in AVAILABLE_TYPES else f"type {spec.type}"
