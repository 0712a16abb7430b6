"""The hosts that messages go to, as far as a provider's spec says them."""

import pytest

from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.provider import (
    AlertmanagerConfig,
    AnyConfig,
    AppriseConfig,
    GotifyConfig,
    NtfyConfig,
    OpsgenieConfig,
    OpsgenieRegion,
    SlackConfig,
    SmtpConfig,
    TelegramConfig,
    WebhookConfig,
)
from kubekuma.model.provider_hosts import provider_hosts

REF = SecretKeyRef(name="s", key="k")


@pytest.mark.parametrize(
    ("config", "hosts"),
    [
        (SlackConfig(webhook_url_secret_ref=REF), ("hooks.slack.com:443",)),
        (
            TelegramConfig(bot_token_secret_ref=REF, chat_id="1"),
            ("api.telegram.org:443",),
        ),
        (
            OpsgenieConfig(api_key_secret_ref=REF, region=OpsgenieRegion.EU),
            ("api.eu.opsgenie.com:443",),
        ),
        (NtfyConfig(topic="t"), ("ntfy.sh:443",)),
        (GotifyConfig(url="http://[fd00::2]:8080/x", token_secret_ref=REF), ("[fd00::2]:8080",)),
        (SmtpConfig(host="mail.example.org", sender="a@b", to=("c@d",)), ("mail.example.org:587",)),
        (SmtpConfig(host="fd00::3", port=25, sender="a@b", to=("c@d",)), ("[fd00::3]:25",)),
        (WebhookConfig(url="https://user:secret@hook.example.org/a?b"), ("hook.example.org:443",)),
        (
            AlertmanagerConfig(urls=("http://am-0:9093", "http://am-1:9093")),
            ("am-0:9093", "am-1:9093"),
        ),
        (WebhookConfig(url_secret_ref=REF), ()),
        (AppriseConfig(urls_secret_ref=REF), ()),
        (WebhookConfig(url="https://host:99999/"), ()),
        (WebhookConfig(url="https://[nonsense/"), ()),
    ],
)
def test_hosts_of_a_provider(config: AnyConfig, hosts: tuple[str, ...]) -> None:
    assert provider_hosts([config]) == hosts


def test_a_host_is_named_once() -> None:
    assert provider_hosts([NtfyConfig(topic="a"), NtfyConfig(topic="b")]) == ("ntfy.sh:443",)
