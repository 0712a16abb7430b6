"""Rules for KubeKumaSettings that their schema cannot express."""

from collections.abc import Iterator
from typing import Any

from kubekuma.model.settings import SettingsSpec
from kubekuma.validate import text
from kubekuma.validate.classes import resolver
from kubekuma.validate.declared import declared, parts_of
from kubekuma.validate.rule import FieldError, Rule, at, each, every, joined, must

_scheduler: Rule[Any] = every(
    at(
        "connectivity.internet.targets",
        lambda it: it.connectivity.internet.targets,
        each(text.host_and_port),
    ),
    at(
        "connectivity.local.targets",
        lambda it: it.connectivity.local.targets,
        each(text.host_and_port),
    ),
)

_networking: Rule[Any] = every(
    at("dns.resolvers", lambda it: it.dns.resolvers, each(resolver)),
    at("targets.denyCidrs", lambda it: it.targets.deny_cidrs, each(text.cidr)),
    at("targets.allowCidrs", lambda it: it.targets.allow_cidrs, each(text.cidr)),
)

_rules: Rule[SettingsSpec] = every(
    at("scheduler", lambda it: it.scheduler, _scheduler),
    at("networking", lambda it: it.networking, _networking),
    at(
        "retention.checksDays",
        lambda it: it.retention,
        must(
            lambda it: it.checks_days <= it.heartbeats_days,
            "must not be more than heartbeatsDays",
        ),
    ),
)


def settings_rules(spec: SettingsSpec) -> Iterator[FieldError]:
    """Everything that is wrong with ``spec``."""
    for error in (*declared(parts_of(spec)), *_rules(spec)):
        yield FieldError(joined("spec", error.path), error.message)
