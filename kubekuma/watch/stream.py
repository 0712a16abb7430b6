"""What the bytes of a watch say, event by event."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.kube.errors import Unreachable
from kubekuma.model.meta import Key

Document: TypeAlias = Mapping[str, Any]

MOST_LINE_BYTES: Final = 4 * 1024 * 1024
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


@attrs.frozen
class Told:
    """One event: ``key`` is None for what is no object, ``version`` empty if none is said."""

    what: str
    document: Document
    key: Key | None
    version: str
    ends_initial: bool


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Told, None]:
    """Read every event that makes sense; the others are of a server newer than we are.

    Raises Unreachable for half a line or one without end.
    """
    rest = b""
    async for chunk in chunks:
        # Only "\n" ends a line: Go leaves U+0085 and its like in strings as they are.
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            told = _told(line) if line.strip() else None
            if told is not None:
                yield told
        if len(rest) > MOST_LINE_BYTES:
            raise Unreachable(f"a watch event of more than {MOST_LINE_BYTES} bytes")


def key_of(document: Any) -> Key | None:
    """Name the object; None if it is none."""
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        return None
    return Key(str(metadata.get("namespace") or ""), name)


def _told(line: bytes) -> Told | None:
    try:
        event = json.loads(line.decode("utf-8", "replace"))
    except ValueError as error:
        # Half a line before the connection broke: what it said will be said again.
        raise Unreachable(f"a watch event that is no JSON: {error}") from error
    document = event.get("object") if isinstance(event, Mapping) else None
    if not isinstance(document, Mapping):
        return None
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    annotations = metadata.get("annotations")
    return Told(
        what=str(event.get("type")),
        document=document,
        key=key_of(document),
        version=str(metadata.get("resourceVersion") or ""),
        ends_initial=isinstance(annotations, Mapping)
        and annotations.get(INITIAL_EVENTS_END) == "true",
    )
