"""What every resource has: a name, an identity, conditions."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import attrs

from kubekuma.model.field import says

GROUP = "monitoring.kubekuma.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"

# Annotations by which people set the state of a manual monitor. On a MonitorSet, the name of the
# item follows: monitoring.kubekuma.io/state.office.
STATE = f"{GROUP}/state"
STATE_MESSAGE = f"{GROUP}/state-message"


class Key(NamedTuple):
    """Namespace (``""`` for cluster-scoped kinds) and name: how a resource is addressed."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@attrs.frozen(kw_only=True)
class ObjectMeta:
    """The part of ``metadata`` that we act on."""

    key: Key
    uid: str = ""
    generation: int = 0
    labels: Mapping[str, str] = attrs.field(factory=dict)
    annotations: Mapping[str, str] = attrs.field(factory=dict)
    created_at: datetime | None = None
    origin: Key | None = None  # the MonitorSet that a monitor is an item of


class Truth(StrEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@attrs.frozen(kw_only=True)
class Condition:
    """One condition of a resource, in the form of metav1.Condition."""

    type: str = says("Name of the condition, in CamelCase.", max_length=316)
    status: Truth = says("True, False, or Unknown.")
    reason: str = says("Why, in one CamelCase word.", max_length=1024)
    message: str = says("Why, for people.", default="", max_length=32768)
    observed_generation: int = says(
        "The generation of the spec that this was judged by.", default=0, low=0
    )
    last_transition_time: datetime | None = says("When the status last changed.", default=None)


@attrs.frozen(kw_only=True)
class SecretKeyRef:
    """One key of a Secret in the resource's own namespace."""

    name: str = says("Name of the Secret.", min_length=1, max_length=253)
    key: str = says("Key within the Secret.", min_length=1, max_length=253)


@attrs.frozen(kw_only=True)
class ResourceStatus:
    """What we say of every resource."""

    observed_generation: int | None = says(
        "Generation of the spec that the status speaks of.", default=None, low=0
    )
    conditions: tuple[Condition, ...] | None = says(
        "Valid (the spec is right), Reconciled (the program follows it), Ready (both), and what"
        " else can be said in this form.",
        default=None,
        max_items=16,
        list_type="map",
        list_keys=("type",),
    )
