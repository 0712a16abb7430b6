"""A message in words, as it reads unless a policy has templates of its own. Pure."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from kubekuma.alert.plan import Tell
from kubekuma.model.alert import Message, Outage
from kubekuma.model.monitor import AlertSeverity, Monitor
from kubekuma.model.policy import Happening

_WORDS: Final = {
    Happening.DOWN: "is down",
    Happening.UP: "is up again",
    Happening.FLAPPING: "is flapping",
}


def message_of(tell: Tell, outage: Outage, monitor: Monitor | None, now: datetime) -> Message:
    """What ``tell`` says. ``monitor``: None if it is gone, and its outage has ended with it."""
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
        reason=outage.reason,
        reminder=tell.reminder,
        tags=spec.tags if spec is not None else (),
        links={each.name: each.url for each in spec.links} if spec is not None else {},
        facts=dict(spec.annotations) if spec is not None else {},
    )


def message_id(outage: Outage, tell: Tell) -> str:
    """The same for one happening of one outage and provider, whoever works it out, and when."""
    parts = (outage.id, str(tell.provider), tell.happening.value, str(tell.reminder))
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def lasting(length: timedelta) -> str:
    """A length for people: its two largest units."""
    seconds = max(0, int(length.total_seconds()))
    parts: list[str] = []
    for unit, letter in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, unit)
        if count or (letter == "s" and not parts):
            parts.append(f"{count} {letter}")
    return " ".join(parts[:2])


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
