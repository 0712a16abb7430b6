"""/health and /ready: neither asks a target."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from quart import Blueprint, Response, jsonify, request

# What is not as it should be, and why; empty: everything is.
Complaints: TypeAlias = Callable[[], Mapping[str, str]]


def _none() -> Mapping[str, str]:
    return {}


def health_routes(
    not_ready: Complaints, ailing: Complaints = _none, no_standby: Complaints = _none
) -> Blueprint:
    """Build the routes. What is ``ailing`` only a new process can cure.

    ``no_standby``: what hinders it from being of use as a standby, at least.
    """
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    async def health() -> tuple[Response, int]:
        # Whoever reads any answer knows that the process and its loop are alive.
        ails = ailing()
        if ails:
            return jsonify(status="ailing", ails=ails), 503
        return jsonify(status="ok"), 200

    @routes.get("/ready")
    async def ready() -> tuple[Response, int]:
        waits = (no_standby if request.args.get("standby") == "true" else not_ready)()
        if waits:
            return jsonify(status="not ready", waits=waits), 503
        return jsonify(status="ready"), 200

    return routes
