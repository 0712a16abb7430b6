"""Which parts of a spec have a checker in this version."""

from typing import Final

from kubekuma.model.monitor import MonitorSpec, MonitorType
from kubekuma.model.target import HttpTarget, ProxyMode

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
    if spec.type not in AVAILABLE_TYPES:
        return f"type {spec.type}"
    match spec.target_in_use:
        case HttpTarget() as http:
            return _missing_of_http(http)
        case _:
            return None


def _missing_of_http(http: HttpTarget) -> str | None:
    if http.auth is not None:
        return "target.http.auth"
    if http.proxy is not None and http.proxy.mode is not ProxyMode.NONE:
        return "target.http.proxy"
    return None
