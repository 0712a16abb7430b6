"""Which headers of a request are its author's to say, and which the client's (RFC 9110)."""

import re
from collections.abc import Mapping
from typing import Final

_ONE_EACH: Final = "every request has a connection of its own, closed after the answer"
_AS_A_WHOLE: Final = "the body is sent as a whole, with its length"

# What a client says itself for each request, by its name in lower case, and why.
OF_THE_CLIENT: Final[Mapping[str, str]] = {
    "connection": _ONE_EACH,
    "content-length": _AS_A_WHOLE,
    "expect": "the body is sent at once",
    "keep-alive": _ONE_EACH,
    "te": "how an answer is transferred is not the author's to choose",
    "trailer": _AS_A_WHOLE,
    "transfer-encoding": _AS_A_WHOLE,
    "upgrade": "the protocol does not change",
}

# RFC 9110, section 5.5: a tab is allowed, other control characters are invalid.
_NOT_IN_A_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def is_header_value(value: bytes) -> bool:
    """Whether ``value`` can stand in a header."""
    return _NOT_IN_A_VALUE.search(value) is None
