"""Errors as application/problem+json (RFC 9457)."""

import json
from http import HTTPStatus
from typing import Final

from quart import Quart, Response
from werkzeug.exceptions import HTTPException

CONTENT_TYPE: Final = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the RFC's word
    """Ends a request with ``status`` and says why, in words for whoever asked.

    ``retry_after``: seconds after which it is worth asking again.
    """

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


def problem_response(status: int, detail: str) -> Response:
    """The answer that says so."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(json.dumps(body), status, content_type=CONTENT_TYPE)


def answer_problems(app: Quart) -> None:
    """Have every error of ``app`` answered as a problem."""

    @app.errorhandler(Problem)
    async def _(error: Problem) -> Response:
        response = problem_response(error.status, error.detail)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    async def _(error: HTTPException) -> Response:
        response = problem_response(error.code or 500, error.description or "")
        for name, value in error.get_headers():
            if name.lower() in {"allow", "location", "retry-after"}:
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    async def _(error: Exception) -> Response:
        app.logger.error("request failed", exc_info=error)
        return problem_response(500, "the request failed on our side, and the log says why")
