"""A message in words: as its policy has it, or else as everybody's. Pure."""

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

_WORDS: Final = {
    Happening.DOWN: "is down",
    Happening.UP: "is up again",
    Happening.FLAPPING: "is flapping",
}


def message_of(
    tell: Tell,
    outage: Outage,
    monitor: Monitor | None,
    now: datetime,
    formatting: Formatting = PLAIN,
) -> Message:
    """What ``tell`` says. ``monitor``: None if it is gone, and its outage has ended with it."""
    plain = _plain(tell, outage, monitor, now)
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
        severity=spec.alerting.severity if spec is not None else AlertSeverity.INFO,
        title=_title(name, tell, monitor),
        text=_text(tell, outage, monitor, now),
        since=outage.started_at,
        until=outage.ended_at if tell.happening is Happening.UP else None,
        at=now,
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


def _title(name: str, tell: Tell, monitor: Monitor | None) -> str:
    if monitor is None:
        return f"{name} is no longer watched"
    still = "is still down" if tell.reminder else _WORDS[tell.happening]
    return f"{name} {still}"


def _text(tell: Tell, outage: Outage, monitor: Monitor | None, now: datetime) -> str:
    why = f"{outage.reason}: {outage.message}" if outage.message else outage.reason
    since = f"since {outage.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if monitor is None:
        return f"It was down {since}, and was deleted or switched off meanwhile."
    target = f"{monitor.spec.type}: {monitor.spec.target_text}" if _says_target(monitor) else ""
    match tell.happening:
        case Happening.UP:
            ended_at = outage.ended_at or now
            lines = [f"It was down for {lasting(ended_at - outage.started_at)}, {since}.", why]
        case Happening.FLAPPING:
            lines = ["It changes too often to tell each change.", f"Down first {since}.", why]
        case _:
            late = now - outage.confirmed_at
            ago = f", for {lasting(now - outage.started_at)}" if late > _LATE else ""
            lines = [why, f"Down {since}{ago}."]
    return "\n".join(line for line in (*lines, target, monitor.spec.description or "") if line)


def _says_target(monitor: Monitor) -> bool:
    return monitor.spec.target_text != monitor.spec.type.value


_LATE: Final = timedelta(minutes=1)
