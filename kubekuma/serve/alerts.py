"""Routes about what was told of a monitor, to whom, and why others were not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from quart import Blueprint, Response, jsonify, request

from kubekuma.model.alert import Delivery
from kubekuma.model.meta import Key
from kubekuma.record.decisions import Decision, decisions
from kubekuma.record.deliveries import deliveries_of
from kubekuma.record.store import Reading
from kubekuma.serve.board import Board
from kubekuma.serve.history import exact, known, read
from kubekuma.serve.query import instant, known_only, whole_number

MOST: Final = 500


def alert_routes(board: Board, store: Reading, now: Callable[[], datetime]) -> Blueprint:
    """Build the routes; the arguments are all the outside world that they can reach."""
    routes = Blueprint("alerts", __name__, url_prefix="/api/v1/monitors")

    @routes.get("/<namespace>/<name>/deliveries")
    async def list_deliveries(namespace: str, name: str) -> Response:
        key = known(board, namespace, name).key
        return await _listed(key, store, now(), deliveries_of, delivery_view, "createdAt")

    @routes.get("/<namespace>/<name>/decisions")
    async def list_decisions(namespace: str, name: str) -> Response:
        key = known(board, namespace, name).key
        return await _listed(key, store, now(), decisions, decision_view, "at")

    return routes


async def _listed(
    key: Key,
    store: Reading,
    at: datetime,
    find: Callable[..., list[Any]],
    view: Callable[[Any], dict[str, Any]],
    when: str,
) -> Response:
    """Answer with a page, the newest first: the next one ends where this one began."""
    query = request.args
    known_only(query, "limit", "until")
    limit = whole_number(query, "limit", default=100, low=1, high=MOST)
    until = instant(query, "until", default=at + timedelta(seconds=1))
    found = [view(each) for each in await read(store.read(find, key, until, limit + 1))]
    more = found[limit - 1][when] if len(found) > limit else None
    return jsonify(items=found[:limit], **({"continue": {"until": more}} if more else {}))


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    """The JSON form of a message on its way, or at the end of it."""
    message = delivery.message
    return {
        "id": delivery.id,
        "outage": delivery.outage,
        "event": message.happening.value,
        "reminder": message.reminder,
        "provider": str(delivery.provider),
        "policy": None if delivery.policy is None else str(delivery.policy),
        "severity": message.severity.value,
        "title": message.title,
        "status": delivery.status.value,
        "attempts": delivery.attempts,
        "error": delivery.error or None,
        "createdAt": exact(delivery.created_at),
        "nextAt": exact(delivery.next_at) if delivery.status.value == "pending" else None,
        "sentAt": None if delivery.sent_at is None else exact(delivery.sent_at),
    }


def decision_view(decision: Decision) -> dict[str, Any]:
    """The JSON form of why somebody was not told; without a provider nobody was."""
    return {
        "at": exact(decision.at),
        "outage": decision.outage,
        "provider": decision.provider or None,
        "why": decision.said,
    }
