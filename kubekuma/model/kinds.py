"""The kinds: their names, where they live, and what ``kubectl get`` shows of them."""

from typing import Any, Final

import attrs

from kubekuma.model.api_key import ApiKey, ApiKeySpec, ApiKeyStatus
from kubekuma.model.maintenance import Window, WindowSpec, WindowStatus
from kubekuma.model.meta import API_VERSION, GROUP
from kubekuma.model.monitor import Monitor, MonitorSpec, MonitorStatus
from kubekuma.model.monitor_set import MonitorSet, MonitorSetSpec, MonitorSetStatus
from kubekuma.model.policy import Policy, PolicySpec, PolicyStatus
from kubekuma.model.provider import Provider, ProviderSpec, ProviderStatus
from kubekuma.model.settings import SETTINGS_NAME, Settings, SettingsSpec, SettingsStatus
from kubekuma.model.silence import Silence, SilenceSpec, SilenceStatus
from kubekuma.model.status_page import Page, PageSpec, PageStatus
from kubekuma.model.user import User, UserSpec, UserStatus


@attrs.frozen(kw_only=True)
class Column:
    """A column of ``kubectl get``; those of ``priority`` 1 only with ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


# Caches are asked by it for every object that comes.
@attrs.frozen(kw_only=True, cache_hash=True)
class Kind:
    """One kind of resource; ``resource(meta=..., spec=...)`` is a valid one."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    doc: str
    resource: Any
    spec: type
    status: type
    namespaced: bool = True
    only_name: str | None = None  # of a singleton
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()

    @property
    def crd_name(self) -> str:
        """The name of its CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return API_VERSION


_READY: Final = Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status')
_REASON: Final = Column(
    name="Reason", path='.status.conditions[?(@.type=="Ready")].reason', priority=1
)
_AGE: Final = Column(name="Age", path=".metadata.creationTimestamp", type="date")
_LAST: Final = (_READY, _REASON, _AGE)

SETTINGS: Final = Kind(
    name="KubeKumaSettings",
    plural="kubekumasettings",
    short_names=("kks",),
    doc="Global settings; a singleton named kubekuma. Without it the defaults hold.",
    resource=Settings,
    spec=SettingsSpec,
    status=SettingsStatus,
    namespaced=False,
    only_name=SETTINGS_NAME,
    columns=_LAST,
)

MONITOR: Final = Kind(
    name="Monitor",
    plural="monitors",
    short_names=("mon",),
    doc="One check: its schedule, target, success criteria and alerting.",
    resource=Monitor,
    spec=MonitorSpec,
    status=MonitorStatus,
    columns=(
        Column(name="Type", path=".spec.type"),
        Column(name="State", path=".status.state"),
        Column(name="Uptime-24h", path=".status.uptime.last24h"),
        Column(name="Latency", path=".status.lastResult.latencyMs", type="integer"),
        _READY,
        Column(name="Target", path=".status.target", priority=1),
        Column(name="Last-Check", path=".status.lastResult.checkedAt", type="date", priority=1),
        Column(name="Reason", path=".status.lastResult.reason", priority=1),
        _AGE,
    ),
    selectable=(".spec.type", ".status.state"),
)

MONITOR_SET: Final = Kind(
    name="MonitorSet",
    plural="monitorsets",
    short_names=("monset",),
    doc="Many checks with shared defaults, expanded inline: no child objects are created.",
    resource=MonitorSet,
    spec=MonitorSetSpec,
    status=MonitorSetStatus,
    columns=(
        Column(name="Valid", path=".status.validCount", type="integer"),
        Column(name="Invalid", path=".status.invalidCount", type="integer"),
        *_LAST,
    ),
)

PROVIDER: Final = Kind(
    name="NotificationProvider",
    plural="notificationproviders",
    short_names=("notifier",),
    doc="Where messages go, with credentials by Secret reference.",
    resource=Provider,
    spec=ProviderSpec,
    status=ProviderStatus,
    columns=(
        Column(name="Type", path=".spec.type"),
        Column(name="Default", path=".spec.default", type="boolean"),
        Column(
            name="Delivering", path='.status.conditions[?(@.type=="Delivering")].status', priority=1
        ),
        *_LAST,
    ),
    selectable=(".spec.type",),
)

POLICY: Final = Kind(
    name="NotificationPolicy",
    plural="notificationpolicies",
    short_names=("notpol",),
    doc="Which transitions of which monitors go to which providers, and how.",
    resource=Policy,
    spec=PolicySpec,
    status=PolicyStatus,
    columns=(
        Column(name="Priority", path=".spec.priority", type="integer"),
        Column(name="Monitors", path=".status.monitorCount", type="integer"),
        Column(name="Providers", path=".status.providersResolved", type="integer"),
        *_LAST,
    ),
)

PAGE: Final = Kind(
    name="StatusPage",
    plural="statuspages",
    short_names=("spage",),
    doc="A public page of grouped monitors.",
    resource=Page,
    spec=PageSpec,
    status=PageStatus,
    columns=(
        Column(name="Slug", path=".spec.slug"),
        Column(name="Status", path=".status.overallStatus"),
        Column(name="Monitors", path=".status.monitorCount", type="integer"),
        Column(name="URL", path=".status.publishedUrl", priority=1),
        *_LAST,
    ),
    selectable=(".spec.slug",),
)

WINDOW: Final = Kind(
    name="MaintenanceWindow",
    plural="maintenancewindows",
    short_names=("mw",),
    doc="Planned work, once or by RRULE.",
    resource=Window,
    spec=WindowSpec,
    status=WindowStatus,
    columns=(
        Column(name="Active", path=".status.isActive", type="boolean"),
        # As text: the server would show a date as an age, and of what is to come none.
        Column(name="Next", path=".status.nextOccurrence"),
        Column(name="Monitors", path=".status.monitorCount", type="integer"),
        Column(name="Title", path=".spec.title", priority=1),
        *_LAST,
    ),
)

SILENCE: Final = Kind(
    name="Silence",
    plural="silences",
    short_names=("sil",),
    doc="Ad-hoc, time-bounded muting.",
    resource=Silence,
    spec=SilenceSpec,
    status=SilenceStatus,
    columns=(
        Column(name="Active", path=".status.isActive", type="boolean"),
        Column(name="Expires-In", path=".status.expiresIn"),
        Column(name="Monitors", path=".status.affectedCount", type="integer"),
        Column(name="Why", path=".spec.reason", priority=1),
        *_LAST,
    ),
)

USER: Final = Kind(
    name="LocalUser",
    plural="localusers",
    short_names=("kuser",),
    doc="A local account: password hash by Secret reference, role, TOTP.",
    resource=User,
    spec=UserSpec,
    status=UserStatus,
    columns=(
        Column(name="Username", path=".spec.username"),
        Column(name="Role", path=".spec.role"),
        Column(name="Disabled", path=".spec.disabled", type="boolean"),
        Column(name="Last-Login", path=".status.lastLoginAt", type="date", priority=1),
        *_LAST,
    ),
)

API_KEY: Final = Kind(
    name="ApiKey",
    plural="apikeys",
    short_names=("kkey",),
    doc="A scoped token of a LocalUser, hash by Secret reference.",
    resource=ApiKey,
    spec=ApiKeySpec,
    status=ApiKeyStatus,
    columns=(
        Column(name="Owner", path=".spec.ownerRef.name"),
        Column(name="Disabled", path=".spec.disabled", type="boolean"),
        Column(name="Expires", path=".spec.expiresAt", priority=1),
        Column(name="Last-Used", path=".status.lastUsedAt", type="date", priority=1),
        *_LAST,
    ),
)

KINDS: Final = (
    SETTINGS,
    MONITOR,
    MONITOR_SET,
    PROVIDER,
    POLICY,
    PAGE,
    WINDOW,
    SILENCE,
    USER,
    API_KEY,
)


def kind_named(name: str) -> Kind | None:
    """The kind that manifests call ``name``."""
    return next((each for each in KINDS if each.name == name), None)
