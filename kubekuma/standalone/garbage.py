"""What becomes of objects whose owners go: pure, as Kubernetes' garbage collector decides.

An owner is meant by its kind, name and uid, and looked for where its dependent is: an object in
one namespace never owns one in another.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, TypeAlias

import attrs

from kubekuma.standalone.namespaces import is_terminating
from kubekuma.standalone.resources import Object

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"

# Policies of deletion, as clients ask for them, and the finalizers that keep them in mind.
BY_POLICY: Final = {"Orphan": (ORPHAN,), "Foreground": (FOREGROUND,), "Background": ()}


class Owner(Enum):
    """What has become of an owner."""

    THERE = auto()
    GONE = auto()
    # It waits for its dependents to go first.
    WAITING = auto()
    # There is no such kind, or there cannot be one: nothing is decided on it.
    UNKNOWN = auto()


@attrs.frozen(kw_only=True)
class Delete:
    """The object itself is to go, if it still is as it was; its own dependents by ``policy``."""

    policy: str


@attrs.frozen(kw_only=True)
class Disown:
    """The object is to forget these of its owners."""

    uids: frozenset[str]


@attrs.frozen(kw_only=True)
class Unblock:
    """The object is to keep no owner waiting: each would wait for the other."""


@attrs.frozen(kw_only=True)
class Release:
    """Dependents are to forget the object, which then loses the finalizer ``orphan``."""


@attrs.frozen(kw_only=True)
class Finish:
    """Nothing keeps the object from going: it loses the finalizer ``foregroundDeletion``."""


Step: TypeAlias = Delete | Disown | Unblock | Release | Finish


def finalizers_on_delete(finalizers: Sequence[str], policy: str) -> list[str]:
    """The finalizers of an object that is deleted by ``policy``; it is empty if nobody said."""
    if not policy:
        return [*finalizers]
    others = [each for each in finalizers if each not in {ORPHAN, FOREGROUND}]
    wanted = [*others, *BY_POLICY[policy]]
    return [*finalizers] if set(wanted) == set(finalizers) else wanted


def next_step(value: Object, owners: Sequence[Owner], dependents: Sequence[Object]) -> Step | None:
    """What is to be done about ``value`` now; None if nothing is.

    ``owners`` tells of each of its ownerReferences, in their order.
    """
    metadata = value["metadata"]
    finalizers = metadata.get("finalizers") or ()
    if is_terminating(value):
        if ORPHAN in finalizers:
            return Release()
        if FOREGROUND in finalizers and not any(
            _blocks(each, metadata["uid"]) for each in dependents
        ):
            return Finish()
        return None
    if not owners or Owner.UNKNOWN in owners:
        return None
    references = metadata["ownerReferences"]
    lost = frozenset(
        reference["uid"]
        for reference, owner in zip(references, owners, strict=True)
        if owner is not Owner.THERE
    )
    if Owner.THERE in owners:
        return Disown(uids=lost) if lost else None
    if Owner.WAITING in owners and dependents:
        if any(is_waiting(each) for each in dependents) and any(map(_keeps_waiting, references)):
            return Unblock()
        return Delete(policy="Foreground")
    return Delete(policy=_own_policy(finalizers))


def is_waiting(value: Object) -> bool:
    """Whether ``value`` goes as soon as its dependents are gone."""
    return is_terminating(value) and FOREGROUND in (value["metadata"].get("finalizers") or ())


def disowned(value: Object, uids: frozenset[str]) -> Object:
    """``value`` without the owners ``uids``."""
    kept = [each for each in references_of(value) if each["uid"] not in uids]
    metadata = {name: part for name, part in value["metadata"].items() if name != "ownerReferences"}
    return {**value, "metadata": {**metadata, **({"ownerReferences": kept} if kept else {})}}


def unblocked(value: Object) -> Object:
    """``value``, which keeps none of its owners waiting."""
    freed = [
        {**each, "blockOwnerDeletion": False} if _keeps_waiting(each) else each
        for each in references_of(value)
    ]
    return {**value, "metadata": {**value["metadata"], "ownerReferences": freed}}


def without_finalizer(value: Object, finalizer: str) -> Object:
    """``value``, no longer held by ``finalizer``."""
    kept = [each for each in value["metadata"].get("finalizers") or () if each != finalizer]
    return {**value, "metadata": {**value["metadata"], "finalizers": kept}}


def references_of(value: Object) -> Sequence[Object]:
    """The ownerReferences of ``value``."""
    found: Sequence[Object] = value["metadata"].get("ownerReferences") or ()
    return found


def _keeps_waiting(reference: Object) -> bool:
    return bool(reference.get("blockOwnerDeletion"))


def _blocks(dependent: Object, uid: str) -> bool:
    return any(each["uid"] == uid and _keeps_waiting(each) for each in references_of(dependent))


def _own_policy(finalizers: Sequence[str]) -> str:
    # Whoever has written such a finalizer wants it so.
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"
