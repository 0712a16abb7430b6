"""Deletion: at once, or as soon as nothing holds the object any more."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import structlog
import trio

from kubekuma.standalone.codec import encoded
from kubekuma.standalone.errors import ApiError, forbidden
from kubekuma.standalone.events import EVENTS
from kubekuma.standalone.feed import Key
from kubekuma.standalone.garbage import finalizers_on_delete
from kubekuma.standalone.listing import Page, Selection, read_page
from kubekuma.standalone.namespaces import PROTECTED, is_terminating, terminating
from kubekuma.standalone.objects import Objects
from kubekuma.standalone.resources import NAMESPACES, Object, Resource
from kubekuma.standalone.store import StoreError
from kubekuma.standalone.writes import check_preconditions

_LOG: Final = structlog.get_logger()
# Deletions that are made together share a commit.
_AT_ONCE: Final = 100
_RETRY_SECONDS: Final = 1.0


@attrs.frozen(kw_only=True)
class Deleted:
    """The last state of an object, or, if it is not gone yet, its state now."""

    data: bytes
    uid: str
    gone: bool


async def delete(
    objects: Objects,
    resource: Resource,
    key: Key,
    *,
    preconditions: Mapping[str, Any] | None = None,
    policy: str = "",
    dry_run: bool = False,
) -> Deleted:
    """Remove the object; while anything holds it, only mark it.

    ``policy`` says what becomes of its dependents, which is not done here: a finalizer tells.
    """
    value = objects.latest(resource, key)
    check_preconditions(resource, key.name, value, preconditions or {}, deleting=True)
    if resource.storage == NAMESPACES and key.name in PROTECTED:
        raise forbidden(resource, key.name, "this namespace may not be deleted")
    wanted = value if resource.storage == EVENTS else _with_policy(value, policy)
    is_held = objects.is_held(resource, key, wanted)
    if is_held and not is_terminating(wanted):
        wanted = terminating(resource, wanted, objects.timestamp())
    if dry_run or (is_held and wanted == value):
        data = encoded(wanted)
    elif is_held:
        data = await objects.keep(resource, key, wanted)
    else:
        data = await objects.remove(resource, key, value)
    return Deleted(data=data, uid=value["metadata"]["uid"], gone=not is_held)


def _with_policy(value: Object, policy: str) -> Object:
    before = value["metadata"].get("finalizers") or []
    finalizers = finalizers_on_delete(before, policy)
    if finalizers == before:
        return value
    metadata = {name: part for name, part in value["metadata"].items() if name != "finalizers"}
    return {**value, "metadata": {**metadata, **({"finalizers": finalizers} if finalizers else {})}}


async def delete_all(
    objects: Objects,
    resource: Resource,
    selection: Selection,
    *,
    policy: str = "",
    dry_run: bool = False,
) -> Page:
    """Remove every object that is selected; return them as they were."""
    page = await read_page(objects.store, resource, selection)
    failed: list[StoreError] = []

    async def remove(key: Key) -> None:
        try:
            # Somebody else may have been faster.
            if objects.store.latest(resource.storage, key) is not None:
                await delete(objects, resource, key, policy=policy, dry_run=dry_run)
        except StoreError as error:
            failed.append(error)

    for start in range(0, len(page.items), _AT_ONCE):
        async with trio.open_nursery() as nursery:
            for each in page.items[start : start + _AT_ONCE]:
                nursery.start_soon(remove, each.key)
        if failed:
            raise failed[0]
    return page


async def finish_deletions(
    objects: Objects, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Empty namespaces and CRDs that are to be deleted, then remove them, until cancelled.

    Level-triggered: it goes by what is stored, also by a former run of the process.
    Failure: what the store does not take is tried again a second later.
    """
    task_status.started()
    while True:
        await objects.untidy.wait()
        objects.untidy = trio.Event()
        try:
            for storage, key in sorted(objects.doomed):
                await _tidy(objects, objects.catalog.by_storage(storage), key)
        except (ApiError, StoreError) as error:
            _LOG.warning("a deletion could not be finished, trying again", error=str(error))
            await trio.sleep(_RETRY_SECONDS)
            objects.untidy.set()


async def _tidy(objects: Objects, resource: Resource, key: Key) -> None:
    for inner, namespace in objects.contents(resource, key):
        selection = Selection(namespace=namespace)
        await delete_all(objects, inner, selection, policy="Background")
    live = objects.store.latest(resource.storage, key)
    if live is None:
        return
    value = live.value
    if is_terminating(value) and not objects.is_held(resource, key, value):
        await objects.remove(resource, key, value)
