"""A message in words: as its policy has it, or else as everybody's. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from attrs import evolve

from kubekuma.alert.plan import Tell
from kubekuma.alert.route import PLAIN
from kubekuma.model.alert import Message, Outage
from kubekuma.model.monitor import AlertSeverity, Monitor
from kubekuma.model.policy import Formatting, Happening
from kubekuma.model.wording import MOST_TEXT, MOST_TITLE, lasting, worded

ACKNOWLEDGE: Final = "Acknowledge"
# How a monitor is, and how it is once that is over.
_WORDS: Final = {
    Happening.DOWN: ("is down", "is up again"),
    Happening.DEGRADED: ("is degraded", "is well again"),
    Happening.UNKNOWN: ("cannot be checked", "is checked again"),
    Happening.CERT_EXPIRING: ("is about to expire", "is renewed"),
    Happening.BUDGET_BURN: (
        "uses up its error budget",
        "no longer uses up its error budget too fast",
    ),
}
# All but outages count one step lower.
_LOWER: Final = {
    AlertSeverity.CRITICAL: AlertSeverity.WARNING,
    AlertSeverity.WARNING: AlertSeverity.INFO,
    AlertSeverity.INFO: AlertSeverity.INFO,
}


def message_of(
    tell: Tell,
    outage: Outage,
    monitor: Monitor | None,
    now: datetime,
    formatting: Formatting = PLAIN,
    acknowledge_url: str = "",
) -> Message:
    """What ``tell`` says. ``monitor``: None if it is gone, and its outage has ended with it.

    ``acknowledge_url``: where somebody can say that they see to it; empty: nowhere.
    """
    plain = _plain(tell, outage, monitor, now)
    if acknowledge_url and tell.happening is Happening.DOWN:
        plain = evolve(plain, links={**plain.links, ACKNOWLEDGE: acknowledge_url})
    title = worded(formatting.title_template, plain, MOST_TITLE)
    text = worded(formatting.body_template, plain, MOST_TEXT)
    return evolve(
        plain,
        title=plain.title if title is None else " ".join(title.split()),
        text=plain.text if text is None else text,
    )


def _plain(tell: Tell, outage: Outage, monitor: Monitor | None, now: datetime) -> Message:
    spec = monitor.spec if monitor is not None else None
    name = (spec.display_name if spec is not None else None) or str(outage.key)
    return Message(
        id=message_id(outage, tell),
        key=outage.id,
        happening=tell.happening,
        monitor=outage.key,
        name=name,
        severity=_severity(tell, outage, monitor),
        title=_title(name, tell, outage, monitor),
        text=_text(tell, outage, monitor, now),
        since=outage.started_at,
        until=outage.ended_at if tell.happening is Happening.UP else None,
        at=now,
        what=outage.what,
        reason=outage.reason,
        detail=outage.message,
        reminder=tell.reminder,
        type=spec.type.value if spec is not None else "",
        target=spec.target_text if spec is not None else "",
        tags=spec.tags if spec is not None else (),
        labels=dict(monitor.meta.labels) if monitor is not None else {},
        links={each.name: each.url for each in spec.links} if spec is not None else {},
        facts=dict(spec.annotations) if spec is not None else {},
    )


def message_id(outage: Outage, tell: Tell) -> str:
    """The same for one happening of one outage and provider, whoever works it out, and when."""
    parts = (outage.id, str(tell.provider), tell.happening.value, str(tell.reminder))
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def _severity(tell: Tell, outage: Outage, monitor: Monitor | None) -> AlertSeverity:
    if monitor is None or tell.happening is Happening.ACKNOWLEDGED:
        return AlertSeverity.INFO
    severity = monitor.spec.alerting.severity
    return severity if outage.what is Happening.DOWN else _LOWER[severity]


def _title(name: str, tell: Tell, outage: Outage, monitor: Monitor | None) -> str:
    if monitor is None:
        return f"{name} is no longer watched"
    now, over = _WORDS[outage.what]
    match tell.happening:
        case Happening.UP:
            return f"{name} {over}"
        case Happening.FLAPPING:
            return f"{name} is flapping"
        case Happening.ACKNOWLEDGED:
            return f"{outage.acknowledged_by} sees to {name}"
        case Happening.DOWN if tell.reminder:
            return f"{name} is still down"
        case _:
            return f"{name} {now}"


def _text(tell: Tell, outage: Outage, monitor: Monitor | None, now: datetime) -> str:
    why = f"{outage.reason}: {outage.message}" if outage.message else outage.reason
    since = f"since {outage.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if monitor is None:
        return f"It was down {since}, and was deleted or switched off meanwhile."
    target = f"{monitor.spec.type}: {monitor.spec.target_text}" if _says_target(monitor) else ""
    changed = "What is checked, or what passes, was changed while it was down."
    lines = [
        *_lines(tell, outage, why, since, now),
        changed if outage.changed else "",
        _dependents(outage) if tell.happening is Happening.DOWN else "",
        target,
        monitor.spec.description or "",
    ]
    return "\n".join(line for line in lines if line)


def _dependents(outage: Outage) -> str:
    count = outage.dependents
    if not count:
        return ""
    them = "1 monitor depends" if count == 1 else f"{count} monitors depend"
    return f"{them} on it: nobody is told of them meanwhile."


def _lines(tell: Tell, outage: Outage, why: str, since: str, now: datetime) -> Sequence[str]:
    ago = lasting((outage.ended_at or now) - outage.started_at)
    match tell.happening, outage.what:
        case Happening.UP, Happening.DOWN:
            return [f"It was down for {ago}, {since}.", why]
        case Happening.UP, Happening.DEGRADED | Happening.UNKNOWN:
            return [f"It was not for {ago}, {since}.", why]
        case Happening.UP, _:
            return [f"What was said before is over: {why}."]
        case Happening.FLAPPING, _:
            return ["It changes too often to tell each change.", f"Down first {since}.", why]
        case _, Happening.CERT_EXPIRING:
            left = outage.started_at - now
            said = f"in {lasting(left)}" if left > timedelta(0) else f"{lasting(-left)} ago"
            return [why, f"That is {said}."]
        case _, Happening.BUDGET_BURN:
            return [why]
        case _:
            shown = f", for {ago}" if now - outage.confirmed_at > _LATE else ""
            how = "Down" if outage.what is Happening.DOWN else "So"
            return [why, f"{how} {since}{shown}."]


def _says_target(monitor: Monitor) -> bool:
    return monitor.spec.target_text != monitor.spec.type.value


_LATE: Final = timedelta(minutes=1)
