"""Mistakes in the templates of policies and providers. Pure.

They are told, and end nothing: whoever has a bad template is told of outages in the default words.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from kubekuma.kit.template import Mistake
from kubekuma.model.alert import Message
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening, PolicySpec
from kubekuma.model.provider import ProviderSpec, WebhookConfig
from kubekuma.model.wording import MOST_BODY, template_of, worded
from kubekuma.validate.rule import FieldError


def policy_templates(spec: PolicySpec) -> Iterator[FieldError]:
    """What is wrong with the templates of a policy."""
    formatting, dedupe = spec.formatting, spec.routing.dedupe
    yield from _errors("spec.formatting.titleTemplate", formatting.title_template)
    yield from _errors("spec.formatting.bodyTemplate", formatting.body_template)
    yield from _errors("spec.routing.dedupe.key", dedupe.key if dedupe is not None else None)


def provider_templates(spec: ProviderSpec) -> Iterator[FieldError]:
    """What is wrong with the templates of a provider."""
    webhook = spec.config.webhook
    if webhook is None or webhook.body_template is None:
        return
    path = "spec.config.webhook.bodyTemplate"
    errors = [*_errors(path, webhook.body_template)]
    yield from errors
    if not errors and webhook.sends_json and not _is_json(webhook):
        said = "must make JSON of any text: put what is in quotes through json instead"
        yield FieldError(path, said)


def _errors(path: str, source: str | None) -> Iterator[FieldError]:
    if source is None:
        return
    found = template_of(source)
    if isinstance(found, Mistake):
        yield FieldError(path, str(found))


def _is_json(webhook: WebhookConfig) -> bool:
    for sample in (_BARE, _HARD):
        body = worded(webhook.body_template, sample, MOST_BODY)
        try:
            json.loads(body or "null")
        except ValueError:
            return False
    return True


_BARE: Final = Message(
    id="0",
    key="0",
    happening=Happening.DOWN,
    monitor=Key("default", "web"),
    name="web",
    severity=AlertSeverity.CRITICAL,
    title="web is down",
    text="",
    since=datetime(2000, 1, 1, tzinfo=UTC),
)
# What targets say may hold anything.
_HARD_TEXT: Final = 'it says "no"\n\\'
_HARD: Final = Message(
    id="0",
    key="0",
    happening=Happening.UP,
    monitor=Key("default", "web"),
    name=_HARD_TEXT,
    severity=AlertSeverity.WARNING,
    title=_HARD_TEXT,
    text=_HARD_TEXT,
    since=datetime(2000, 1, 1, tzinfo=UTC),
    until=datetime(2000, 1, 2, tzinfo=UTC),
    reason="StatusMismatch",
    detail=_HARD_TEXT,
    reminder=1,
    type="http",
    target=_HARD_TEXT,
    tags=("one", "two"),
    labels={"one": "1", "two": "2"},
    links={"one": "https://example.org/", _HARD_TEXT: "https://example.org/"},
    facts={"one": _HARD_TEXT, "two": _HARD_TEXT},
)
