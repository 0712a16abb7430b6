"""The kinds: their names, where they live, and what ``kubectl get`` shows of them."""

from typing import Final

import attrs

from kubekuma.model.meta import API_VERSION, GROUP
from kubekuma.model.monitor import MonitorSpec, MonitorStatus
from kubekuma.model.settings import SETTINGS_NAME, SettingsSpec, SettingsStatus


@attrs.frozen(kw_only=True)
class Column:
    """A column of ``kubectl get``; those of ``priority`` 1 only with ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of resource."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    doc: str
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
_AGE: Final = Column(name="Age", path=".metadata.creationTimestamp", type="date")

MONITOR: Final = Kind(
    name="Monitor",
    plural="monitors",
    short_names=("mon",),
    doc="One check: its schedule, target, success criteria and alerting.",
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

SETTINGS: Final = Kind(
    name="KubeKumaSettings",
    plural="kubekumasettings",
    short_names=("kks",),
    doc="Global settings; a singleton named kubekuma. Without it the defaults hold.",
    spec=SettingsSpec,
    status=SettingsStatus,
    namespaced=False,
    only_name=SETTINGS_NAME,
    columns=(_READY, _AGE),
)

KINDS: Final = (MONITOR, SETTINGS)


def kind_named(name: str) -> Kind | None:
    """The kind that manifests call ``name``."""
    return next((each for each in KINDS if each.name == name), None)
