"""Which parts of a spec have a checker in this version."""

from functools import cache
from importlib.util import find_spec
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
        MonitorType.SCENARIO,
        MonitorType.KAFKA,
        MonitorType.DOCKER,
        MonitorType.RABBITMQ,
        MonitorType.PUSH,
        MonitorType.K8S,
        MonitorType.GROUP,
        MonitorType.MANUAL,
        MonitorType.POSTGRESQL,
        MonitorType.MYSQL,
        MonitorType.MSSQL,
        MonitorType.MONGODB,
    }
)

# Modules that not every installation has, and the packages that have them.
_LIBRARIES: Final = {
    MonitorType.MSSQL: ("pytds", "python-tds"),
    MonitorType.MONGODB: ("pymongo", "pymongo"),
}
INSTALL: Final = 'pip install "kubekuma[databases]"'


def missing(spec: MonitorSpec) -> str | None:
    """The first part of ``spec`` that no checker can do here; None when all of it can be done."""
    if spec.type not in AVAILABLE_TYPES:
        return f"type {spec.type}"
    module, package = _LIBRARIES.get(spec.type, (None, ""))
    if module is not None and not _is_installed(module):
        return f"type {spec.type} without {package}: {INSTALL}"
    return None


@cache
def _is_installed(module: str) -> bool:
    return find_spec(module) is not None
