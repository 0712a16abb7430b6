"""Runs the checker that belongs to a monitor, under the monitor's deadline."""

from collections.abc import Sequence
from traceback import format_tb
from typing import Final, TypeVar, assert_never

import structlog
import trio

from kubekuma.check.context import Check, CheckContext
from kubekuma.check.dns import check_dns
from kubekuma.check.docker import check_docker
from kubekuma.check.domain_expiry import check_domain_expiry
from kubekuma.check.finding import CheckFailed, Finding, conclude
from kubekuma.check.group import check_group
from kubekuma.check.grpc import check_grpc
from kubekuma.check.http import check_http
from kubekuma.check.imap import check_imap
from kubekuma.check.json_query import check_json_query
from kubekuma.check.k8s import check_k8s
from kubekuma.check.kafka import check_kafka
from kubekuma.check.keyword import check_keyword
from kubekuma.check.ldap import check_ldap
from kubekuma.check.manual import check_manual
from kubekuma.check.mongodb import check_mongodb
from kubekuma.check.mqtt import check_mqtt
from kubekuma.check.mssql import check_mssql
from kubekuma.check.mysql import check_mysql
from kubekuma.check.ntp import check_ntp
from kubekuma.check.ping import check_ping
from kubekuma.check.postgresql import check_postgresql
from kubekuma.check.push import check_push
from kubekuma.check.rabbitmq import check_rabbitmq
from kubekuma.check.radius import check_radius
from kubekuma.check.redis import check_redis
from kubekuma.check.scenario import check_scenario
from kubekuma.check.sip import check_sip
from kubekuma.check.smtp import check_smtp
from kubekuma.check.snmp import check_snmp
from kubekuma.check.ssh import check_ssh
from kubekuma.check.steam import check_steam
from kubekuma.check.tcp import check_tcp
from kubekuma.check.tls_certificate import check_tls_certificate
from kubekuma.check.trace import MAX_CHARACTERS, MAX_LINE, Trace
from kubekuma.check.udp import check_udp
from kubekuma.check.websocket import check_websocket
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor, MonitorSpec, MonitorType
from kubekuma.model.result import CheckResult, Outcome, Reason, outcome_of

MAX_MESSAGE: Final = 1024

T = TypeVar("T")

_log = structlog.get_logger(__name__)


async def run_check(
    monitor: Monitor, context: CheckContext, *, transcript: bool = False
) -> CheckResult:
    """Check ``monitor`` once. Always returns a result; only cancellation from outside raises.

    The deadline counts from now. What the target did wrong and what we lack are findings; a bug
    is logged and becomes InternalError, so that one bad check costs nobody else's.
    """
    check = Check(
        meta=monitor.meta,
        context=context,
        trace=Trace(transcript=True),
    )
    seconds = monitor.spec.schedule.timeout_within(context.default_timeout_seconds)
    with trio.move_on_after(seconds) as deadline:
        finding = await _contained(monitor, check)
    if deadline.cancelled_caught:
        finding = check.trace.timed_out(seconds)
        check.trace.give_up(finding.message)
    check.trace.finish()
    # What was said tells why a check failed; of those that pass, few are ever looked at.
    shown = transcript or outcome_of(finding.reason) is Outcome.FAILED
    return _result(finding, check, _transcript(check) if shown else ())


async def _contained(monitor: Monitor, check: Check) -> Finding:
    try:
        return conclude(await _dispatch(monitor.spec, check))
    except CheckFailed as failed:
        check.trace.give_up(failed.finding.message)
        return failed.finding
    except MemoryError:
        return Finding(Reason.NO_MEMORY, "there is no memory left for this check")
    except Exception as error:  # noqa: BLE001 - one bad check must not end the others
        _log_crash(monitor.meta.key, error)
        return Finding(Reason.INTERNAL_ERROR, f"the check crashed ({type(error).__name__})")


def _log_crash(key: Key, error: Exception) -> None:
    # Where, but not what it says: the message of a foreign error may quote a secret header.
    where = "".join(format_tb(error.__traceback__))
    kind = type(error).__name__
    _log.error("check crashed", namespace=key.namespace, name=key.name, error=kind, where=where)


async def _dispatch(spec: MonitorSpec, check: Check) -> Sequence[Finding]:
    # The registry is this match: mypy refuses a type without an arm.
    kind, target, criteria = spec.type, spec.target, spec.success_criteria
    match kind:
        case MonitorType.HTTP:
            return await check_http(_given(target.http), criteria, check)
        case MonitorType.KEYWORD:
            return await check_keyword(_given(target.http), criteria, check)
        case MonitorType.JSON_QUERY:
            return await check_json_query(_given(target.http), criteria, check)
        case MonitorType.TCP:
            return await check_tcp(_given(target.tcp), criteria, check)
        case MonitorType.REDIS:
            return await check_redis(_given(target.redis), criteria, check)
        case MonitorType.SMTP:
            return await check_smtp(_given(target.smtp), criteria, check)
        case MonitorType.IMAP:
            return await check_imap(_given(target.imap), criteria, check)
        case MonitorType.MQTT:
            return await check_mqtt(_given(target.mqtt), criteria, check)
        case MonitorType.LDAP:
            return await check_ldap(_given(target.ldap), criteria, check)
        case MonitorType.SSH:
            return await check_ssh(_given(target.ssh), criteria, check)
        case MonitorType.TLS_CERTIFICATE:
            return await check_tls_certificate(_given(target.tls_certificate), criteria, check)
        case MonitorType.UDP:
            return await check_udp(_given(target.udp), criteria, check)
        case MonitorType.DNS:
            return await check_dns(_given(target.dns), criteria, check)
        case MonitorType.PING:
            return await check_ping(_given(target.ping), criteria, check)
        case MonitorType.NTP:
            return await check_ntp(_given(target.ntp), criteria, check)
        case MonitorType.WEBSOCKET:
            return await check_websocket(_given(target.websocket), criteria, check)
        case MonitorType.STEAM:
            return await check_steam(_given(target.steam), criteria, check)
        case MonitorType.GRPC:
            return await check_grpc(_given(target.grpc), criteria, check)
        case MonitorType.DOMAIN_EXPIRY:
            return await check_domain_expiry(_given(target.domain_expiry), criteria, check)
        case MonitorType.RADIUS:
            return await check_radius(_given(target.radius), criteria, check)
        case MonitorType.SNMP:
            return await check_snmp(_given(target.snmp), criteria, check)
        case MonitorType.SIP:
            return await check_sip(_given(target.sip), criteria, check)
        case MonitorType.RABBITMQ:
            return await check_rabbitmq(_given(target.rabbitmq), criteria, check)
        case MonitorType.DOCKER:
            return await check_docker(_given(target.docker), criteria, check)
        case MonitorType.KAFKA:
            return await check_kafka(_given(target.kafka), criteria, check)
        case MonitorType.SCENARIO:
            return await check_scenario(_given(target.scenario), criteria, check)
        case MonitorType.GROUP:
            return await check_group(_given(target.group), criteria, check)
        case MonitorType.MANUAL:
            return await check_manual(_given(target.manual), criteria, check)
        case MonitorType.PUSH:
            return await check_push(_given(target.push), criteria, check)
        case MonitorType.K8S:
            return await check_k8s(_given(target.k8s), criteria, check)
        case MonitorType.POSTGRESQL:
            return await check_postgresql(_given(target.postgresql), criteria, check)
        case MonitorType.MYSQL:
            return await check_mysql(_given(target.mysql), criteria, check)
        case MonitorType.MSSQL:
            return await check_mssql(_given(target.mssql), criteria, check)
        case MonitorType.MONGODB:
            return await check_mongodb(_given(target.mongodb), criteria, check)
        case _:
            assert_never(kind)


def _given(target: T | None) -> T:
    """Unwrap the target that the type names: validation has seen that it is there."""
    if target is None:
        raise ValueError("the monitor has no target of its type")
    return target


def _result(finding: Finding, check: Check, transcript: Sequence[str]) -> CheckResult:
    trace = check.trace
    return CheckResult(
        reason=finding.reason,
        message=check.publish(finding.message, MAX_MESSAGE) if finding.message else "",
        latency_seconds=trace.latency,
        timings=trace.timings,
        peer=trace.peer,
        status_code=trace.status_code,
        certificate=trace.certificate,
        registered_until=trace.registered_until,
        transcript=transcript,
    )


def _transcript(check: Check) -> Sequence[str]:
    lines: list[str] = []
    left = MAX_CHARACTERS
    for line in check.trace.lines:
        published = check.publish(line, min(left, MAX_LINE))
        lines.append(published)
        left -= len(published)
        if left <= 0:
            break
    return tuple(lines)
