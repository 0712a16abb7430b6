"""The StatusPage: what the public sees of some monitors."""

from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.field import Rule, exactly_one, needed_when, says
from kubekuma.model.match import NAMESPACE, LabelSelector
from kubekuma.model.meta import ObjectMeta, ResourceStatus, SecretKeyRef
from kubekuma.model.settings import CIDR

HTTP_URL = r"^https?://\S+$"
HOST_NAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
COLOR = r"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$"


class ExposureMode(StrEnum):
    """How the page is reached from outside."""

    MANUAL = "manual"
    INGRESS = "ingress"
    GATEWAY_API = "gatewayapi"


class Theme(StrEnum):
    """Colours of the page."""

    LIGHT = "light"
    DARK = "dark"
    SYSTEM = "system"


class BadgeScope(StrEnum):
    """What there are badges of."""

    PAGE = "page"
    GROUPS = "groups"
    MONITORS = "monitors"


class AccessMode(StrEnum):
    """Who may see the page."""

    PUBLIC = "public"
    PASSWORD = "password"  # noqa: S105 - a word for a mode
    OIDC = "oidc"
    CIDRS = "cidrs"


class AnnouncementSeverity(StrEnum):
    """How an announcement looks."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@attrs.frozen(kw_only=True)
class PageTls:
    """A certificate of one's own."""

    secret_ref: str = says("Secret of type kubernetes.io/tls in this namespace.", min_length=1)


@attrs.frozen(kw_only=True)
class Exposure:
    """How the page is reached from outside."""

    mode: ExposureMode = says(
        "manual: somebody else routes the hosts here.", default=ExposureMode.MANUAL
    )
    hosts: tuple[str, ...] = says(
        "Host names under which this page is what / shows.",
        default=(),
        max_items=32,
        pattern=HOST_NAME,
        list_type="set",
    )
    tls: PageTls | None = says("A certificate of one's own.", default=None)


@attrs.frozen(kw_only=True)
class Branding:
    """How the page looks."""

    logo_url: str | None = says("Picture above.", default=None, max_length=2048, pattern=HTTP_URL)
    favicon_url: str | None = says("Icon.", default=None, max_length=2048, pattern=HTTP_URL)
    theme: Theme = says("Colours.", default=Theme.SYSTEM)
    primary_color: str | None = says(
        "Colour of links and buttons, such as #0d9488.", default=None, max_length=7, pattern=COLOR
    )


@attrs.frozen(kw_only=True)
class Content:
    """What is said around the monitors, in a subset of Markdown without HTML."""

    description: str | None = says("Text above.", default=None, max_length=16_384)
    footer: str | None = says("Text below.", default=None, max_length=4096)
    branding: Branding = says("How it looks.", default=Branding())


@attrs.frozen(kw_only=True)
class Shown:
    """What the public sees of a monitor besides its state."""

    uptime: bool = says("Uptime and its bars.", default=True)
    response_time: bool = says("Response times.", default=False)
    certificate: bool = says("When the certificate ends.", default=False)


@attrs.frozen(kw_only=True)
class PageMonitorRef:
    """A monitor within reach."""

    name: str = says("Name of the monitor.", min_length=1)
    namespace: str | None = says(
        "Its namespace; default: our own.", default=None, max_length=63, pattern=NAMESPACE
    )


@attrs.frozen(kw_only=True)
class PageMonitors:
    """One monitor, or all with certain labels."""

    __rules__ = (exactly_one("ref", "selector"),)

    ref: PageMonitorRef | None = says("One monitor.", default=None)
    selector: LabelSelector | None = says("All with these labels.", default=None)
    display_name: str | None = says(
        "Name for the public; default: the monitor's.", default=None, min_length=1, max_length=256
    )
    description: str | None = says("What it is, for the public.", default=None, max_length=1024)
    public_url: str | None = says(
        "Where the public finds it; targets are never shown.",
        default=None,
        max_length=2048,
        pattern=HTTP_URL,
    )
    show: Shown = says("What is shown.", default=Shown())


@attrs.frozen(kw_only=True)
class PageGroup:
    """A heading and the monitors below it."""

    name: str = says("The heading.", min_length=1, max_length=128)
    description: str | None = says("What it is about.", default=None, max_length=1024)
    monitors: tuple[PageMonitors, ...] = says("What stands below it.", default=(), max_items=128)
    collapsed: bool = says("Whether it is folded at first.", default=False)


@attrs.frozen(kw_only=True)
class Badges:
    """Small pictures of a state, for other pages."""

    enabled: bool = says("Whether there are any.", default=True)
    scope: BadgeScope = says("Of what.", default=BadgeScope.MONITORS)


@attrs.frozen(kw_only=True)
class Access:
    """Who may see the page."""

    __rules__ = (
        needed_when("passwordHashSecretRef", "mode", "password"),
        Rule(
            cel="!has(self.mode) || self.mode != 'cidrs' || has(self.cidrs)",
            holds=lambda it: it.mode is not AccessMode.CIDRS or it.cidrs is not None,
            message="must be there when mode is cidrs",
            field_path="cidrs",
        ),
    )

    mode: AccessMode = says("Who.", default=AccessMode.PUBLIC)
    password_hash_secret_ref: SecretKeyRef | None = says(
        "Where the password's hash stands (argon2id), for password.", default=None
    )
    groups: tuple[str, ...] = says(
        "Groups of the identity provider, for oidc; default: everybody who can log in.",
        default=(),
        max_items=64,
        list_type="set",
    )
    cidrs: tuple[str, ...] | None = says(
        "Networks of readers, for cidrs.",
        default=None,
        min_items=1,
        max_items=64,
        max_length=64,
        pattern=CIDR,
        list_type="set",
    )


@attrs.frozen(kw_only=True)
class Subscribe:
    """How the public can be told of changes."""

    email: bool = says("By mail.", default=False)
    webhook: bool = says("By webhook.", default=False)


@attrs.frozen(kw_only=True)
class Snapshot:
    """A static copy elsewhere, so that the page survives us."""

    url_from_secret_ref: SecretKeyRef = says("Where the URL to put it to stands.")
    every_seconds: int = says("Seconds between two copies.", default=60, low=30, high=86_400)


@attrs.frozen(kw_only=True)
class AutoPost:
    """When an incident is posted without a person."""

    after_minutes: int = says("Minutes of an outage.", default=5, low=1, high=1440)
    min_components: int = says("Monitors that are down at once.", default=1, low=1, high=1000)


@attrs.frozen(kw_only=True)
class Announcement:
    """Something that the public should know."""

    __rules__ = (
        Rule(
            cel="!has(self.startsAt) || !has(self.endsAt) || self.startsAt < self.endsAt",
            holds=lambda it: (
                it.starts_at is None or it.ends_at is None or it.starts_at < it.ends_at
            ),
            message="must be later than startsAt",
            field_path="endsAt",
        ),
    )

    title: str = says("What it is, in a few words.", min_length=1, max_length=256)
    severity: AnnouncementSeverity = says("How it looks.", default=AnnouncementSeverity.INFO)
    body: str | None = says("Text, in a subset of Markdown.", default=None, max_length=8192)
    starts_at: datetime | None = says("From when; default: now.", default=None)
    ends_at: datetime | None = says("Until when; default: as long as it stands.", default=None)


@attrs.frozen(kw_only=True)
class PageSpec:
    """What a person says of a page."""

    slug: str = says(
        "Its name in URLs, as in /status/<slug>; unique.",
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    )
    title: str = says("Title.", min_length=1, max_length=256)
    published: bool = says("Whether it is served.", default=True)
    exposure: Exposure = says("How it is reached from outside.", default=Exposure())
    content: Content = says("What is said around the monitors.", default=Content())
    groups: tuple[PageGroup, ...] = says(
        "What is shown.", default=(), max_items=64, list_type="map", list_keys=("name",)
    )
    badges: Badges = says("Small pictures of a state.", default=Badges())
    history_days: int = says("Days in bars.", default=90, low=1, high=365)
    timezone: str = says(
        "IANA time zone of days and hours.", default="UTC", min_length=1, max_length=64
    )
    locale: str = says(
        "Language, such as en or de; auto: the reader's.",
        default="auto",
        max_length=16,
        pattern=r"^(auto|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)$",
    )
    access: Access = says("Who may see it.", default=Access())
    no_index: bool = says("Whether search engines are sent away.", default=False)
    subscribe: Subscribe = says("How the public is told of changes.", default=Subscribe())
    upcoming_days: int = says("Days ahead in which work is announced.", default=14, low=0, high=90)
    snapshot: Snapshot | None = says("A static copy elsewhere.", default=None)
    auto_post: AutoPost | None = says(
        "When an incident is posted without a person; absent: never.", default=None
    )
    announcements: tuple[Announcement, ...] = says(
        "What the public should know.", default=(), max_items=16
    )


@attrs.frozen(kw_only=True)
class Page:
    """A valid StatusPage."""

    meta: ObjectMeta
    spec: PageSpec


@attrs.frozen(kw_only=True)
class PageStatus(ResourceStatus):
    """What we say of a page."""

    published_url: str | None = says("Where it is served.", default=None, max_length=2048)
    monitor_count: int | None = says("How many monitors it shows.", default=None, low=0)
    overall_status: str | None = says(
        "operational, degraded, down or maintenance.", default=None, max_length=16
    )
