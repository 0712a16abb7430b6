"""What is to be told of a monitor besides outages, by its state as it is. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from kubekuma.model.alert import Outage
from kubekuma.model.monitor import Monitor
from kubekuma.model.policy import Happening
from kubekuma.model.state import MonitorState, Standing, Verdict


def notices(monitor: Monitor, state: MonitorState, burns: str, now: datetime) -> Iterator[Outage]:
    """Everything that is so now, or will be if nothing changes: ``confirmed_at`` says when.

    ``burns``: how fast the error budget is used up, in words; empty: not too
    fast. Ids are the same for one state of things, whoever works it out.
    """
    standing = state.standing
    if standing.paused or not monitor.spec.enabled:
        return
    last = state.last
    reason, message = (last.reason.value, last.message) if last is not None else ("", "")
    if standing.verdict is Verdict.DEGRADED and standing.since is not None:
        yield _notice(Happening.DEGRADED, monitor, standing.since, reason, message)
    wait = monitor.spec.alerting.notify_on.unknown_after_minutes
    if standing.verdict is Verdict.UNKNOWN and standing.since is not None and wait:
        yield _notice(
            Happening.UNKNOWN,
            monitor,
            standing.since,
            reason,
            message,
            confirmed_at=standing.since + timedelta(minutes=wait),
        )
    yield from _ends(monitor, "certificate", standing.certificate_expires_at, now)
    yield from _ends(monitor, "registration", standing.registered_until, now)
    if burns:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        # Once a day is enough to be told of one and the same trouble.
        yield _notice(Happening.BUDGET_BURN, monitor, midnight, "BudgetBurn", burns)


def ended(known: Sequence[Outage], current: Sequence[Outage]) -> Iterator[Outage]:
    """What was told and is not so any more. What cannot be checked for another reason still is."""
    ids = {each.id for each in current}
    unknown = any(each.what is Happening.UNKNOWN for each in current)
    for each in known:
        if each.id not in ids and not (unknown and each.what is Happening.UNKNOWN):
            yield each


def ends_quietly(what: Happening, standing: Standing | None) -> bool:
    """Whether what is told as ``what`` ends in something worse, so that nobody need hear of that.

    ``standing``: None if the monitor is not watched any more.
    """
    if standing is None or standing.paused:
        return True
    match what:
        case Happening.DEGRADED:
            return standing.verdict is not Verdict.UP
        case Happening.UNKNOWN:
            return standing.verdict in {Verdict.DOWN, Verdict.PENDING}
        case _:
            return False


def _ends(
    monitor: Monitor, what: str, expires_at: datetime | None, now: datetime
) -> Iterator[Outage]:
    days = sorted(_warn_before_days(monitor), reverse=True)
    if expires_at is None or not days:
        return
    come = [day for day in days if expires_at - timedelta(days=day) <= now]
    confirmed_at = expires_at - timedelta(days=come[-1] if come else days[0])
    said = f"the {what} ends at {expires_at:%Y-%m-%d %H:%M} UTC"
    yield _notice(
        Happening.CERT_EXPIRING,
        monitor,
        expires_at,
        f"{what.capitalize()}Ends",
        said,
        confirmed_at=confirmed_at,
        step=max(len(come) - 1, 0),
    )


def _warn_before_days(monitor: Monitor) -> Sequence[int]:
    target = monitor.spec.target_in_use
    tls = getattr(target, "tls", None)
    days: Sequence[int] | None = getattr(target, "warn_before_days", None)
    return days if days is not None else getattr(tls, "warn_before_days", ())


def _notice(
    what: Happening,
    monitor: Monitor,
    since: datetime,
    reason: str,
    message: str,
    *,
    confirmed_at: datetime | None = None,
    step: int = 0,
) -> Outage:
    key = monitor.meta.key
    # Whatever cannot be checked for another reason is another thing to look into.
    stamp = [reason] if what is Happening.UNKNOWN else []
    parts = (what.value, key.namespace, key.name, since.isoformat(), *stamp)
    return Outage(
        id=sha256("\n".join(parts).encode()).hexdigest()[:32],
        what=what,
        step=step,
        key=key,
        started_at=since,
        confirmed_at=confirmed_at or since,
        ended_at=None,
        reason=reason,
        message=message,
    )
