"""What a provider turns a message into: HTTP requests, as values."""

from collections.abc import Callable
from typing import TypeAlias

import attrs

from kubekuma.model.meta import SecretKeyRef

# The value of a Secret that the provider's config refers to. Raises SecretMissing.
Secret: TypeAlias = Callable[[SecretKeyRef], str]


class SecretMissing(Exception):  # noqa: N818 - a state of things
    """The provider refers to a Secret, or a key of one, that is not there."""


@attrs.frozen(kw_only=True)
class Request:
    """One request. Its URL and headers may hold credentials, and are shown to nobody.

    ``secrets``: those that it holds, ``Authorization`` aside; the URL may be one.
    ``optional``: the message has arrived even if this fails.
    """

    url: str = attrs.field(repr=False)
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    optional: bool = False
