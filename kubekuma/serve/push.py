"""/push/{token}: where the senders of push monitors report, under the names that they know."""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from quart import Blueprint, Response, jsonify, request

from kubekuma.kit.allowance import Allowance
from kubekuma.model.push import Beat, Signal
from kubekuma.serve.problem import Problem

# As Uptime Kuma and Healthchecks have it: their senders need another host and nothing else.
PREFIXES: Final = ("/push", "/api/push", "/ping")
MOST_MESSAGE: Final = 1024
PER_SECOND: Final = 1.0
BURST: Final = 20
UNKNOWN_PER_SECOND: Final = 0.5
_STATUSES: Final = {"up": Signal.SUCCESS, "down": Signal.FAILURE}
_SIGNALS: Final = {
    "": None,  # as the status says
    "success": Signal.SUCCESS,
    "fail": Signal.FAILURE,
    "start": Signal.START,
    "log": Signal.LOG,
}

# Takes in what the sender with a token reports. False: nobody has such a token.
TakeBeat: TypeAlias = Callable[[str, Beat], Awaitable[bool]]


def push_routes(
    take: TakeBeat, standby: Callable[[], str | None], now: Callable[[], float]
) -> Blueprint:
    """Build the routes. ``standby``: why another process must be asked; None: we take reports."""
    routes = Blueprint("push", __name__)
    known, unknown = Allowance(PER_SECOND, BURST), Allowance(UNKNOWN_PER_SECOND, BURST)

    async def push(token: str, signal: str = "") -> Response:
        why = standby()
        if why is not None:
            raise Problem(503, f"reports are taken by another process: {why}", retry_after=5)
        beat = await _beat(signal)
        _allow(known, token, now())
        if not await take(token, beat):
            _allow(unknown, request.remote_addr, now())
            raise Problem(404, "there is no push monitor with this token")
        return jsonify(ok=True)

    for number, prefix in enumerate(PREFIXES):
        for end, path in enumerate((f"{prefix}/<token>", f"{prefix}/<token>/<signal>")):
            routes.add_url_rule(path, f"push{number}{end}", push, methods=["GET", "POST"])
    return routes


def _allow(allowance: Allowance, caller: str | None, now: float) -> None:
    seconds = allowance.take(caller, now)
    if seconds:
        wait = math.ceil(seconds)
        raise Problem(429, f"too many reports: come again in {wait} s", retry_after=wait)


async def _beat(signal: str) -> Beat:
    """What the request reports; raises Problem if it makes no sense."""
    said, text = await _said()
    code = _exit_code(signal)
    if signal not in _SIGNALS and code is None:
        known = ", ".join(filter(None, _SIGNALS))
        raise Problem(404, f"{signal} is none of {known}, and no exit code from 0 to 255")
    meant = Signal.SUCCESS if code == 0 else Signal.FAILURE
    if code is None:
        meant = _SIGNALS[signal] or _status(said.get("status") or "up")
    message = str(said.get("msg") or text)
    if code and not message:
        message = f"exit status {code}"
    ping = said.get("ping")
    return Beat(
        signal=meant,
        message=message.strip()[:MOST_MESSAGE],
        latency_seconds=None if ping in {None, ""} else _milliseconds(ping),
    )


async def _said() -> tuple[Mapping[str, Any], str]:
    """Fields of the query, of a form or of a JSON object; and any other body as a text."""
    query = request.args.to_dict()
    if request.method != "POST":
        return query, ""
    kind = request.mimetype
    if kind == "application/x-www-form-urlencoded":
        form = (await request.form).to_dict()
        # curl --data sends a plain text under this name as well.
        if set(form) & {"status", "msg", "ping"}:
            return {**query, **form}, ""
        return query, "\n".join("=".join(filter(None, each)) for each in form.items())
    text = bytes(await request.data).decode("utf-8", "replace")
    if kind == "application/json":
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise Problem(400, f"the body is not JSON: {error}") from error
        if isinstance(fields, dict):
            return {**query, **fields}, ""
    return query, text


def _status(text: object) -> Signal:
    signal = _STATUSES.get(str(text))
    if signal is None:
        raise Problem(400, f"status is {str(text)[:32]!r}: must be up or down")
    return signal


def _exit_code(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255:
        return int(text)
    return None


def _milliseconds(value: object) -> float:
    try:
        seconds = float(str(value)) / 1000
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise Problem(400, f"ping is {str(value)[:32]!r}: must be milliseconds, such as 12.5")
    return seconds
