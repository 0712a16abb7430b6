"""Where messages are sent to, as far as that is no secret. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from kubekuma.model.provider import (
    AlertmanagerConfig,
    AnyConfig,
    DiscordConfig,
    GooglechatConfig,
    GotifyConfig,
    MatrixConfig,
    NtfyConfig,
    OpsgenieConfig,
    OpsgenieRegion,
    PagerdutyConfig,
    PushoverConfig,
    SlackConfig,
    SmtpConfig,
    TelegramConfig,
    WebhookConfig,
)

_PORTS: Final = {"http": 80, "https": 443}
_OPSGENIE: Final = {
    OpsgenieRegion.US: "https://api.opsgenie.com",
    OpsgenieRegion.EU: "https://api.eu.opsgenie.com",
}


def provider_hosts(configs: Iterable[AnyConfig]) -> tuple[str, ...]:
    """The ``host:port`` of each of ``configs`` that says it, without repetition."""
    found = (_host_and_port(url) for config in configs for url in _urls(config))
    return tuple(dict.fromkeys(filter(None, found)))


def _urls(config: AnyConfig) -> Iterator[str]:
    match config:
        case SlackConfig():
            yield "https://hooks.slack.com"
        case DiscordConfig():
            yield "https://discord.com"
        case GooglechatConfig():
            yield "https://chat.googleapis.com"
        case PushoverConfig():
            yield "https://api.pushover.net"
        case OpsgenieConfig(region=region):
            yield _OPSGENIE[region]
        case TelegramConfig(api_url=url) | PagerdutyConfig(api_url=url):
            yield url
        case GotifyConfig(url=url) | NtfyConfig(url=url) | MatrixConfig(homeserver_url=url):
            yield url
        case WebhookConfig(url=str(url)):
            yield url
        case AlertmanagerConfig(urls=urls):
            yield from urls
        case SmtpConfig(host=host, port=port):
            yield f"smtp://{f'[{host}]' if ':' in host else host}:{port}"
        case _:  # the URL stands in a Secret
            return


def _host_and_port(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not host or port is None:
        return None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
