"""How objects look in an answer: as they are, or as rows of a table."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

import attrs

from kubekuma.standalone.codec import encoded
from kubekuma.standalone.feed import Stored
from kubekuma.standalone.listing import Page
from kubekuma.standalone.objects import Objects
from kubekuma.standalone.resources import Object, Resource
from kubekuma.standalone.table import partial, row, table

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class View(Protocol):
    """A form in which a client takes objects."""

    def one(self, stored: Stored) -> bytes:
        """Encode one object."""

    def page(self, page: Page) -> bytes:
        """Encode a list."""

    def watched(self, stored: Stored, *, first: bool) -> bytes:
        """Encode the object of an event of a watch."""

    def bookmark(self, metadata: Object) -> bytes:
        """Encode the object of a bookmark."""


@attrs.frozen(kw_only=True)
class Plain:
    """Objects as they are. They are kept encoded, and are not decoded for this."""

    objects: Objects
    resource: Resource

    def one(self, stored: Stored) -> bytes:
        """Encode one object."""
        return self.objects.wire(self.resource, stored)

    def page(self, page: Page) -> bytes:
        """Encode a list."""
        # As the machinery of custom resources does, and that of built-in kinds does not.
        token = {"continue": ""} if self.resource.custom else {}
        head = {
            "kind": f"{self.resource.kind}List",
            "apiVersion": self.resource.api_version,
            "metadata": {**token, **list_metadata(page)},
        }
        items = b",".join(self.objects.wire(self.resource, each) for each in page.items)
        return encoded(head)[:-1] + b',"items":[' + items + b"]}"

    def watched(self, stored: Stored, *, first: bool) -> bytes:  # noqa: ARG002 (part of the form)
        """Encode the object of an event of a watch."""
        return self.objects.wire(self.resource, stored)

    def bookmark(self, metadata: Object) -> bytes:
        """Encode the object of a bookmark."""
        kind, api_version = self.resource.kind, self.resource.api_version
        return encoded({"kind": kind, "apiVersion": api_version, "metadata": metadata})


@attrs.frozen(kw_only=True)
class Partial:
    """The metadata of objects, and nothing else of them."""

    objects: Objects
    resource: Resource

    def one(self, stored: Stored) -> bytes:
        """Encode one object."""
        return encoded(self._partial(stored))

    def page(self, page: Page) -> bytes:
        """Encode a list."""
        head = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": list_metadata(page),
        }
        return encoded({**head, "items": [self._partial(each) for each in page.items]})

    def watched(self, stored: Stored, *, first: bool) -> bytes:  # noqa: ARG002 (part of the form)
        """Encode the object of an event of a watch."""
        return self.one(stored)

    def bookmark(self, metadata: Object) -> bytes:
        """Encode the object of a bookmark."""
        return encoded(partial({"metadata": metadata}))

    def _partial(self, stored: Stored) -> Object:
        return partial(self.objects.seen(self.resource, stored))


@attrs.frozen(kw_only=True)
class Tabular:
    """Objects as rows of a ``Table``, as ``kubectl get`` shows them."""

    objects: Objects
    resource: Resource
    now: Callable[[], datetime]
    include: str = "Metadata"

    def one(self, stored: Stored) -> bytes:
        """Encode one object."""
        return self.watched(stored, first=True)

    def page(self, page: Page) -> bytes:
        """Encode a list."""
        return self._table([self._row(each) for each in page.items], list_metadata(page))

    def watched(self, stored: Stored, *, first: bool) -> bytes:
        """Encode the object of an event of a watch."""
        metadata = {"resourceVersion": str(stored.revision)}
        return self._table([self._row(stored)], metadata, with_head=first)

    def bookmark(self, metadata: Object) -> bytes:
        """Encode the object of a bookmark."""
        return self._table([], metadata, with_head=False)

    def _row(self, stored: Stored) -> Object:
        return row(
            self.resource, self.objects.seen(self.resource, stored), self.now(), self.include
        )

    def _table(self, rows: list[Object], metadata: Object, *, with_head: bool = True) -> bytes:
        return encoded(table(self.resource, rows, metadata, with_head=with_head))


def list_metadata(page: Page) -> Object:
    """The metadata of a list."""
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining:
        metadata["remainingItemCount"] = page.remaining
    return metadata


def event(kind: str, value: bytes) -> bytes:
    """One line of a watch."""
    return b'{"type":"' + kind.encode() + b'","object":' + value + b"}\n"
