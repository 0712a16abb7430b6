"""Whatever a message says, it is within what each service takes: the source stands with each.

What is too large is refused for good: an outage that nobody hears of.
"""

import html
import json
import re
from typing import Any, Final

import attrs
import pytest
from build import at
from hypothesis import given, settings
from hypothesis import strategies as st
from support.providers import secret, spec

from kubekuma.deliver.choose import requests_of
from kubekuma.deliver.look import cut, json_bytes, utf16_units
from kubekuma.model.alert import Message
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.wording import MOST_TEXT, MOST_TITLE


def discord(body: Any) -> None:
    # https://discord.com/developers/docs/resources/message#embed-object-embed-limits
    (embed,) = body["embeds"]
    values = [each["value"] for each in embed.get("fields", ())]
    assert 0 < utf16_units(embed["title"]) <= 256
    assert utf16_units(embed["description"]) <= 4096
    assert all(0 < utf16_units(each) <= 1024 for each in values)
    whole = [embed["title"], embed["description"], "Links", *values]
    assert sum(map(utf16_units, whole)) <= 6000


def telegram(body: Any) -> None:
    # https://core.telegram.org/bots/api#sendmessage: 1-4096 characters after entities parsing
    shown = html.unescape(re.sub(r"<[^>]*>", "", body["text"]))
    assert 0 < utf16_units(shown) <= 4096


def googlechat(body: Any) -> None:
    # https://developers.google.com/workspace/chat/format-messages: 4,096 characters, 32,000 bytes
    assert len(body["text"]) <= 4096


def msteams(body: Any) -> None:
    # https://learn.microsoft.com/microsoftteams/limits-specifications-teams: 28 KB
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= 21_000
    assert len(body["attachments"][0]["content"]["actions"]) <= 6


def matrix(body: Any) -> None:
    # https://spec.matrix.org/latest/client-server-api/#size-limits: 65,536 bytes, with all that
    # the homeserver adds
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= 60_000


def ntfy(body: Any) -> None:
    # https://docs.ntfy.sh/publish/#limitations: a message of 4,096 bytes; twice that as JSON
    assert len(body["message"].encode()) <= 4096
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= 8192


def pushover(body: Any) -> None:
    # https://pushover.net/api#limits
    assert 0 < len(body["title"]) <= 250
    assert len(body["message"]) <= 1024
    assert len(body.get("url", "")) <= 512
    assert len(body.get("url_title", "")) <= 100


def opsgenie(body: Any) -> None:
    # https://docs.opsgenie.com/docs/alert-api#create-alert
    assert 0 < len(body["message"]) <= 130
    assert len(body["description"]) <= 15_000
    assert len(body["alias"]) <= 512
    assert len(body["tags"]) <= 20
    assert all(len(each) <= 50 for each in body["tags"])
    assert sum(len(name) + len(part) for name, part in body["details"].items()) <= 8000


def pagerduty(body: Any) -> None:
    # https://developer.pagerduty.com/docs/send-alert-event: 1,024 characters, 512 KB
    assert 0 < len(body["payload"]["summary"]) <= 1024
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= 512 * 1024


def slack(body: Any) -> None:
    # https://api.slack.com/methods/chat.postMessage#truncating: 40,000 characters
    (attachment,) = body["attachments"]
    assert len(attachment["text"]) + len(attachment["title"]) <= 40_000


LIMITS: Final = (
    discord,
    googlechat,
    matrix,
    msteams,
    ntfy,
    opsgenie,
    pagerduty,
    pushover,
    slack,
    telegram,
)

# Few characters, often repeated: what is large is large by all measures.
repeated = st.builds(
    lambda part, count: part * count, st.text(min_size=1, max_size=4), st.integers(1, MOST_TEXT)
)
urls = st.integers(1, 2000).map(lambda count: "https://h/" + "é'\"&"[count % 4] * count)
messages = st.builds(
    lambda title, text, links, tags, facts, severity: Message(
        id="m1",
        key="i1",
        happening=Happening.DOWN,
        monitor=Key("shop", "web"),
        name="web",
        severity=severity,
        title=title[:MOST_TITLE],
        text=text[:MOST_TEXT],
        since=at(0),
        reason="StatusMismatch",
        tags=tuple(each[:63] for each in tags),
        links=links,
        facts={name: each[:4096] for name, each in facts.items()},
    ),
    repeated,
    repeated,
    st.dictionaries(st.text(min_size=1, max_size=128), urls, max_size=16),
    st.lists(repeated, max_size=32),
    st.dictionaries(st.text(min_size=1, max_size=63), repeated, max_size=64),
    st.sampled_from(AlertSeverity),
)


@pytest.mark.parametrize("check", LIMITS, ids=lambda it: it.__name__)
@given(message=messages)
@settings(max_examples=40)
def test_whatever_it_says_it_is_taken(check: Any, message: Message) -> None:
    first, *_ = requests_of(spec(check.__name__), message, secret)
    check(json.loads(first.body))


# What each documents beside the pages above: github.com/discord/discord-api-spec (execute_webhook,
# update_webhook_message), core.telegram.org/bots/api (sendMessage), gotify/server docs/spec.json
# (Message), ntfy server/types.go (publishMessage), PagerDuty/api-schema events-v2 (enqueue),
# opsgenie/opsgenie-oas (CreateAlertPayload), pushover.net/api.
FIELDS: Final = {
    "discord": "content username avatar_url tts embeds allowed_mentions components attachments",
    "telegram": "chat_id message_thread_id text parse_mode entities link_preview_options"
    " disable_notification protect_content reply_parameters reply_markup",
    "gotify": "title message priority extras",
    "ntfy": "topic title message priority tags click icon actions attach markdown delay",
    "pagerduty": "routing_key event_action dedup_key payload images links client client_url",
    "opsgenie": "message alias description responders visibleTo actions tags details entity"
    " priority user note source",
    "pushover": "token user message title device priority sound timestamp ttl url url_title html"
    " monospace retry expire",
}


@pytest.mark.parametrize("kind", FIELDS)
@given(message=messages, happening=st.sampled_from([Happening.DOWN, Happening.UP]))
@settings(max_examples=20)
def test_nothing_is_sent_that_the_service_does_not_know(
    kind: str, message: Message, happening: Happening
) -> None:
    told = attrs.evolve(message, happening=happening)
    for request in requests_of(spec(kind), told, secret, "42"):
        assert {*json.loads(request.body)} <= {*FIELDS[kind].split()}


@given(repeated, st.integers(10, 500), st.sampled_from([len, json_bytes, utf16_units]))
def test_what_is_cut_fits_and_says_so(text: str, most: int, size: Any) -> None:
    found = cut(text, most, size)
    assert size(found) <= most
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]))
    # As much is left as fits.
    assert found == text or size(f"{text[: len(found)]}…") > most
