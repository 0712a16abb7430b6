"""What is known of one object: how it is, and the last valid form of it."""

from collections.abc import Collection, Iterator
from typing import Generic, Protocol, TypeVar

import attrs

from kubekuma.model.meta import Condition, Key, ObjectMeta
from kubekuma.validate.rule import Rejected


class Resource(Protocol):
    """Anything that is valid: it knows its metadata."""

    @property
    def meta(self) -> ObjectMeta:
        """Its metadata."""


R = TypeVar("R", bound=Resource)


@attrs.frozen(kw_only=True)
class Seen(Generic[R]):
    """One object. Both forms are the same unless somebody has made it invalid."""

    latest: R | Rejected
    valid: R | None
    version: str = ""  # the resourceVersion, compared for equality only
    conditions: tuple[Condition, ...] = ()  # as the API server has them


class Objects(Protocol[R]):
    """All objects of one kind, as they were seen last."""

    def get(self, key: Key) -> Seen[R] | None:
        """The object named ``key``; None if there is none."""

    def keys(self) -> Collection[Key]:
        """Every object's key."""


def in_force(objects: Objects[R], key: Key) -> R | None:
    """The last valid form of the object named ``key``."""
    seen = objects.get(key)
    return None if seen is None else seen.valid


def all_in_force(objects: Objects[R]) -> Iterator[R]:
    """The last valid form of every object that has one."""
    for key in tuple(objects.keys()):
        found = in_force(objects, key)
        if found is not None:
            yield found
