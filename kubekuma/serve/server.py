"""The web application: every route, and what holds for all of them."""

from collections.abc import Iterable
from typing import TypeAlias

from quart import Blueprint, Quart, Response
from quart_trio import QuartTrio

from kubekuma.serve.problem import answer_problems

# No answer of ours runs scripts, is framed, or is anything but what it says.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


WebApp: TypeAlias = Quart


def build_app(routes: Iterable[Blueprint]) -> WebApp:
    """An application of these ``routes``."""
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
    app.json.sort_keys = False  # type: ignore[attr-defined]
    answer_problems(app)
    for each in routes:
        app.register_blueprint(each)

    @app.after_request
    async def _(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app
