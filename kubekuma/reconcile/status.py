"""What we write into the status of objects: bodies for server-side apply. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kubekuma.model.kinds import MONITOR, Kind
from kubekuma.model.meta import API_VERSION, Condition, ObjectMeta, Truth
from kubekuma.model.monitor import (
    CertificateSummary,
    IncidentSummary,
    LastResult,
    Monitor,
    MonitorStatus,
    UptimeSummary,
)
from kubekuma.model.state import MonitorState, Standing, Verdict
from kubekuma.validate.decode import encoded

MOST_MESSAGE: Final = 1024
_UP: Final = {
    Verdict.UP: Truth.TRUE,
    Verdict.DEGRADED: Truth.TRUE,
    Verdict.DOWN: Truth.FALSE,
}


def conditions_body(
    kind: Kind,
    meta: ObjectMeta,
    generation: int,
    conditions: Sequence[Condition],
    status: Mapping[str, Any],
) -> Mapping[str, Any]:
    """What ``kubekuma-reconciler`` applies: how the spec is, and what became of it.

    ``status`` is what else it says of this kind, in its JSON form.
    """
    said = {"observedGeneration": generation, "conditions": [_condition(it) for it in conditions]}
    return _body(kind, meta, {**status, **said})


def summary_body(
    monitor: Monitor,
    state: MonitorState,
    uptime: Mapping[str, str | None],
    now: datetime,
    *,
    notifies: int,
) -> Mapping[str, Any]:
    """What ``kubekuma-status`` applies: how the target is.

    ``uptime`` is in percent, by the names of ``record.uptime.WINDOWS``;
    ``notifies`` is the number of providers that an outage would be told to.
    """
    standing = state.standing
    status = MonitorStatus(
        conditions=(up_condition(monitor, state, now),),
        verdict=standing.verdict.value,
        overlays=standing.overlays,
        state=standing.shown,
        since=standing.since,
        target=monitor.spec.target_text,
        incident=_incident(standing),
        last_result=_last_result(state),
        uptime=UptimeSummary(
            last1h=uptime.get("1h"),
            last24h=uptime.get("24h"),
            last7d=uptime.get("7d"),
            last30d=uptime.get("30d"),
        ),
        cert=_certificate(standing, now),
        notifies=notifies,
    )
    # Absent is what an empty uptime means.
    written = encoded(status)
    return _body(MONITOR, monitor.meta, {k: v for k, v in written.items() if v != {}})


def up_condition(monitor: Monitor, state: MonitorState, now: datetime) -> Condition:
    """Whether the target is up: Unknown before the first verdict, and while we cannot look."""
    standing, last = state.standing, state.last
    verdict = standing.verdict
    if verdict is Verdict.PENDING and standing.settled is not None:
        # What is doubted holds until it is decided.
        verdict = standing.settled
    reason = last.reason.value if last is not None else "Pending"
    return Condition(
        type="Up",
        status=_UP.get(verdict, Truth.UNKNOWN),
        reason=reason,
        message=(last.message if last is not None else "")[:MOST_MESSAGE],
        observed_generation=monitor.meta.generation,
        last_transition_time=standing.since or now,
    )


def _body(kind: Kind, meta: ObjectMeta, status: Mapping[str, Any]) -> Mapping[str, Any]:
    # The uid is a precondition: the status of an object made anew meanwhile is not ours to write.
    metadata = {"name": meta.key.name, "uid": meta.uid}
    if meta.key.namespace:
        metadata["namespace"] = meta.key.namespace
    return {
        "apiVersion": API_VERSION,
        "kind": kind.name,
        "metadata": metadata,
        "status": status,
    }


def _condition(condition: Condition) -> Mapping[str, Any]:
    # metav1.Condition requires a message, even if it is empty.
    return {"message": "", **encoded(condition)}


def _incident(standing: Standing) -> IncidentSummary | None:
    if standing.incident is None or standing.incident_started_at is None:
        return None
    return IncidentSummary(id=standing.incident, started_at=standing.incident_started_at)


def _last_result(state: MonitorState) -> LastResult | None:
    last = state.last
    if last is None:
        return None
    return LastResult(
        state=last.outcome.value,
        checked_at=last.at,
        latency_ms=round(last.latency_seconds * 1000),
        attempts=last.attempt,
        reason=last.reason.value,
        message=last.message[:MOST_MESSAGE],
    )


def _certificate(standing: Standing, now: datetime) -> CertificateSummary | None:
    expires_at = standing.certificate_expires_at
    if expires_at is None:
        return None
    return CertificateSummary(
        expires_at=expires_at,
        days_remaining=(expires_at - now).days,
        valid=bool(standing.certificate_valid),
    )
