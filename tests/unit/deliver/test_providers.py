"""What each service is sent, as its documentation asks for it: ``tests/golden/messages``.

Written anew by KUBEKUMA_WRITE_GOLDEN=1 pytest tests/unit/deliver; the sources are named in each
provider's file.
"""

import hmac
import json
import os
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from build import at
from support.providers import CONFIGS, secret, spec

from kubekuma.deliver.choose import receipt_of, requests_of
from kubekuma.deliver.request import Request
from kubekuma.model.alert import Message
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import ProviderType
from kubekuma.model.wording import message_view

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "messages"
DOWN: Final = Message(
    id="m1",
    key="i1",
    happening=Happening.DOWN,
    monitor=Key("shop", "web"),
    name="The <Shop> & more",
    severity=AlertSeverity.CRITICAL,
    title="The <Shop> & more is down",
    text='StatusMismatch: the status is 500 <b>"quoted"</b>\nDown since 2026-01-01 00:00:00 UTC.',
    since=at(0),
    reason="StatusMismatch",
    tags=("prod",),
    links={"Runbook": "https://wiki.example.org/shop", "Logs": "https://logs.example.org/"},
    facts={"team": "shop"},
)
UP: Final = attrs.evolve(
    DOWN,
    id="m2",
    happening=Happening.UP,
    title="The <Shop> & more is up again",
    text="It was down for 5 min, since 2026-01-01 00:00:00 UTC.",
    until=at(300),
)


def shown(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": json.loads(request.body),
    }


def golden(name: str, found: Any) -> None:
    file = GOLDEN / f"{name}.json"
    if os.environ.get("KUBEKUMA_WRITE_GOLDEN"):
        file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(file.read_text())


def test_every_type_that_is_sent_to_is_here() -> None:
    # They have tests of their own, against servers of theirs.
    elsewhere = {ProviderType.SMTP, ProviderType.ALERTMANAGER, ProviderType.APPRISE}
    assert {ProviderType(kind) for kind in CONFIGS} == {*ProviderType} - elsewhere


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_it_is_sent(kind: str) -> None:
    found = {
        name: [shown(each) for each in requests_of(spec(kind), message, secret)]
        for name, message in (("down", DOWN), ("up", UP))
    }
    golden(kind, found)


RECEIPTS: Final = {
    "discord": (b'{"id": "123", "type": 0}', "123"),
    "telegram": (b'{"ok": true, "result": {"message_id": 7}}', "7"),
    "matrix": (b'{"event_id": "$abc:example.org"}', "$abc:example.org"),
}


@pytest.mark.parametrize("kind", RECEIPTS)
def test_the_end_of_an_outage_answers_its_beginning(kind: str) -> None:
    answer, receipt = RECEIPTS[kind]
    assert receipt_of(spec(kind), answer) == receipt
    found = {
        name: [shown(each) for each in requests_of(spec(kind), message, secret, receipt)]
        for name, message in (("reminder", attrs.evolve(DOWN, reminder=1)), ("up", UP))
    }
    golden(f"{kind}-answers", found)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"ok",
        b"[]",
        b"null",
        b'{"id": "../../x", "result": {"message_id": "7/8"}, "event_id": "$a b"}',
        b'{"id": {}, "result": 7, "event_id": ["$a"]}',
        b"[" * 100_000,
    ],
)
def test_what_makes_no_sense_is_no_receipt(kind: str, answer: bytes) -> None:
    assert receipt_of(spec(kind), answer) is None


def test_what_is_signed_is_the_body() -> None:
    (request,) = requests_of(spec("webhook"), DOWN, secret)
    headers = dict(request.headers)
    expected = hmac.digest(b"t0ken", request.body, "sha256").hex()
    assert headers["X-KubeKuma-Signature"] == f"sha256={expected}"


def body(template: str, message: Message = DOWN, **more: Any) -> tuple[str, str]:
    (request,) = requests_of(spec("webhook", bodyTemplate=template, **more), message, secret)
    signature = hmac.digest(b"t0ken", request.body, "sha256").hex()
    headers = dict(request.headers)
    assert headers["X-KubeKuma-Signature"] == f"sha256={signature}"
    return headers["Content-Type"], request.body.decode()


def test_a_body_may_be_ones_own() -> None:
    template = '{"who": {{ monitor.displayName | json }}, "why": {{ reason | json }}}'
    assert body(template) == (
        "application/json",
        '{"who": "The <Shop> & more", "why": "StatusMismatch"}',
    )
    assert body("{{ event }}: {{ title }}", contentType="text/plain") == (
        "text/plain",
        "down: The <Shop> & more is down",
    )


@pytest.mark.parametrize(
    ("template", "more"),
    [
        ("{{ titel }}", {}),
        ("{{ titel }}", {"contentType": "text/plain"}),
        ('{"text": "{{ text }}"}', {}),
        ("{% if endedAt %}over{% endif %}", {"contentType": "text/plain"}),
    ],
)
def test_a_body_that_fails_is_the_default_and_never_nothing(
    template: str, more: dict[str, Any]
) -> None:
    kind, found = body(template, **more)
    assert kind == "application/json"
    assert json.loads(found) == message_view(DOWN)


def test_a_request_shows_nothing_of_itself() -> None:
    for kind in CONFIGS:
        (request,) = requests_of(spec(kind), DOWN, secret)
        assert "t0ken" not in repr(request)
        assert "hooks.example.org" not in repr(request)


def test_the_outages_key_is_that_of_its_end() -> None:
    keys = set()
    for message in (DOWN, UP):
        (request,) = requests_of(spec("pagerduty"), message, secret)
        keys.add(json.loads(request.body)["dedup_key"])
    assert keys == {"i1"}


MARKDOWN: Final = '[a%5D%28b%29|<i>"x"](https://example.org/"><b>|%29%28)'


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("slack", '<https://example.org/"&gt;&lt;b&gt;%7C)(|a](b)%7C&lt;i&gt;"x">'),
        ("mattermost", MARKDOWN),
        ("discord", MARKDOWN),
        ("googlechat", '<https://example.org/"&gt;&lt;b&gt;%7C)(|a](b)%7C&lt;i&gt;"x">'),
        (
            "telegram",
            '<a href="https://example.org/&quot;&gt;&lt;b&gt;|)(">a](b)|&lt;i&gt;&quot;x&quot;</a>',
        ),
    ],
)
def test_what_a_link_says_cannot_end_it(kind: str, shown: str) -> None:
    links = {'a](b)|<i>"x"': 'https://example.org/"><b>|)('}
    (request,) = requests_of(spec(kind), attrs.evolve(DOWN, links=links), secret)
    assert json.dumps(shown)[1:-1] in json.dumps(json.loads(request.body))


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("slack", "<!channel>"),
        ("mattermost", "@all"),
        ("googlechat", "<users/all>"),
        ("matrix", "@room"),
    ],
)
def test_what_a_target_said_calls_nobody(kind: str, call: str) -> None:
    loud = attrs.evolve(DOWN, title=f"{call} is down", text=f"it says {call}")
    (request,) = requests_of(spec(kind), loud, secret)
    assert call not in json.dumps(json.loads(request.body), ensure_ascii=False)
