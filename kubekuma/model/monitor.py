"""The Monitor: one check, its schedule, target, criteria and alerting."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from urllib.parse import urlsplit

import attrs

from kubekuma.model.criteria import PERCENT, SuccessCriteria
from kubekuma.model.field import Rule, says, snake_case
from kubekuma.model.meta import Key, ObjectMeta, ResourceStatus
from kubekuma.model.target import AnyTarget, HttpTarget, Target

DAY_SECONDS = 86_400


class MonitorType(StrEnum):
    """The checkers."""

    HTTP = "http"
    KEYWORD = "keyword"
    JSON_QUERY = "jsonQuery"
    TCP = "tcp"
    UDP = "udp"
    DNS = "dns"
    PING = "ping"
    WEBSOCKET = "websocket"
    PUSH = "push"
    STEAM = "steam"
    K8S = "k8s"
    DOCKER = "docker"
    GRPC = "grpc"
    TLS_CERTIFICATE = "tlsCertificate"
    DOMAIN_EXPIRY = "domainExpiry"
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MSSQL = "mssql"
    REDIS = "redis"
    MONGODB = "mongodb"
    MQTT = "mqtt"
    RABBITMQ = "rabbitmq"
    KAFKA = "kafka"
    SMTP = "smtp"
    IMAP = "imap"
    SSH = "ssh"
    LDAP = "ldap"
    RADIUS = "radius"
    SNMP = "snmp"
    NTP = "ntp"
    SIP = "sip"
    GROUP = "group"
    MANUAL = "manual"
    SCENARIO = "scenario"

    @property
    def target_field(self) -> str:
        """The field of ``spec.target`` that this type uses."""
        return "http" if self in {MonitorType.KEYWORD, MonitorType.JSON_QUERY} else self.value


class AlertSeverity(StrEnum):
    """How bad an outage of a monitor is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@attrs.frozen(kw_only=True)
class Retries:
    """How often a failure is checked again before it counts."""

    max_retries: int = says(
        "Failed re-checks after the first failure before the monitor is down.",
        default=0,
        low=0,
        high=100,
    )
    retry_interval_seconds: int = says(
        "Seconds between re-checks, also while the monitor is down.", default=20, low=1, high=3600
    )


@attrs.frozen(kw_only=True)
class Schedule:
    """When the target is checked, and how long a failure must last."""

    __rules__ = (
        Rule(
            cel=(
                "!has(self.timeoutSeconds) || !has(self.intervalSeconds)"
                " || self.timeoutSeconds < self.intervalSeconds"
            ),
            holds=lambda it: it.timeout_seconds is None or it.timeout_seconds < it.interval_seconds,
            message="must be less than intervalSeconds",
            field_path="timeoutSeconds",
        ),
    )

    interval_seconds: int = says(
        "Seconds from one check to the next; at least the settings' scheduler.minIntervalSeconds.",
        default=60,
        low=1,
        high=DAY_SECONDS,
    )
    timeout_seconds: int | None = says(
        "Seconds that a check may take; default: the settings' scheduler.defaultTimeoutSeconds,"
        " and always less than intervalSeconds.",
        default=None,
        low=1,
        high=600,
    )
    retries: Retries = says("How a failure is checked again.", default=Retries())
    recovery_successes: int = says(
        "Passes in a row that end an outage.", default=1, low=1, high=100
    )
    initial_delay_seconds: int = says(
        "Seconds to wait after the monitor was created.", default=0, low=0, high=DAY_SECONDS
    )
    grace_down_seconds: int = says(
        "Seconds that a failure must last before the monitor is down.",
        default=0,
        low=0,
        high=DAY_SECONDS,
    )
    jitter_percent: int | None = says(
        "Spread of the slot within the interval; default: the settings' scheduler.jitterPercent.",
        default=None,
        low=0,
        high=50,
    )

    def timeout_within(self, default_seconds: int) -> float:
        """Seconds that a check may take, ``default_seconds`` being the settings' default."""
        if self.timeout_seconds is not None:
            return float(self.timeout_seconds)
        # The default fits most intervals; a shorter one leaves room to end before the next check.
        return min(float(default_seconds), 0.9 * self.interval_seconds)


@attrs.frozen(kw_only=True)
class MonitorRef:
    """A monitor that this one depends on."""

    name: str = says("Name of the monitor.", min_length=1)
    namespace: str | None = says("Its namespace; default: our own.", default=None, max_length=63)


@attrs.frozen(kw_only=True)
class PolicyRef:
    """The one policy that tells of this monitor."""

    name: str = says("Name of the NotificationPolicy.", min_length=1)
    namespace: str | None = says(
        "Its namespace: our own (default) or KubeKuma's.", default=None, max_length=63
    )


@attrs.frozen(kw_only=True)
class NotifyOn:
    """What is told of a monitor, if the policy's triggers agree."""

    down: bool = says("Outages.", default=True)
    up: bool = says("Recoveries.", default=True)
    flapping: bool = says("Flapping.", default=True)
    degraded: bool = says("Degradations.", default=False)
    cert_expiring: bool = says("Certificates that end soon.", default=True)
    unknown_after_minutes: int = says(
        "Minutes after which it is told that the monitor cannot be checked; 0: never.",
        default=30,
        low=0,
        high=10_080,
    )


@attrs.frozen(kw_only=True)
class Alerting:
    """Who hears of this monitor, and of what."""

    severity: AlertSeverity = says(
        "How bad an outage is; degraded, certExpiring and unknown count one step lower.",
        default=AlertSeverity.CRITICAL,
    )
    policy_ref: PolicyRef | None = says(
        "Only this policy; absent: every policy that selects the monitor.", default=None
    )
    resend_interval_minutes: int = says(
        "Minutes between reminders while the monitor is down; 0: none.",
        default=0,
        low=0,
        high=10_080,
    )
    notify_on: NotifyOn = says("What is told.", default=NotifyOn())


@attrs.frozen(kw_only=True)
class Slo:
    """A service level objective."""

    objective_percent: str = says("Share of time that must be up.", max_length=16, pattern=PERCENT)
    window_days: int = says("Days that it is measured over.", default=30, low=1, high=366)
    alert_on_burn: bool = says("Whether a fast loss of the budget is told.", default=True)


@attrs.frozen(kw_only=True)
class Link:
    """Something to read about the monitor."""

    name: str = says("What it is.", min_length=1, max_length=128)
    url: str = says("Where it is.", max_length=2048, pattern=r"^https?://\S+$")


def _has_target(kind: MonitorType) -> Rule:
    field, attribute = kind.target_field, snake_case(kind.target_field)
    return Rule(
        cel=f"self.type != '{kind}' || has(self.target.{field})",
        holds=lambda it: getattr(it.target, attribute) is not None,
        message=f"must have {field}, because type is {kind}",
        field_path="target",
        only_of=("type", kind),
    )


def _has_criteria(kind: MonitorType) -> Rule:
    return Rule(
        cel=(
            f"self.type != '{kind}'"
            f" || (has(self.successCriteria) && has(self.successCriteria.{kind}))"
        ),
        holds=lambda it: getattr(it.success_criteria, snake_case(kind)) is not None,
        message=f"must have {kind}, because type is {kind}",
        field_path="successCriteria",
        only_of=("type", kind),
    )


_TARGETS = tuple(dict.fromkeys(kind.target_field for kind in MonitorType))
_targets: Callable[[Target], tuple[AnyTarget | None, ...]] = attrgetter(*map(snake_case, _TARGETS))


@attrs.frozen(kw_only=True)
class MonitorSpec:
    """What a person says of a monitor."""

    __rules__ = (
        *(_has_target(kind) for kind in MonitorType),
        Rule(
            cel="[{}].filter(x, x).size() == 1".format(
                ", ".join(f"has(self.target.{name})" for name in _TARGETS)
            ),
            holds=lambda it: _targets(it.target).count(None) == len(_TARGETS) - 1,
            message="must have exactly one target",
            field_path="target",
        ),
        _has_criteria(MonitorType.KEYWORD),
        _has_criteria(MonitorType.JSON_QUERY),
    )

    type: MonitorType = says("Which checker.")
    target: Target = says("What is checked.")
    enabled: bool = says("false pauses the monitor and keeps its history.", default=True)
    display_name: str | None = says(
        "Name for people and public pages; default: the name.",
        default=None,
        min_length=1,
        max_length=256,
    )
    description: str | None = says("What this is, for people.", default=None, max_length=4096)
    links: tuple[Link, ...] = says(
        "What to read about it.", default=(), max_items=16, list_type="map", list_keys=("name",)
    )
    invert: bool = says("Whether a pass fails and a fail passes.", default=False)
    schedule: Schedule = says("When it is checked.", default=Schedule())
    success_criteria: SuccessCriteria = says("What passes.", default=SuccessCriteria())
    depends_on: tuple[MonitorRef, ...] = says(
        "Monitors whose outage holds back this one's alerts; checks go on.",
        default=(),
        max_items=32,
    )
    alerting: Alerting = says("Who hears of it.", default=Alerting())
    tags: tuple[str, ...] = says(
        "Words to find it by.",
        default=(),
        max_items=32,
        min_length=1,
        max_length=63,
        list_type="set",
    )
    slo: Slo | None = says("A service level objective.", default=None)
    annotations: Mapping[str, str] = says(
        "Further facts, shown in alerts and in the UI.",
        default={},
        max_length=4096,
        max_items=64,
    )

    @property
    def target_in_use(self) -> AnyTarget:
        """The target that ``type`` names; validation has seen that it is there."""
        found: AnyTarget = getattr(self.target, snake_case(self.type.target_field))
        return found

    @property
    def target_text(self) -> str:
        """What is checked, for people; without query and fragment, which may hold credentials."""
        target = self.target_in_use
        if isinstance(target, HttpTarget):
            parts = urlsplit(target.url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        host = getattr(target, "host", None) or getattr(target, "name", None)
        port = getattr(target, "port", None)
        if host is None:
            return self.type.value
        shown = f"[{host}]" if ":" in host and port else str(host)
        return f"{shown}:{port}" if port else shown


@attrs.frozen(kw_only=True)
class Monitor:
    """A valid Monitor."""

    meta: ObjectMeta
    spec: MonitorSpec

    @property
    def parents(self) -> Iterator[Key]:
        """The monitors that it depends on."""
        for ref in self.spec.depends_on:
            yield Key(ref.namespace or self.meta.key.namespace, ref.name)


# Status: what we say of a monitor -----------------------------------------------------------------


@attrs.frozen(kw_only=True)
class IncidentSummary:
    """The outage that is going on."""

    id: str = says("Its id.", max_length=64)
    started_at: datetime = says("First failure.")
    acknowledged: bool = says("Whether somebody has taken it on.", default=False)
    told: bool = says("Whether anybody was told.", default=False)


@attrs.frozen(kw_only=True)
class LastResult:
    """The last check."""

    state: str = says("passed, degraded, failed or unknown.", max_length=16)
    checked_at: datetime = says("When it began.")
    latency_ms: int | None = says("Milliseconds that it took.", default=None, low=0)
    attempts: int = says("Checks since the state was last settled.", default=1, low=1)
    reason: str = says("Why, in one CamelCase word.", max_length=64)
    message: str = says("Why, for people.", default="", max_length=1024)


@attrs.frozen(kw_only=True)
class UptimeSummary:
    """Uptime in percent as decimal text, cut and never rounded up; absent: nothing measured."""

    last1h: str | None = says("Last hour.", default=None, max_length=16)
    last24h: str | None = says("Last 24 hours.", default=None, max_length=16)
    last7d: str | None = says("Last 7 days.", default=None, max_length=16)
    last30d: str | None = says("Last 30 days.", default=None, max_length=16)


@attrs.frozen(kw_only=True)
class CertificateSummary:
    """The certificate that the target last showed."""

    expires_at: datetime = says("When it ends.")
    days_remaining: int = says("Whole days until then, at the time of writing.")
    valid: bool = says("Whether it verifies.")


@attrs.frozen(kw_only=True)
class MonitorStatus(ResourceStatus):
    """What we say of a monitor."""

    verdict: str | None = says(
        "What the target does: pending, up, degraded, down or unknown.", default=None, max_length=16
    )
    overlays: tuple[str, ...] | None = says(
        "What we do about it: paused, maintenance, flapping, silenced, heldBy.",
        default=None,
        max_items=8,
        max_length=32,
        list_type="set",
    )
    state: str | None = says(
        "What is shown: paused, maintenance, flapping, or else the verdict.",
        default=None,
        max_length=16,
    )
    since: datetime | None = says("When the state began.", default=None)
    target: str | None = says(
        "What is checked, without credentials.", default=None, max_length=2048
    )
    incident: IncidentSummary | None = says("The outage that is going on.", default=None)
    last_result: LastResult | None = says("The last check.", default=None)
    uptime: UptimeSummary | None = says("Uptime in percent.", default=None)
    cert: CertificateSummary | None = says("The certificate last seen.", default=None)
    notifies: int | None = says(
        "How many providers an outage would reach now.", default=None, low=0
    )
