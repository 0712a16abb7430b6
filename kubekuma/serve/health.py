"""/health and /ready: neither asks a target."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from quart import Blueprint, Response, jsonify

# What is not ready yet, and why; empty: everything is.
NotReady: TypeAlias = Callable[[], Mapping[str, str]]


def health_routes(not_ready: NotReady) -> Blueprint:
    """Build the routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    async def health() -> Response:
        # Whoever reads this answer knows that the process and its loop are alive.
        return jsonify(status="ok")

    @routes.get("/ready")
    async def ready() -> tuple[Response, int]:
        waits = not_ready()
        if waits:
            return jsonify(status="not ready", waits=waits), 503
        return jsonify(status="ready"), 200

    return routes
