"""The NotificationProvider: where messages go."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import attrs

from kubekuma.model.field import Rule, at_most_one, exactly_one, says, snake_case
from kubekuma.model.meta import ObjectMeta, ResourceStatus, SecretKeyRef
from kubekuma.model.target import BasicAuth, Header

# One namespace, or with a star all of them.
NAMESPACE_OR_ALL = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$"
HTTP_URL = r"^https?://\S+$"
EMAIL = r"^[^\s@<>]+@[^\s@<>]+$"


class ProviderType(StrEnum):
    """Where messages can go."""

    SLACK = "slack"
    DISCORD = "discord"
    TELEGRAM = "telegram"
    SMTP = "smtp"
    WEBHOOK = "webhook"
    GOTIFY = "gotify"
    PUSHOVER = "pushover"
    APPRISE = "apprise"
    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    MSTEAMS = "msteams"
    MATTERMOST = "mattermost"
    NTFY = "ntfy"
    MATRIX = "matrix"
    GOOGLECHAT = "googlechat"
    ALERTMANAGER = "alertmanager"


class SmtpSecurity(StrEnum):
    """How mail is protected on its way to the server."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class OpsgenieRegion(StrEnum):
    """Where an Opsgenie account lives."""

    US = "us"
    EU = "eu"


WEBHOOK_URL = "Where its webhook URL stands."


@attrs.frozen(kw_only=True)
class SlackConfig:
    """A Slack channel, by incoming webhook."""

    webhook_url_secret_ref: SecretKeyRef = says(WEBHOOK_URL)
    channel: str | None = says("Channel, if not the webhook's own.", default=None, max_length=80)
    username: str | None = says("Name to post as.", default=None, max_length=80)
    icon_emoji: str | None = says(
        "Emoji to post with.", default=None, max_length=64, pattern=r"^:\S+:$"
    )


@attrs.frozen(kw_only=True)
class DiscordConfig:
    """A Discord channel, by webhook."""

    webhook_url_secret_ref: SecretKeyRef = says(WEBHOOK_URL)
    username: str | None = says("Name to post as.", default=None, max_length=80)
    avatar_url: str | None = says(
        "Picture to post with.", default=None, max_length=2048, pattern=HTTP_URL
    )
    thread_id: str | None = says(
        "Thread within the channel.", default=None, max_length=32, pattern=r"^[0-9]+$"
    )


@attrs.frozen(kw_only=True)
class TelegramConfig:
    """A Telegram chat, by bot."""

    bot_token_secret_ref: SecretKeyRef = says("Where the bot's token stands.")
    chat_id: str = says(
        "Chat: its number, or @name of a channel.",
        max_length=64,
        pattern=r"^(-?[0-9]+|@[A-Za-z0-9_]+)$",
    )
    thread_id: int | None = says("Topic within the chat.", default=None, low=1, high=2**53)
    silent: bool = says("Whether messages come without a sound.", default=False)
    api_url: str = says(
        "Bot API server.", default="https://api.telegram.org", max_length=2048, pattern=HTTP_URL
    )


@attrs.frozen(kw_only=True)
class SmtpConfig:
    """Mail."""

    __rules__ = (
        Rule(
            cel="has(self.usernameSecretRef) == has(self.passwordSecretRef)",
            holds=lambda it: (it.username_secret_ref is None) == (it.password_secret_ref is None),
            message="must have both usernameSecretRef and passwordSecretRef, or neither",
        ),
    )

    host: str = says("Mail server.", min_length=1)
    port: int = says("Its port.", default=587, low=1, high=65535)
    security: SmtpSecurity = says("How the way is protected.", default=SmtpSecurity.STARTTLS)
    verify: bool = says("Whether the server's certificate must verify.", default=True)
    sender: str = says("Address to send from.", json_name="from", max_length=320, pattern=EMAIL)
    to: tuple[str, ...] = says(
        "Addresses to send to.",
        min_items=1,
        max_items=64,
        max_length=320,
        pattern=EMAIL,
        list_type="set",
    )
    cc: tuple[str, ...] = says(
        "Addresses that get a copy.",
        default=(),
        max_items=64,
        max_length=320,
        pattern=EMAIL,
        list_type="set",
    )
    username_secret_ref: SecretKeyRef | None = says("Where the user name stands.", default=None)
    password_secret_ref: SecretKeyRef | None = says("Where the password stands.", default=None)


@attrs.frozen(kw_only=True)
class WebhookConfig:
    """Any HTTP endpoint."""

    __rules__ = (
        exactly_one("url", "urlSecretRef"),
        at_most_one("basicAuth", "bearerTokenSecretRef"),
    )

    url: str | None = says(
        "Where to post, if it holds no credential.",
        default=None,
        max_length=2048,
        pattern=HTTP_URL,
    )
    url_secret_ref: SecretKeyRef | None = says("Where the URL stands.", default=None)
    method: str = says("HTTP method.", default="POST", pattern=r"^(POST|PUT|PATCH)$")
    headers: tuple[Header, ...] = says("Headers to send.", default=(), max_items=64)
    body_template: str | None = says(
        "Body; default: the event as JSON.", default=None, max_length=16_384
    )
    content_type: str = says(
        "Content-Type of the body.", default="application/json", min_length=1, max_length=128
    )
    basic_auth: BasicAuth | None = says("HTTP Basic authentication.", default=None)
    bearer_token_secret_ref: SecretKeyRef | None = says("Where a token stands.", default=None)
    hmac_secret_ref: SecretKeyRef | None = says(
        "Key of an HMAC-SHA256 of the body, sent as X-KubeKuma-Signature.", default=None
    )

    @property
    def sends_json(self) -> bool:
        """Whether its body is said to be JSON."""
        kind = self.content_type.partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")


@attrs.frozen(kw_only=True)
class GotifyConfig:
    """A Gotify server."""

    url: str = says("Server.", max_length=2048, pattern=HTTP_URL)
    token_secret_ref: SecretKeyRef = says("Where the application's token stands.")


@attrs.frozen(kw_only=True)
class PushoverConfig:
    """Pushover."""

    user_key_secret_ref: SecretKeyRef = says("Where the user's or group's key stands.")
    token_secret_ref: SecretKeyRef = says("Where the application's token stands.")
    device: str | None = says("Only this device.", default=None, max_length=25)
    sound: str | None = says("Sound to play.", default=None, max_length=32)


@attrs.frozen(kw_only=True)
class AppriseConfig:
    """Anything that Apprise knows."""

    urls_secret_ref: SecretKeyRef = says("Where Apprise URLs stand, one a line.")


@attrs.frozen(kw_only=True)
class PagerdutyConfig:
    """PagerDuty, Events API v2."""

    routing_key_secret_ref: SecretKeyRef = says("Where the integration's key stands.")
    api_url: str = says(
        "Events API.",
        default="https://events.pagerduty.com",
        max_length=2048,
        pattern=HTTP_URL,
    )


@attrs.frozen(kw_only=True)
class OpsgenieConfig:
    """Opsgenie, or what speaks its Alert API."""

    api_key_secret_ref: SecretKeyRef = says("Where the API key stands.")
    region: OpsgenieRegion = says("Where the account lives.", default=OpsgenieRegion.US)
    teams: tuple[str, ...] = says(
        "Teams that are responsible.", default=(), max_items=32, list_type="set"
    )
    tags: tuple[str, ...] = says(
        "Tags of the alert.", default=(), max_items=20, max_length=50, list_type="set"
    )


@attrs.frozen(kw_only=True)
class MsteamsConfig:
    """A channel of Microsoft Teams, by workflow."""

    webhook_url_secret_ref: SecretKeyRef = says(WEBHOOK_URL)


@attrs.frozen(kw_only=True)
class MattermostConfig:
    """A Mattermost channel, by incoming webhook."""

    webhook_url_secret_ref: SecretKeyRef = says(WEBHOOK_URL)
    channel: str | None = says("Channel, if not the webhook's own.", default=None, max_length=80)
    username: str | None = says("Name to post as.", default=None, max_length=80)
    icon_url: str | None = says(
        "Picture to post with.", default=None, max_length=2048, pattern=HTTP_URL
    )


@attrs.frozen(kw_only=True)
class NtfyConfig:
    """A topic of an ntfy server."""

    __rules__ = (at_most_one("tokenSecretRef", "basicAuth"),)

    url: str = says("Server.", default="https://ntfy.sh", max_length=2048, pattern=HTTP_URL)
    topic: str = says("Topic.", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    token_secret_ref: SecretKeyRef | None = says("Where an access token stands.", default=None)
    basic_auth: BasicAuth | None = says("HTTP Basic authentication.", default=None)
    tags: tuple[str, ...] = says(
        "Tags and emoji of the message.", default=(), max_items=8, max_length=32, list_type="set"
    )


@attrs.frozen(kw_only=True)
class MatrixConfig:
    """A Matrix room."""

    homeserver_url: str = says("Homeserver.", max_length=2048, pattern=HTTP_URL)
    room_id: str = says("Room, by its id.", max_length=255, pattern=r"^![^\s:]+(:\S+)?$")
    access_token_secret_ref: SecretKeyRef = says("Where the access token stands.")


@attrs.frozen(kw_only=True)
class GooglechatConfig:
    """A space of Google Chat, by webhook."""

    webhook_url_secret_ref: SecretKeyRef = says(WEBHOOK_URL)
    threads: bool = says("Whether an outage is a thread of its own.", default=True)


@attrs.frozen(kw_only=True)
class AlertmanagerConfig:
    """Prometheus' Alertmanager."""

    __rules__ = (at_most_one("basicAuth", "bearerTokenSecretRef"),)

    urls: tuple[str, ...] = says(
        "Every instance of a cluster.",
        min_items=1,
        max_items=16,
        max_length=2048,
        pattern=HTTP_URL,
        list_type="set",
    )
    basic_auth: BasicAuth | None = says("HTTP Basic authentication.", default=None)
    bearer_token_secret_ref: SecretKeyRef | None = says("Where a token stands.", default=None)


@attrs.frozen(kw_only=True)
class ProviderConfig:
    """What one type of provider needs: the one that ``type`` names."""

    slack: SlackConfig | None = says("For type slack.", default=None)
    discord: DiscordConfig | None = says("For type discord.", default=None)
    telegram: TelegramConfig | None = says("For type telegram.", default=None)
    smtp: SmtpConfig | None = says("For type smtp.", default=None)
    webhook: WebhookConfig | None = says("For type webhook.", default=None)
    gotify: GotifyConfig | None = says("For type gotify.", default=None)
    pushover: PushoverConfig | None = says("For type pushover.", default=None)
    apprise: AppriseConfig | None = says("For type apprise.", default=None)
    pagerduty: PagerdutyConfig | None = says("For type pagerduty.", default=None)
    opsgenie: OpsgenieConfig | None = says("For type opsgenie.", default=None)
    msteams: MsteamsConfig | None = says("For type msteams.", default=None)
    mattermost: MattermostConfig | None = says("For type mattermost.", default=None)
    ntfy: NtfyConfig | None = says("For type ntfy.", default=None)
    matrix: MatrixConfig | None = says("For type matrix.", default=None)
    googlechat: GooglechatConfig | None = says("For type googlechat.", default=None)
    alertmanager: AlertmanagerConfig | None = says("For type alertmanager.", default=None)


@attrs.frozen(kw_only=True)
class PriorityMap:
    """The provider's own word for each severity, such as ``P1`` or ``5``."""

    critical: str | None = says("For critical.", default=None, min_length=1, max_length=32)
    warning: str | None = says("For warning.", default=None, min_length=1, max_length=32)
    info: str | None = says("For info.", default=None, min_length=1, max_length=32)


# The words that services have for priorities.
PRIORITIES: Mapping[ProviderType, tuple[str, ...]] = {
    ProviderType.GOTIFY: tuple(map(str, range(11))),
    ProviderType.NTFY: tuple(map(str, range(1, 6))),
    ProviderType.PUSHOVER: tuple(map(str, range(-2, 3))),
    ProviderType.OPSGENIE: ("P1", "P2", "P3", "P4", "P5"),
    ProviderType.PAGERDUTY: ("critical", "error", "warning", "info"),
}
# They have one alert for an outage, and want to hear of each. All others are read by people, who
# do not want fifty messages at once.
KEYED = frozenset(
    {
        ProviderType.WEBHOOK,
        ProviderType.PAGERDUTY,
        ProviderType.OPSGENIE,
        ProviderType.ALERTMANAGER,
    }
)


def _has_config(kind: ProviderType) -> Rule:
    return Rule(
        cel=f"self.type != '{kind}' || has(self.config.{kind})",
        holds=lambda it: getattr(it.config, snake_case(kind)) is not None,
        message=f"must have {kind}, because type is {kind}",
        only_of=("type", kind),
        field_path="config",
    )


def _configs(it: "ProviderSpec") -> int:
    return sum(getattr(it.config, snake_case(kind)) is not None for kind in ProviderType)


@attrs.frozen(kw_only=True)
class ProviderSpec:
    """What a person says of a provider."""

    __rules__ = (
        *(_has_config(kind) for kind in ProviderType),
        Rule(
            cel="[{}].filter(x, x).size() == 1".format(
                ", ".join(f"has(self.config.{kind})" for kind in ProviderType)
            ),
            holds=lambda it: _configs(it) == 1,
            message="must have exactly one config",
            field_path="config",
        ),
    )

    type: ProviderType = says("Which service.")
    config: ProviderConfig = says("How to reach it; credentials by Secret reference.")
    enabled: bool = says("false: nothing is sent.", default=True)
    default: bool = says(
        "Whether it is told of every monitor in reach that no policy selects.", default=False
    )
    allowed_namespaces: tuple[str, ...] = says(
        "Namespaces besides its own whose policies may route here; * is all."
        " Only in KubeKuma's namespace.",
        default=(),
        max_items=64,
        max_length=63,
        pattern=NAMESPACE_OR_ALL,
        list_type="set",
    )
    max_per_minute: int | None = says(
        "Messages a minute; default: by type, such as telegram 15, discord 25, slack 50.",
        default=None,
        low=1,
        high=10_000,
    )
    priority_map: PriorityMap = says("Its words for severities.", default=PriorityMap())
    test_on_create: bool = says("Whether a message is sent when it is first seen.", default=False)

    @property
    def config_in_use(self) -> "AnyConfig":
        """The config that ``type`` names; validation has seen that it is there."""
        found: AnyConfig = getattr(self.config, snake_case(self.type))
        return found


AnyConfig: TypeAlias = (
    SlackConfig
    | DiscordConfig
    | TelegramConfig
    | SmtpConfig
    | WebhookConfig
    | GotifyConfig
    | PushoverConfig
    | AppriseConfig
    | PagerdutyConfig
    | OpsgenieConfig
    | MsteamsConfig
    | MattermostConfig
    | NtfyConfig
    | MatrixConfig
    | GooglechatConfig
    | AlertmanagerConfig
)


@attrs.frozen(kw_only=True)
class Provider:
    """A valid NotificationProvider."""

    meta: ObjectMeta
    spec: ProviderSpec


@attrs.frozen(kw_only=True)
class ProviderStatus(ResourceStatus):
    """What we say of a provider."""

    last_test_at: datetime | None = says("When a test message was last sent.", default=None)
    last_delivery_at: datetime | None = says("When a message last arrived.", default=None)
    last_error: str | None = says("Why the last message failed.", default=None, max_length=1024)
    is_healthy: bool | None = says("Whether the last message arrived.", default=None)
