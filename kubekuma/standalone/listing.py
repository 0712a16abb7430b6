"""Lists: which objects of a kind, in pages that all show the same moment."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import attrs
import trio

from kubekuma.standalone.errors import bad_request, expired, from_the_future
from kubekuma.standalone.events import all_names
from kubekuma.standalone.feed import Key, Stored
from kubekuma.standalone.resources import Resource
from kubekuma.standalone.selectors import field_selector, label_selector
from kubekuma.standalone.store import Store

Wanted: TypeAlias = Callable[[Stored], bool]

_TOO_OLD: Final = (
    "The provided continue parameter is too old to display a consistent list result. You must "
    "start a new list without the continue parameter."
)


@attrs.frozen(kw_only=True)
class Selection:
    """Which objects of a kind."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""


@attrs.frozen(kw_only=True)
class Page:
    """Some objects, as of one revision, and how to go on."""

    items: Sequence[Stored]
    revision: int
    token: str = ""
    remaining: int | None = None


async def read_page(
    store: Store,
    resource: Resource,
    selection: Selection,
    *,
    limit: int = 0,
    token: str = "",
    at: int | None = None,
) -> Page:
    """Objects in order of their keys; later pages show the same revision as the first.

    ``at`` is the revision to show, if it is not the newest.
    """
    wanted = selector(resource, selection)
    revision, after = _parsed(token) if token else (at or store.revisions.committed, None)
    check_revision(store, revision)
    if revision < store.feed(resource.storage).compacted:
        raise expired(_TOO_OLD)
    candidates = store.select_at(revision, resource.storage, selection.namespace, after)
    if wanted is None:
        found = candidates[: limit or None]
        remaining = len(candidates) - len(found)
        if not remaining:
            return Page(items=found, revision=revision)
        token = _token(revision, found[-1].key)
        return Page(items=found, revision=revision, token=token, remaining=remaining)
    found, more = await _filtered(candidates, wanted, limit)
    token = _token(revision, found[-1].key) if more else ""
    return Page(items=found, revision=revision, token=token)


def check_revision(store: Store, revision: int) -> None:
    """Refuse a revision that was never given."""
    if revision > store.revisions.committed:
        raise from_the_future(revision, store.revisions.committed)


def selector(resource: Resource, selection: Selection) -> Wanted | None:
    """Make the predicate for ``selection``, its namespace aside; None if all are wanted."""
    labels = label_selector(selection.labels)
    fields = field_selector(selection.fields, resource)
    names = tuple(each for each in fields if each.path == "metadata.name")
    namespaces = tuple(each for each in fields if each.path == "metadata.namespace")
    others = tuple(each for each in fields if not each.path.startswith("metadata."))
    if labels is None and not fields:
        return None

    def wanted(stored: Stored) -> bool:
        # What needs no decoding comes first.
        if not all((stored.key.name == each.value) is each.equal for each in names):
            return False
        if not all((stored.key.namespace == each.value) is each.equal for each in namespaces):
            return False
        if labels is not None and not labels(stored.labels):
            return False
        if not others:
            return True
        value = all_names(stored.value) if resource.storage == "events" else stored.value
        return all(each.holds(value) for each in others)

    return wanted


async def _filtered(
    candidates: Sequence[Stored], wanted: Wanted, limit: int
) -> tuple[list[Stored], bool]:
    found: list[Stored] = []
    for index, each in enumerate(candidates):
        if index % 200 == 199:
            await trio.lowlevel.checkpoint()
        if wanted(each):
            if limit and len(found) == limit:
                return found, True
            found.append(each)
    return found, False


def _token(revision: int, key: Key) -> str:
    text = json.dumps({"rv": revision, "after": list(key)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parsed(token: str) -> tuple[int, Key]:
    try:
        padded = token + "=" * (-len(token) % 4)
        found: Any = json.loads(base64.urlsafe_b64decode(padded))
        namespace, name = found["after"]
        return int(found["rv"]), Key(str(namespace), str(name))
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise bad_request("invalid continue token: continue key is not valid") from None
