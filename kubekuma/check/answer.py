"""An HTTP answer: what http criteria are judged on."""

from collections.abc import Sequence

import attrs

from kubekuma.check.decode import decode


@attrs.frozen(kw_only=True)
class Answer:
    """One answer. The body is empty if nobody wanted it."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]  # names in lower case
    body: bytes = b""
    trailers: Sequence[tuple[bytes, bytes]] = ()

    def header(self, name: str) -> str | None:
        """The value of the header ``name``; several are joined by commas (RFC 9110, 5.3)."""
        wanted = name.lower().encode("utf-8")
        values = [value for each, value in self.headers if each == wanted]
        return b", ".join(values).decode("utf-8", "replace") if values else None

    def text(self) -> str:
        """The body as text; decodes anew each time."""
        return decode(self.body, self.header("content-type"))
