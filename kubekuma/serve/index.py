"""/: where everything is, for whoever comes with a browser or with curl alone."""

from typing import Final

from quart import Blueprint, Response, jsonify

from kubekuma import __version__

_PLACES: Final = {
    "monitors": "/api/v1/monitors",
    "push": "/push/{token}",
    "metrics": "/metrics",
    "health": "/health",
    "ready": "/ready",
}


def index_routes() -> Blueprint:
    """Build the routes."""
    routes = Blueprint("index", __name__)

    @routes.get("/")
    async def index() -> Response:
        return jsonify(name="kubekuma", version=__version__, places=_PLACES)

    return routes
