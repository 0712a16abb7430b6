"""The ASGI application: asks who is there and what they may do, reads requests, sends answers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import structlog
import trio

from kubekuma.standalone.access import Access
from kubekuma.standalone.actions import action_of
from kubekuma.standalone.answers import Answer, Reply, Stream
from kubekuma.standalone.codec import encoded
from kubekuma.standalone.errors import ApiError, NoSuchPathError, internal_error, too_large
from kubekuma.standalone.rbac import User
from kubekuma.standalone.requests import JSON, Request
from kubekuma.standalone.routes import Routes
from kubekuma.standalone.store import StoreError
from kubekuma.standalone.users import Users

BODY_LIMIT: Final = 3 * 1024 * 1024

_LOG: Final = structlog.get_logger()
# Whether we are there may be asked by anybody.
_OPEN_PATHS: Final = frozenset({"/healthz", "/livez", "/readyz"})
# May stand in a request more than once.
_GROUP: Final = b"impersonate-group"

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
SendMessage: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]


class _GoneError(Exception):
    """The client left before its request was complete."""


class HttpApi:
    """The API over HTTP, for whoever is allowed what they ask for."""

    def __init__(self, routes: Routes, users: Users, access: Access) -> None:
        self._routes = routes
        self._users = users
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Serve one request, or the beginning and end of the server."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        try:
            reply = await self._reply(scope, receive)
        except _GoneError:
            return
        if isinstance(reply, Stream):
            await _send_stream(reply, receive, send)
        else:
            await _send_answer(reply, send, with_body=scope["method"] != "HEAD")

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        if scope["path"] in _OPEN_PATHS:
            return Answer(body=b"ok", content_type="text/plain")
        try:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            # Whoever may not do it is not listened to.
            user = self._user(scope, headers)
            self._access.require(user, action_of(scope["method"], scope["path"], query))
            request = Request(
                user=user,
                method="GET" if scope["method"] == "HEAD" else scope["method"],
                path=scope["path"],
                query=query,
                headers=headers,
                body=await _read_body(receive),
            )
            return await self._routes.answer(request)
        except ApiError as error:
            return _refusal(error)
        except StoreError as error:
            _LOG.error("a write was not stored", error=str(error))
            return _refusal(internal_error(f"the object could not be stored: {error}"))
        except _GoneError:
            raise
        except Exception:  # noqa: BLE001 (logged with its traceback)
            # One bad request ends nobody else's.
            _LOG.exception("a request failed", method=scope["method"], path=scope["path"])
            return _refusal(internal_error("see the log"))

    def _user(self, scope: Scope, headers: Mapping[str, str]) -> User:
        user = self._users.authenticate(headers.get("authorization", ""))
        groups = [text.decode("latin-1") for name, text in scope["headers"] if name == _GROUP]
        return self._access.impersonated(user, headers.get("impersonate-user", ""), groups)


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise too_large(BODY_LIMIT)
        if not message.get("more_body"):
            return bytes(body)


async def _send_answer(answer: Answer, send: SendMessage, *, with_body: bool) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-cache, private"),
        *((b"warning", _warning(each)) for each in answer.warnings),
    ]
    if answer.code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


async def _send_stream(stream: Stream, receive: Receive, send: SendMessage) -> None:
    headers = [(b"content-type", JSON.encode()), (b"cache-control", b"no-cache, private")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def piece(body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
        await stream.run(piece)
        nursery.cancel_scope.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _live(receive: Receive, send: SendMessage) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def _refusal(error: ApiError) -> Answer:
    if isinstance(error, NoSuchPathError):
        return Answer(body=error.message.encode(), code=error.code, content_type="text/plain")
    return Answer(body=encoded(error.status()), code=error.code)


def _warning(text: str) -> bytes:
    # A quoted string of RFC 9110; what a header cannot hold is left out.
    printable = "".join(each for each in text if each.isprintable())
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'.encode("ascii", "replace")
