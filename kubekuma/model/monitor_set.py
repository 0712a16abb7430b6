"""The MonitorSet: many monitors with shared defaults, written as one resource."""

from collections.abc import Mapping
from typing import Any

import attrs

from kubekuma.model.field import says
from kubekuma.model.meta import ObjectMeta, ResourceStatus
from kubekuma.model.monitor import MonitorSpec


@attrs.frozen(kw_only=True)
class SetItem:
    """One monitor of a set."""

    name: str = says(
        "Its name within the set; the monitor is called <set>.<name>.",
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    )
    labels: Mapping[str, str] = says(
        "Labels besides those of the set.", default={}, max_length=63, max_items=64
    )
    spec: Mapping[str, Any] = says(
        "What differs from the defaults: any part of a Monitor's spec.",
        default={},
        partial_of=MonitorSpec,
    )


@attrs.frozen(kw_only=True)
class MonitorSetSpec:
    """What a person says of many monitors."""

    items: tuple[SetItem, ...] = says(
        "The monitors.", max_items=1000, list_type="map", list_keys=("name",)
    )
    defaults: Mapping[str, Any] = says(
        "What holds for every item that says nothing else: any part of a Monitor's spec."
        " Of several targets, an item takes that of its type.",
        default={},
        partial_of=MonitorSpec,
    )


@attrs.frozen(kw_only=True)
class MonitorSet:
    """A valid MonitorSet. Single items may still be invalid: see ``validate.monitor_set``."""

    meta: ObjectMeta
    spec: MonitorSetSpec


@attrs.frozen(kw_only=True)
class ItemStatus:
    """An item that is not well."""

    name: str = says("Name of the item.", max_length=63)
    ready: bool = says("Whether it is accepted and in force.")
    state: str = says("What is shown of it.", max_length=16)
    message: str = says("Why, for people.", default="", max_length=1024)


@attrs.frozen(kw_only=True)
class MonitorSetStatus(ResourceStatus):
    """What we say of a set."""

    valid_count: int | None = says("Items that are right.", default=None, low=0)
    invalid_count: int | None = says("Items that are not.", default=None, low=0)
    item_statuses: tuple[ItemStatus, ...] | None = says(
        "Items that are not well, the first hundred of them.",
        default=None,
        max_items=100,
        list_type="map",
        list_keys=("name",),
    )
