"""Which monitors a group is made of. Pure."""

from collections.abc import Iterator
from typing import Protocol

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.reach import reaches
from kubekuma.validate.seen import Objects, in_force


class Watched(Protocol):
    """The part of a World that groups look at."""

    @property
    def home(self) -> str:
        """KubeKuma's own namespace."""

    @property
    def monitors(self) -> Objects[Monitor]:
        """All there are."""


def members(group: Monitor, world: Watched) -> Iterator[Key]:
    """Every member of ``group``, by name or by labels; a name may be nobody's.

    Never the group itself, nor a group that it is a member of in turn: nobody
    would be left to say how they are.
    """
    for key in _named_or_selected(group, world):
        if key != group.meta.key and not _leads_to(group.meta.key, key, world):
            yield key


def is_member(monitor: Monitor, group: Monitor, home: str) -> bool:
    """Whether the target of ``group`` names or selects ``monitor``."""
    target, own, key = group.spec.target.group, group.meta.key.namespace, monitor.meta.key
    if target is None or not reaches(own, key.namespace, home):
        return False
    if target.members is not None:
        return any((each.namespace or own, each.name) == key for each in target.members)
    labels = monitor.meta.labels
    return all(labels.get(name) == value for name, value in (target.selector or {}).items())


def is_in_cycle(group: Monitor, world: Watched) -> bool:
    """Whether ``group`` is, over other groups, a member of itself."""
    own = group.meta.key
    return any(
        key != own and _leads_to(own, key, world) for key in _named_or_selected(group, world)
    )


def _named_or_selected(group: Monitor, world: Watched) -> Iterator[Key]:
    target, own = group.spec.target.group, group.meta.key.namespace
    if target is not None and target.members is not None:
        yield from (Key(each.namespace or own, each.name) for each in target.members)
    elif target is not None:
        for key in tuple(world.monitors.keys()):
            found = in_force(world.monitors, key)
            if found is not None and is_member(found, group, world.home):
                yield key


def _leads_to(wanted: Key, start: Key, world: Watched) -> bool:
    """Whether ``wanted`` is a member of ``start``, or of a group within it."""
    seen, waiting = {start}, [start]
    while waiting:
        group = in_force(world.monitors, waiting.pop())
        if group is None or group.spec.target.group is None:
            continue
        for key in _named_or_selected(group, world):
            if key == wanted:
                return True
            if key not in seen:
                seen.add(key)
                waiting.append(key)
    return False
