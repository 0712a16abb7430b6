"""What people read: the default words, and those of a policy."""

from pathlib import Path
from typing import Any, Final

import pytest
from build import at
from hypothesis import given
from hypothesis import strategies as st
from support.world import resource

from kubekuma.alert.plan import Tell
from kubekuma.alert.render import _WORDS as WORDS
from kubekuma.alert.render import message_of
from kubekuma.kit.template import Shape
from kubekuma.model.alert import Message, Outage
from kubekuma.model.meta import Key
from kubekuma.model.policy import Formatting, Happening
from kubekuma.model.wording import MOST_TEXT, MOST_TITLE, NAMES, message_view
from kubekuma.validate.load import load_monitor

TCP: Final[dict[str, Any]] = {"type": "tcp", "target": {"tcp": {"host": "h", "port": 1}}}


def outage(**more: Any) -> Outage:
    fields: dict[str, Any] = {
        "id": "i1",
        "key": Key("shop", "web"),
        "started_at": at(0),
        "confirmed_at": at(40),
        "ended_at": None,
        "reason": "Timeout",
        "message": "slow",
    }
    return Outage(**{**fields, **more})


def told(
    happening: Happening = Happening.DOWN, /, seconds: float = 50, **formatting: str
) -> Message:
    monitor = load_monitor(
        resource(
            "Monitor",
            "web",
            labels={"app": "shop"},
            **TCP,
            tags=["prod", "api"],
            annotations={"runbook": "https://wiki/"},
            links=[{"name": "Logs", "url": "https://logs/"}],
        )
    )
    ended_at = at(360) if happening is Happening.UP else None
    tell = Tell(provider=Key("shop", "chat"), happening=happening)
    wording = Formatting(**formatting)
    return message_of(tell, outage(ended_at=ended_at), monitor, at(seconds), wording)  # type: ignore[arg-type]


def test_a_policy_may_have_words_of_its_own() -> None:
    title = (
        "[{{ severity | upper }}] {{ monitor.name }} {% if event == 'up' %}ok{% else %}{{ reason }}"
    )
    body = """\
{{ message }} at {{ monitor.target }} ({{ monitor.type }})
{% for tag in monitor.tags %}
#{{ tag }}
{% endfor %}
{{ monitor.labels.app }}, {{ monitor.annotations.runbook }}, {{ monitor.links.Logs }}
{{ startedAt | time }} {{ endedAt | time | default("still") }}, {{ duration }}
"""
    found = told(title_template=f"{title}{{% endif %}}", body_template=body)
    assert found.title == "[CRITICAL] web Timeout"
    assert found.text == (
        "slow at h:1 (tcp)\n#prod\n#api\nshop, https://wiki/, https://logs/\n"
        "2026-01-01 00:00:00 UTC still, 50 s"
    )
    over = told(Happening.UP, title_template=f"{title}{{% endif %}}", body_template=body)
    assert over.title == "[CRITICAL] web ok"
    assert over.text.endswith("2026-01-01 00:00:00 UTC 2026-01-01 00:06:00 UTC, 6 min")


@pytest.mark.parametrize("template", ["{{ titel }}", "{% if title %}", "{{ endedAt }}", " \n"])
def test_a_template_that_fails_or_says_nothing_is_the_default(template: str) -> None:
    assert told(title_template=template, body_template=template) == told()


def test_a_title_is_one_line() -> None:
    assert told(title_template="{{ monitor.name }}\n\tis  down").title == "web is down"


@given(st.text(max_size=1024), st.text(max_size=1024))
def test_whatever_a_policy_says_a_message_has_words_within_bounds(title: str, body: str) -> None:
    found = told(title_template=title, body_template=body)
    assert 0 < len(found.title) <= MOST_TITLE
    assert 0 < len(found.text) <= MOST_TEXT


def test_every_part_of_a_message_can_be_named_and_no_other() -> None:
    view = message_view(told())
    monitor = view.pop("monitor")
    parts = {**view, **{f"monitor.{name}": part for name, part in monitor.items()}}
    shapes: dict[type, Shape] = {dict: Shape.MAP, list: Shape.LIST}
    assert {name: shapes.get(type(part), Shape.TEXT) for name, part in parts.items()} == NAMES


def test_every_name_is_documented() -> None:
    docs = Path(__file__).parents[3].joinpath("docs", "alerting.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in docs] == []


def test_that_the_monitor_was_changed_while_it_was_down_is_said() -> None:
    monitor = load_monitor(resource("Monitor", "web", **TCP))
    for happening in (Happening.DOWN, Happening.UP):
        tell = Tell(provider=Key("shop", "chat"), happening=happening)
        same = message_of(tell, outage(), monitor, at(50))  # type: ignore[arg-type]
        other = message_of(tell, outage(changed=True), monitor, at(50))  # type: ignore[arg-type]
        said = "What is checked, or what passes, was changed while it was down."
        assert said not in same.text
        assert said in other.text


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (1, "1 monitor depends on it: nobody is told of them meanwhile."),
        (29, "29 monitors depend on it: nobody is told of them meanwhile."),
    ],
)
def test_a_parent_says_of_how_many_others_nobody_is_told(count: int, said: str) -> None:
    monitor = load_monitor(resource("Monitor", "web", **TCP))
    tell = Tell(provider=Key("shop", "chat"), happening=Happening.DOWN)
    message = message_of(tell, outage(dependents=count), monitor, at(50))  # type: ignore[arg-type]
    assert said in message.text
    assert ("depend" in message.text) is bool(count)


@pytest.mark.parametrize("what", WORDS)
def test_no_message_is_without_words(what: Happening) -> None:
    # Some services refuse an empty text for good.
    spec: dict[str, Any] = {
        "type": "domainExpiry",
        "target": {"domainExpiry": {"domain": "example.org"}},
    }
    monitor = load_monitor(resource("Monitor", "web", **spec))
    for happening in (what, Happening.UP):
        over = at(90) if happening is Happening.UP else None
        tell = Tell(provider=Key("shop", "chat"), happening=happening)
        message = message_of(tell, outage(what=what, ended_at=over), monitor, at(100))  # type: ignore[arg-type]
        assert message.text.strip()
        assert message.title.strip() != "shop/web"
