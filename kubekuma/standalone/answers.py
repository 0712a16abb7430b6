"""What a request is answered with: a whole document, or a stream of pieces."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import attrs

from kubekuma.standalone.codec import encoded
from kubekuma.standalone.requests import JSON

Send: TypeAlias = Callable[[bytes], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Answer:
    """A whole answer."""

    body: bytes
    code: int = 200
    content_type: str = JSON
    warnings: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Stream:
    """An answer that goes on: ``run`` sends it piece by piece."""

    run: Callable[[Send], Awaitable[None]]


Reply: TypeAlias = Answer | Stream


def json_answer(value: Mapping[str, Any], code: int = 200) -> Answer:
    """Answer with ``value`` as JSON."""
    return Answer(body=encoded(value), code=code)
