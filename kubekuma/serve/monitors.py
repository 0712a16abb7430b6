"""Routes about monitors: what they are, how they are, and what they were."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import trio
from quart import Blueprint, Response, jsonify, request

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor, MonitorType
from kubekuma.model.result import Outcome, Timings
from kubekuma.model.state import SHOWN, Acknowledgement, Cause, Heartbeat, Standing
from kubekuma.record.heartbeats import heartbeats
from kubekuma.record.incidents import Incident, incidents
from kubekuma.record.reclassified import Reclassification, reclassifications
from kubekuma.record.store import Reading
from kubekuma.record.times import Window
from kubekuma.record.uptime import WINDOWS, Uptime, total, uptimes_of
from kubekuma.serve.board import Board, Row
from kubekuma.serve.history import exact, known, read
from kubekuma.serve.query import (
    cursor_key,
    instant,
    key_cursor,
    known_only,
    one_of,
    whole_number,
)
from kubekuma.validate.decode import encoded, timestamp
from kubekuma.validate.rule import Rejected

MOST_MONITORS: Final = 500
# Between two portions of what is looked through, the loop gets its turn.
PORTION: Final = 250
MOST_HEARTBEATS: Final = 1000
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def monitor_routes(board: Board, store: Reading, now: Callable[[], datetime]) -> Blueprint:
    """Build the routes; the arguments are all the outside world that they can reach."""
    routes = Blueprint("monitors", __name__, url_prefix="/api/v1/monitors")

    @routes.get("")
    async def list_monitors() -> Response:
        query = request.args
        known_only(query, "limit", "continue", "namespace", "state", "type", "tag", "q")
        limit = whole_number(query, "limit", default=100, low=1, high=MOST_MONITORS)
        after = cursor_key(query, "continue")
        page = await _page(board, _wanted(query), after, limit + 1)
        views = [summary_view(row, board.uptimes) for row in page[:limit]]
        more = key_cursor(page[limit - 1].key) if len(page) > limit else None
        return jsonify(items=views, **({"continue": more} if more else {}))

    @routes.get("/uptime")
    async def show_uptime() -> Response:
        query = request.args
        known_only(query, "namespace", "type", "tag", "q")
        rows = await _page(board, _wanted(query), None, None)
        sums = {
            name: total(known.get(row.key, Uptime()) for row in rows)
            for name, known in board.uptimes.items()
        }
        return jsonify(monitors=len(rows), uptime=_uptime_view(sums))

    @routes.get("/<namespace>/<name>")
    async def show_monitor(namespace: str, name: str) -> Response:
        row = known(board, namespace, name)
        uptime = await read(store.read(uptimes_of, row.key, now()))
        last = await read(store.read(incidents, row.key, now(), 20))
        window = Window(since=now() - max(WINDOWS.values()), until=now())
        said = await read(store.read(reclassifications, row.key, window))
        return jsonify(detail_view(row, uptime, last, said))

    @routes.get("/<namespace>/<name>/heartbeats")
    async def list_heartbeats(namespace: str, name: str) -> Response:
        row = known(board, namespace, name)
        query = request.args
        known_only(query, "limit", "since", "until", "outcome")
        limit = whole_number(query, "limit", default=100, low=1, high=MOST_HEARTBEATS)
        outcome = one_of(query, "outcome", tuple(each.value for each in Outcome))
        until = instant(query, "until", default=now() + timedelta(seconds=1))
        since = instant(query, "since", default=EVER)
        window = Window(since=since, until=until)
        found = await read(store.read(heartbeats, row.key, window, limit + 1, outcome))
        page = [heartbeat_view(each) for each in found[:limit]]
        # Heartbeats come newest first: the next page ends where this one began.
        more = exact(found[limit - 1].at) if len(found) > limit else None
        return jsonify(items=page, **({"continue": {"until": more}} if more else {}))

    return routes


def summary_view(row: Row, uptimes: Mapping[str, Mapping[Key, Uptime]]) -> dict[str, Any]:
    """The JSON form of a monitor in a list."""
    percents = {name: known.get(row.key, Uptime()) for name, known in uptimes.items()}
    return {**_identity(row), **_state(row), "uptime": _uptime_view(percents)}


def detail_view(
    row: Row,
    uptimes: Mapping[str, Uptime],
    last_incidents: Sequence[Incident],
    said: Sequence[Reclassification],
) -> dict[str, Any]:
    """The JSON form of a monitor by itself."""
    errors = row.latest.errors if isinstance(row.latest, Rejected) else ()
    return {
        **_identity(row),
        **_state(row),
        "uptime": _uptime_view(uptimes),
        "certificate": _certificate_view(row.state.standing),
        "incidents": [incident_view(each) for each in last_incidents],
        "reclassified": [_reclassification_view(each) for each in said],
        "valid": not errors,
        "errors": [{"path": each.path, "message": each.message} for each in errors],
        "spec": None if row.valid is None else encoded(row.valid.spec),
    }


def heartbeat_view(heartbeat: Heartbeat) -> dict[str, Any]:
    """The JSON form of a heartbeat; times in milliseconds."""
    return {
        "at": exact(heartbeat.at),
        "outcome": heartbeat.outcome.value,
        "reason": heartbeat.reason.value,
        "message": heartbeat.message,
        "latencyMs": _ms(heartbeat.latency_seconds),
        "phasesMs": _phases(heartbeat.timings),
        "statusCode": heartbeat.status_code,
        "attempt": heartbeat.attempt,
    }


def incident_view(incident: Incident) -> dict[str, Any]:
    """The JSON form of an outage."""
    return {
        "id": incident.id,
        "startedAt": exact(incident.started_at),
        "confirmedAt": exact(incident.confirmed_at),
        "endedAt": None if incident.ended_at is None else exact(incident.ended_at),
        "reason": incident.reason,
        "message": incident.message,
        "cause": None if incident.cause is None else _cause_view(incident.cause),
        "acknowledgement": None
        if incident.acknowledgement is None
        else _acknowledgement_view(incident.acknowledgement),
    }


def _acknowledgement_view(given: Acknowledgement) -> dict[str, Any]:
    return {
        "at": exact(given.at),
        "by": given.by,
        "note": given.note,
        "until": None if given.until is None else exact(given.until),
    }


def _reclassification_view(said: Reclassification) -> dict[str, Any]:
    return {
        "id": said.id,
        "since": exact(said.window.since),
        "until": exact(said.window.until),
        "charge": said.charge.value,
        "at": exact(said.at),
        "by": said.by,
        "reason": said.reason,
    }


def _cause_view(cause: Cause) -> dict[str, Any]:
    return {
        "at": exact(cause.at),
        "reason": cause.reason.value,
        "message": cause.message,
        "peer": cause.peer,
        "statusCode": cause.status_code,
        "phasesMs": _phases(cause.timings),
        "certificate": None
        if cause.certificate is None
        else {
            "subject": cause.certificate.subject,
            "issuer": cause.certificate.issuer,
            "names": [*cause.certificate.names],
            "expiresAt": timestamp(cause.certificate.expires_at),
            "valid": cause.certificate.valid,
        },
        "transcript": [*cause.transcript],
        "parents": [
            {
                "namespace": parent.key.namespace,
                "name": parent.key.name,
                "verdict": parent.verdict.value,
                "since": exact(parent.since),
            }
            for parent in cause.parents
        ],
    }


async def _page(
    board: Board, wanted: Callable[[Row], bool], after: Key | None, limit: int | None
) -> list[Row]:
    """The first ``limit`` rows behind ``after`` that are wanted; all of them if it is None."""
    found: list[Row] = []
    for number, row in enumerate(board.rows(), 1):
        if number % PORTION == 0:
            await trio.lowlevel.checkpoint()
        if (after is None or row.key > after) and wanted(row):
            found.append(row)
            if len(found) == limit:
                break
    return found


def _wanted(query: Mapping[str, str]) -> Callable[[Row], bool]:
    """What the filters of a query let through."""
    namespace, tag = query.get("namespace"), query.get("tag")
    state = one_of(query, "state", SHOWN)
    kind = one_of(query, "type", tuple(each.value for each in MonitorType))
    words = query.get("q", "").casefold()

    def wanted(row: Row) -> bool:
        spec = row.valid.spec if row.valid is not None else None
        return (
            (namespace is None or row.key.namespace == namespace)
            and (state is None or row.shown == state)
            and (kind is None or (spec is not None and spec.type.value == kind))
            and (tag is None or (spec is not None and tag in spec.tags))
            and (not words or words in _text(row))
        )

    return wanted


def _text(row: Row) -> str:
    valid = row.valid
    more = (valid.spec.display_name, valid.spec.target_text, *valid.spec.tags) if valid else ()
    return " ".join((*row.key, *filter(None, more))).casefold()


def _identity(row: Row) -> dict[str, Any]:
    valid: Monitor | None = row.valid
    spec = valid.spec if valid is not None else None
    return {
        "namespace": row.key.namespace,
        "name": row.key.name,
        "uid": row.latest.meta.uid,
        "displayName": (spec.display_name if spec else None) or row.key.name,
        "type": spec.type.value if spec else None,
        "target": spec.target_text if spec else None,
        "tags": list(spec.tags) if spec else [],
        "labels": dict(row.latest.meta.labels),
    }


def _state(row: Row) -> dict[str, Any]:
    standing, last = row.state.standing, row.state.last
    return {
        "state": row.shown,
        "verdict": standing.verdict.value,
        "overlays": list(standing.overlays),
        "since": None if standing.since is None else timestamp(standing.since),
        "incident": standing.incident,
        "lastHeartbeat": None if last is None else heartbeat_view(last),
    }


def _uptime_view(uptimes: Mapping[str, Uptime]) -> dict[str, str | None]:
    return {name: uptimes[name].percent for name in WINDOWS if name in uptimes}


def _certificate_view(standing: Standing) -> dict[str, Any] | None:
    if standing.certificate_expires_at is None:
        return None
    return {
        "expiresAt": timestamp(standing.certificate_expires_at),
        "valid": standing.certificate_valid,
    }


def _phases(timings: Timings) -> dict[str, float]:
    phases = {
        "dns": timings.dns,
        "connect": timings.connect,
        "tls": timings.tls,
        "firstByte": timings.first_byte,
        "transfer": timings.transfer,
    }
    return {name: _ms(seconds) for name, seconds in phases.items() if seconds is not None}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
