"""The verbs of the API: decide on the latest object, then store. Knows nothing of HTTP.

Between looking at the latest object and handing the next one to the store
nothing awaits, so that no write is decided on anything but the latest state.
"""

import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.kit.structural import Problem
from kubekuma.standalone.admission import decoded_object, defaulted
from kubekuma.standalone.apply import apply, apply_conflict, updated
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.deletion import Deleted, delete
from kubekuma.standalone.errors import (
    already_exists,
    bad_request,
    definition_terminating,
    invalid,
    namespace_not_found,
    namespace_terminating,
    not_found,
    unconditional,
)
from kubekuma.standalone.feed import Key
from kubekuma.standalone.fields import (
    ALWAYS,
    ALWAYS_IN_BUILTINS,
    Manager,
    managers_of,
    with_metadata,
)
from kubekuma.standalone.last_applied import KUBECTL, last_applied_fields
from kubekuma.standalone.namespaces import is_terminating, new_namespace
from kubekuma.standalone.objects import Objects
from kubekuma.standalone.resources import CRDS, NAMESPACES, Object, Resource
from kubekuma.standalone.store import Store
from kubekuma.standalone.writes import (
    applied_part,
    check_preconditions,
    new_object,
    owners_before,
    successor,
)

# What clients get when they send no name but generateName: no vowels, so no words.
_SUFFIX: Final = "bcdfghjklmnpqrstvwxz2456789"

Edit: TypeAlias = Callable[[Object], Any]


@attrs.frozen(kw_only=True)
class Options:
    """What a request says about how to write. ``twice`` are fields that its body gives twice."""

    field_manager: str = "unknown"
    field_validation: str = "Warn"
    force: bool = False
    dry_run: bool = False
    twice: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Written:
    """The object after a write, and whether it is new."""

    data: bytes
    created: bool = False
    warnings: tuple[str, ...] = ()


class Api:
    """The verbs on all kinds."""

    def __init__(self, store: Store, catalog: Catalog, now: Callable[[], datetime]) -> None:
        self.objects = Objects(store, catalog, now)
        self.store = store
        self.catalog = catalog

    async def create(
        self, resource: Resource, namespace: str, body: Any, options: Options
    ) -> Written:
        """Store a new object."""
        value, warnings = self._complete(resource, namespace, body, options)
        value = _named(value)
        name = str(value["metadata"].get("name", ""))
        if value["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        key = Key(namespace if resource.namespaced else "", name)
        if name and self.store.latest(resource.storage, key) is not None:
            raise already_exists(resource, name)
        value = self._new(resource, key, value)
        updater = _manager(resource, options, "Update")
        owners = _updated(resource, {}, value, (), updater)
        data = await self.objects.write(
            resource, key, value, owners, before=None, dry_run=options.dry_run
        )
        return Written(data=data, created=True, warnings=warnings)

    async def replace(
        self, resource: Resource, key: Key, body: Any, options: Options, *, subresource: str = ""
    ) -> Written:
        """Put ``body`` in the place of the object that the client has seen."""
        value, warnings = self._complete(resource, key.namespace, body, options)
        _check_name(key, value)
        before = self.objects.latest(resource, key)
        is_conditional = bool(value["metadata"].get("resourceVersion"))
        if not is_conditional and (resource.custom or resource.plural == "leases"):
            raise unconditional(resource, key.name)
        data = await self._update(
            resource, key, value, before=before, options=options, subresource=subresource
        )
        return Written(data=data, warnings=warnings)

    async def patch(
        self, resource: Resource, key: Key, edit: Edit, options: Options, *, subresource: str = ""
    ) -> Written:
        """Store what ``edit`` makes of the latest object."""
        before = self.objects.latest(resource, key)
        value, warnings = self._complete(resource, key.namespace, edit(before), options)
        _check_name(key, value)
        _check_unchanged(resource, key, before, value)
        data = await self._update(
            resource, key, value, before=before, options=options, subresource=subresource
        )
        return Written(data=data, warnings=warnings)

    async def apply(
        self, resource: Resource, key: Key, body: Any, options: Options, *, subresource: str = ""
    ) -> Written:
        """Server-side apply ``body``: create the object, or make these fields so."""
        config, warnings = self._decoded(resource, key.namespace, body, options)
        _check_name(key, config)
        if config["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        live = self.store.latest(resource.storage, key)
        before = self.objects.seen(resource, live) if live is not None else None
        if before is None and subresource:
            raise not_found(resource, key.name)
        check_preconditions(resource, key.name, before, config["metadata"])
        config = applied_part(resource, config, subresource)
        applier = _manager(resource, options, "Apply", subresource)
        owners = managers_of(before) if before is not None else ()
        schema, live_value = with_metadata(resource.schema), before or {}
        outcome = apply(schema, live_value, owners, config, applier, force=options.force)
        if outcome.conflicts and options.field_manager == KUBECTL:
            allowed = last_applied_fields(schema, live_value)
            if all(each.path in allowed for each in outcome.conflicts):
                outcome = apply(schema, live_value, owners, config, applier, force=True)
        if outcome.conflicts:
            raise apply_conflict(outcome.conflicts)
        if before is None:
            named = {**outcome.value["metadata"], "name": key.name}
            value = self._new(resource, key, {**outcome.value, "metadata": named})
        else:
            value = successor(resource, before, outcome.value, subresource)
        data = await self.objects.write(
            resource, key, value, outcome.managers, before=before, dry_run=options.dry_run
        )
        return Written(data=data, created=before is None, warnings=warnings)

    async def delete(
        self,
        resource: Resource,
        key: Key,
        *,
        preconditions: Mapping[str, Any] | None = None,
        policy: str = "",
        dry_run: bool = False,
    ) -> Deleted:
        """Remove the object; while anything holds it, only mark it."""
        return await delete(
            self.objects, resource, key, preconditions=preconditions, policy=policy, dry_run=dry_run
        )

    # Steps of a write

    def _decoded(
        self, resource: Resource, namespace: str, body: Any, options: Options
    ) -> tuple[Object, tuple[str, ...]]:
        value, warnings = decoded_object(resource, body, options.twice, options.field_validation)
        if resource.namespaced and value["metadata"].get("namespace", namespace) != namespace:
            message = "the namespace of the provided object does not match the namespace sent on "
            raise bad_request(f"{message}the request")
        return value, warnings

    def _complete(
        self, resource: Resource, namespace: str, body: Any, options: Options
    ) -> tuple[Object, tuple[str, ...]]:
        # Who writes an object as a whole also owns what is defaulted; who applies one does not.
        value, warnings = self._decoded(resource, namespace, body, options)
        return defaulted(resource, value), warnings

    def _new(self, resource: Resource, key: Key, value: Object) -> Object:
        if resource.namespaced:
            self._check_namespace(resource, key)
        if (CRDS, Key("", resource.storage)) in self.objects.doomed:
            raise definition_terminating()
        value = new_object(
            resource, key.namespace, value, uid=str(uuid.uuid4()), created=self.objects.timestamp()
        )
        return new_namespace(value) if resource.storage == NAMESPACES else value

    async def _update(
        self,
        resource: Resource,
        key: Key,
        value: Object,
        *,
        before: Object,
        options: Options,
        subresource: str,
    ) -> bytes:
        check_preconditions(resource, key.name, before, value["metadata"])
        owners = owners_before(before, value)
        value = successor(resource, before, value, subresource)
        updater = _manager(resource, options, "Update", subresource)
        owners = _updated(resource, before, value, owners, updater)
        return await self.objects.write(
            resource, key, value, owners, before=before, dry_run=options.dry_run
        )

    def _check_namespace(self, resource: Resource, key: Key) -> None:
        found = self.store.latest(NAMESPACES, Key("", key.namespace))
        if found is None:
            raise namespace_not_found(key.namespace)
        if is_terminating(found.value):
            raise namespace_terminating(resource, key.name, key.namespace)


def _named(value: Object) -> Object:
    metadata = value["metadata"]
    if metadata.get("name") or not metadata.get("generateName"):
        return value
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
    return {**value, "metadata": {**metadata, "name": f"{metadata['generateName'][:248]}{suffix}"}}


def _check_name(key: Key, value: Object) -> None:
    name = value["metadata"].get("name", key.name)
    if name != key.name:
        message = f"the name of the object ({name}) does not match the name on the URL ({key.name})"
        raise bad_request(message)


def _check_unchanged(resource: Resource, key: Key, before: Object, value: Object) -> None:
    uid = value["metadata"].get("uid")
    if uid != before["metadata"]["uid"]:
        message = f'Invalid value: "{uid or ""}": field is immutable'
        raise invalid(resource, key.name, [Problem("metadata.uid", message, "FieldValueInvalid")])


def _updated(
    resource: Resource, old: Object, new: Object, owners: Sequence[Manager], updater: Manager
) -> tuple[Manager, ...]:
    always = ALWAYS if resource.custom else ALWAYS_IN_BUILTINS
    return updated(with_metadata(resource.schema), old, new, owners, updater, always=always)


def _manager(
    resource: Resource, options: Options, operation: str, subresource: str = ""
) -> Manager:
    return Manager(
        name=options.field_manager,
        operation=operation,
        api_version=resource.api_version,
        subresource=subresource,
        fields=frozenset(),
    )
