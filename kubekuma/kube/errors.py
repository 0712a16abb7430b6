"""What can go wrong with the API server: ours, mapped once from the library's."""

import json
from typing import Any

import httpx


class KubeError(Exception):
    """A request that did not do what it should. ``retryable``: the same may succeed later."""

    retryable = True


class Unreachable(KubeError):  # noqa: N818 - a state of things, named as such everywhere
    """No answer, or none that makes sense: refused, reset, timed out, or not an API server."""


class Refused(KubeError):  # noqa: N818 - the same
    """The API server said no, with a Status."""

    def __init__(
        self, code: int, reason: str, message: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"{code} {reason}: {message}" if reason else f"{code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """Whether the same request may succeed later."""
        return self.code == 429 or self.code >= 500


def unreachable(error: httpx.HTTPError) -> Unreachable:
    """Ours, for the library's ``error``."""
    return Unreachable(str(error) or type(error).__name__)


def refused(response: httpx.Response) -> Refused:
    """Ours, for an answer that is no success and has been read."""
    status = _status(response.content)
    return Refused(
        response.status_code,
        str(status.get("reason", "")),
        str(status.get("message", "")) or response.reason_phrase,
        _seconds(response.headers.get("Retry-After")),
    )


def refused_in_stream(status: dict[str, Any]) -> Refused:
    """Ours, for the Status of an ERROR event."""
    details = status.get("details")
    delay = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    code = status.get("code")
    return Refused(
        code if isinstance(code, int) else 500,
        str(status.get("reason", "")),
        str(status.get("message", "")),
        float(delay) if isinstance(delay, int) else None,
    )


def _status(content: bytes) -> dict[str, Any]:
    try:
        status = json.loads(content)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isascii() and header.isdigit() else None
