"""KubeKumaSettings: the cluster-scoped singleton ``kubekuma``. Without it the defaults hold."""

from enum import StrEnum

import attrs

from kubekuma.model.field import needed_when, says
from kubekuma.model.meta import ObjectMeta, ResourceStatus, SecretKeyRef
from kubekuma.model.target import Resolver

SETTINGS_NAME = "kubekuma"
CIDR = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"
NAMESPACE = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$"


class OperationalAction(StrEnum):
    """What people may do although Git owns the resources."""

    ACKNOWLEDGE = "acknowledge"
    CHECK_NOW = "checkNow"
    POST = "post"
    SILENCE = "silence"


class AuthMode(StrEnum):
    """How people log in."""

    OIDC = "oidc"
    LOCAL = "local"
    DISABLED = "disabled"


class Role(StrEnum):
    """What a person may do."""

    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


class PingMode(StrEnum):
    """How a ping monitor asks."""

    ICMP = "icmp"
    TCP_FALLBACK = "tcpFallback"
    TCP_ONLY = "tcpOnly"


class MetricsAuth(StrEnum):
    """Who may read /metrics."""

    OPEN = "open"
    BASIC = "basic"
    API_KEY = "apiKey"


class OnApiUnavailable(StrEnum):
    """What to do when the lease cannot be renewed because the API server is away."""

    STOP = "Stop"
    CONTINUE = "Continue"


class DiscoverySourceType(StrEnum):
    """Where suggestions for monitors come from."""

    INGRESS = "ingress"
    GATEWAY_API = "gatewayapi"
    SERVICE = "service"


@attrs.frozen(kw_only=True)
class Mode:
    """Who may change what."""

    git_ops_read_only: bool = says("Whether the UI and API change no resource.", default=False)
    single_instance_required: bool = says(
        "Whether a second scheduler must never run.", default=True
    )
    operational_actions: tuple[OperationalAction, ...] = says(
        "What people may still do when Git owns the resources.",
        default=(
            OperationalAction.ACKNOWLEDGE,
            OperationalAction.CHECK_NOW,
            OperationalAction.POST,
        ),
        max_items=8,
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class RoleMapping:
    """A group of the identity provider and the role that it gives."""

    match_group: str = says("Name of the group.", min_length=1, max_length=256)
    role: Role = says("Role of its members.")
    namespaces: tuple[str, ...] = says(
        "Namespaces in which; default: all.",
        default=(),
        max_items=64,
        max_length=63,
        pattern=NAMESPACE,
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class Oidc:
    """Login at an OpenID Connect provider."""

    issuer_url: str = says("Issuer.", max_length=2048, pattern=r"^https?://\S+$")
    client_id: str = says("Id of our client.", min_length=1)
    client_secret_ref: SecretKeyRef = says("Where the client's secret stands.")
    redirect_url: str | None = says(
        "Where the provider sends people back.", default=None, max_length=2048
    )
    scopes: tuple[str, ...] = says(
        "Scopes to ask for.",
        default=("openid", "profile", "email"),
        max_items=16,
        max_length=64,
        list_type="set",
    )
    group_claim: str = says("Claim that names the groups.", default="groups", max_length=256)
    role_mappings: tuple[RoleMapping, ...] = says(
        "Which group gives which role.",
        default=(),
        max_items=128,
        list_type="map",
        list_keys=("matchGroup",),
    )


@attrs.frozen(kw_only=True)
class LocalAuth:
    """Login with a LocalUser."""

    require_mfa: bool = says("Whether everybody needs a second factor.", default=False)
    bootstrap_admin_secret_ref: SecretKeyRef | None = says(
        "Password hash of the first admin.", default=None
    )
    session_max_age_seconds: int = says(
        "How long a session lasts.", default=604_800, low=300, high=7_776_000
    )


@attrs.frozen(kw_only=True)
class ApiKeys:
    """API keys of local users."""

    enabled: bool = says("Whether keys are accepted.", default=True)
    max_keys_per_user: int = says("Keys a user may have.", default=10, low=0, high=1000)


@attrs.frozen(kw_only=True)
class AuthSettings:
    """How people and programs show who they are."""

    __rules__ = (needed_when("oidc", "mode", "oidc"),)

    mode: AuthMode = says("How people log in.", default=AuthMode.LOCAL)
    oidc: Oidc | None = says("Login at a provider.", default=None)
    local: LocalAuth = says("Login with a LocalUser.", default=LocalAuth())
    api_keys: ApiKeys = says("API keys.", default=ApiKeys())


@attrs.frozen(kw_only=True)
class Flapping:
    """When a monitor changes too often to tell each change."""

    enabled: bool = says("Whether flapping is told apart.", default=True)
    toggle_threshold: int = says("Changes within the window.", default=6, low=2, high=100)
    window_minutes: int = says("Length of the window.", default=10, low=1, high=1440)
    suppress_notifications_minutes: int = says(
        "Minutes that changes stay untold at most.", default=30, low=1, high=1440
    )


@attrs.frozen(kw_only=True)
class ConnectivityScope:
    """Hosts that tell whether the fault is ours."""

    targets: tuple[str, ...] = says(
        "host:port to connect to; all unreachable: the fault is ours.",
        default=(),
        max_items=16,
        max_length=259,
        pattern=r"^\S+:[0-9]{1,5}$",
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class Connectivity:
    """How we tell our own faults from the targets'."""

    internet: ConnectivityScope = says(
        "Asked before a public address is called down.", default=ConnectivityScope()
    )
    local: ConnectivityScope = says(
        "Asked before any other address is called down.", default=ConnectivityScope()
    )


@attrs.frozen(kw_only=True)
class Scheduler:
    """Defaults and limits of checking."""

    min_interval_seconds: int = says(
        "The shortest interval that a monitor may ask for.", default=20, low=1, high=3600
    )
    max_concurrent_net_checks: int | None = says(
        "Network checks at once; absent: 200, growing with demand up to half the descriptors.",
        default=None,
        low=1,
        high=100_000,
    )
    max_concurrent_priv_checks: int = says(
        "Checks with privileged sockets at once.", default=20, low=1, high=10_000
    )
    default_timeout_seconds: int = says(
        "Timeout of monitors that set none.", default=10, low=1, high=600
    )
    jitter_percent: int = says("Jitter of monitors that set none.", default=5, low=0, high=50)
    status_refresh_seconds: int = says(
        "Least seconds between two status writes of a monitor whose state did not change.",
        default=300,
        low=10,
        high=86_400,
    )
    flapping: Flapping = says("When changes are too many to tell.", default=Flapping())
    connectivity: Connectivity = says("How our own faults are told.", default=Connectivity())


@attrs.frozen(kw_only=True)
class SystemAlerting:
    """Who hears of our own troubles."""

    system_provider_refs: tuple[str, ...] = says(
        "NotificationProviders in KubeKuma's namespace.", default=(), max_items=16, list_type="set"
    )
    weekly_proof: bool = says("Whether to say once a week that all is well.", default=False)


@attrs.frozen(kw_only=True)
class Heartbeat:
    """A dead man's switch outside, that hears from us while we work."""

    url_from_secret_ref: SecretKeyRef = says("Where its URL stands.")
    interval_seconds: int = says(
        "Seconds between two signs of life.", default=60, low=10, high=3600
    )


@attrs.frozen(kw_only=True)
class Downsample:
    """How old history is made smaller."""

    enabled: bool = says("Whether it is.", default=True)
    older_than_days: int = says("From which age.", default=30, low=1, high=3650)
    bucket_minutes: int = says("Length of a bucket.", default=10, low=1, high=1440)


@attrs.frozen(kw_only=True)
class Retention:
    """How long history is kept, in days."""

    heartbeats_days: int = says("Heartbeats.", default=90, low=1, high=3650)
    checks_days: int = says("Phases and messages of checks.", default=14, low=1, high=3650)
    hour_days: int = says("Hourly figures.", default=400, low=1, high=3650)
    day_days: int = says("Daily figures.", default=1830, low=1, high=36500)
    spans_days: int = says("Spans, from which uptime is computed.", default=1830, low=1, high=36500)
    incidents_days: int = says("Incidents.", default=1830, low=1, high=36500)
    audit_days: int = says("Audit events.", default=400, low=1, high=36500)
    downsample: Downsample = says("How old history is made smaller.", default=Downsample())


@attrs.frozen(kw_only=True)
class DnsSettings:
    """How names are resolved."""

    resolvers: tuple[Resolver, ...] = says(
        "Servers to ask; default: the system's.", default=(), max_items=8
    )
    timeout_seconds: int = says("Seconds that an answer may take.", default=5, low=1, high=60)


@attrs.frozen(kw_only=True)
class PingSettings:
    """How ping monitors ask."""

    mode: PingMode = says("How.", default=PingMode.ICMP)
    tcp_fallback_port: int = says("Port to try instead.", default=443, low=1, high=65535)


@attrs.frozen(kw_only=True)
class AddressPolicy:
    """Which addresses may be connected to. Judged on the address itself, at every redirect."""

    deny_cidrs: tuple[str, ...] = says(
        "Never, whatever else says.",
        default=(),
        max_items=256,
        max_length=64,
        pattern=CIDR,
        list_type="set",
    )
    allow_cidrs: tuple[str, ...] = says(
        "Although denied by default, as loopback, link-local and metadata addresses are.",
        default=(),
        max_items=256,
        max_length=64,
        pattern=CIDR,
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class Networking:
    """How checks reach their targets."""

    user_agent: str | None = says(
        "User-Agent of HTTP checks; default: KubeKuma/<version>.",
        default=None,
        min_length=1,
        max_length=256,
        pattern=r"^[\x20-\x7e]+$",
    )
    dns: DnsSettings = says("How names are resolved.", default=DnsSettings())
    ping: PingSettings = says("How ping monitors ask.", default=PingSettings())
    targets: AddressPolicy = says("Which addresses may be checked.", default=AddressPolicy())
    unix_sockets: tuple[str, ...] = says(
        "Paths that docker monitors may open.",
        default=(),
        max_items=16,
        max_length=1024,
        pattern=r"^/\S+$",
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class Metrics:
    """The /metrics endpoint."""

    __rules__ = (needed_when("basicAuthSecretRef", "authMode", "basic"),)

    enabled: bool = says("Whether it is served.", default=True)
    auth_mode: MetricsAuth = says("Who may read it.", default=MetricsAuth.OPEN)
    basic_auth_secret_ref: SecretKeyRef | None = says(
        "Where user:password stands, for basic.", default=None
    )


@attrs.frozen(kw_only=True)
class PublicEndpoints:
    """What is served without login."""

    status_pages_enabled: bool = says("Status pages.", default=True)
    badges_enabled: bool = says("Badges.", default=True)
    metrics: Metrics = says("Metrics.", default=Metrics())


@attrs.frozen(kw_only=True)
class LeaderElection:
    """One scheduler at a time."""

    on_api_unavailable: OnApiUnavailable = says(
        "Whether checks go on while the database fence is held.", default=OnApiUnavailable.STOP
    )


@attrs.frozen(kw_only=True)
class DiscoverySource:
    """Where suggestions come from."""

    type: DiscoverySourceType = says("Kind of source.")


@attrs.frozen(kw_only=True)
class DiscoveryBehavior:
    """What becomes of what was found."""

    show_suggestions_in_ui: bool = says("Whether the UI shows it.", default=True)
    write_crds: bool = says("Whether Monitors are written.", default=False)
    default_health_path: str = says("Path to check.", default="/", max_length=1024)


@attrs.frozen(kw_only=True)
class Discovery:
    """Suggestions for monitors."""

    enabled: bool = says("Whether to look.", default=False)
    sources: tuple[DiscoverySource, ...] = says(
        "Where to look.", default=(), max_items=8, list_type="map", list_keys=("type",)
    )
    behavior: DiscoveryBehavior = says("What becomes of it.", default=DiscoveryBehavior())


@attrs.frozen(kw_only=True)
class SettingsSpec:
    """What holds for everything."""

    mode: Mode = says("Who may change what.", default=Mode())
    auth: AuthSettings = says("How people and programs show who they are.", default=AuthSettings())
    scheduler: Scheduler = says("Defaults and limits of checking.", default=Scheduler())
    location: str = says(
        "Name of the place that we check from.",
        default="main",
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    )
    alerting: SystemAlerting = says("Who hears of our own troubles.", default=SystemAlerting())
    heartbeat: Heartbeat | None = says("A dead man's switch outside.", default=None)
    retention: Retention = says("How long history is kept.", default=Retention())
    networking: Networking = says("How checks reach their targets.", default=Networking())
    public_endpoints: PublicEndpoints = says(
        "What is served without login.", default=PublicEndpoints()
    )
    leader_election: LeaderElection = says("One scheduler at a time.", default=LeaderElection())
    discovery: Discovery = says("Suggestions for monitors.", default=Discovery())


@attrs.frozen(kw_only=True)
class Settings:
    """A valid KubeKumaSettings."""

    meta: ObjectMeta
    spec: SettingsSpec


@attrs.frozen(kw_only=True)
class SettingsStatus(ResourceStatus):
    """What we say of the settings."""
