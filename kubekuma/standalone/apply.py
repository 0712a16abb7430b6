"""Server-side apply: what follows from who owns which field.

The rules are those of KEP-555 and of sigs.k8s.io/structured-merge-diff.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import attrs

from kubekuma.kit.structural import Schema
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.fields import (
    ALWAYS,
    METADATA,
    FieldSet,
    Manager,
    Path,
    changed_fields,
    containers,
    dotted,
    fields_of,
    item_step,
    leaves,
    text_of,
    values_schema,
)
from kubekuma.standalone.resources import Object

_EMPTY: Final[Schema] = {}


@attrs.frozen
class Conflict:
    """A field that is to be changed, and belongs to somebody else."""

    manager: Manager
    path: Path


@attrs.frozen(kw_only=True)
class Applied:
    """The outcome of an apply: the new content and owners, unless there are conflicts."""

    value: Object
    managers: tuple[Manager, ...]
    conflicts: tuple[Conflict, ...] = ()


def apply(
    schema: Schema,
    live: Object,
    managers: Sequence[Manager],
    config: Object,
    applier: Manager,
    *,
    force: bool,
) -> Applied:
    """Make ``config`` so, in the name of ``applier`` (whose ``fields`` are of no interest).

    Fields that the applier owned alone and has left out are removed. Changing
    what others own is a conflict; with ``force``, it becomes the applier's.
    """
    owned = fields_of(schema, config)
    former = next((each for each in managers if each.identity == applier.identity), None)
    others = [each for each in managers if each is not former]
    merged = _merge(schema, live, config)
    before, after = leaves(schema, live), leaves(schema, merged)
    changed = changed_fields(before, after)
    conflicts = tuple(
        Conflict(other, path) for other in others for path in sorted(other.fields & owned & changed)
    )
    if conflicts and not force:
        return Applied(value=live, managers=tuple(managers), conflicts=conflicts)
    taken = {(conflict.manager.identity, conflict.path) for conflict in conflicts}
    others = [
        attrs.evolve(
            other, fields=frozenset(p for p in other.fields if (other.identity, p) not in taken)
        )
        for other in others
    ]
    if former is not None:
        kept = frozenset().union(*(other.fields for other in others)) | owned
        # What is left out goes with its container, unless ``config`` gives that as empty.
        merged = _merge(schema, _without(merged, former.fields - kept, kept), config)
    left = leaves(schema, merged).keys()
    mine = attrs.evolve(applier, fields=owned)
    if former is not None and former.fields == owned and merged == live:
        mine = former
    return Applied(value=merged, managers=_tidy([*others, mine], left))


def updated(
    schema: Schema,
    old: Object,
    new: Object,
    managers: Sequence[Manager],
    updater: Manager,
    *,
    always: FieldSet = ALWAYS,
) -> tuple[Manager, ...]:
    """The owners after an ordinary write by ``updater``: who changes a field takes it.

    So it is with containers that it makes, if they are not in ``always``.
    """
    before, after = leaves(schema, old), leaves(schema, new)
    changed = changed_fields(before, after)
    changed |= containers(schema, new, always) - containers(schema, old, always) - before.keys()
    gone = before.keys() - after.keys()
    if not changed and not gone:
        return tuple(managers)
    former = next((each for each in managers if each.identity == updater.identity), None)
    others = [
        attrs.evolve(each, fields=each.fields - changed) for each in managers if each is not former
    ]
    owned = changed | (former.fields if former else frozenset())
    return _tidy([*others, attrs.evolve(updater, fields=owned)], after.keys())


def _tidy(managers: Iterable[Manager], left: Iterable[Path]) -> tuple[Manager, ...]:
    # Who owns an empty container owns it also when others have put something into it.
    present = {path[:length] for path in left for length in range(1, len(path) + 1)}
    kept = (attrs.evolve(each, fields=each.fields & present) for each in managers)
    return tuple(each for each in kept if each.fields)


def apply_conflict(conflicts: Sequence[Conflict]) -> ApiError:
    """Refuse an apply that would change what others own."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_owner(each.manager)}",
            "field": dotted(each.path),
        }
        for each in conflicts
    ]
    if len(causes) == 1:
        message = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        told = []
        for owner in sorted({_owner(each.manager) for each in conflicts}):
            told.append(f"conflicts with {owner}:")
            told.extend(f"- {dotted(e.path)}" for e in conflicts if _owner(e.manager) == owner)
        message = f"{len(causes)} conflicts: " + "\n".join(told)
    return ApiError(409, "Conflict", f"Apply failed with {message}", {"causes": causes})


def _owner(manager: Manager) -> str:
    parts = [f'"{manager.name}"']
    if manager.subresource:
        parts.append(f'with subresource "{manager.subresource}"')
    if manager.operation == "Update":
        parts.append(f"using {manager.api_version}")
    return " ".join(parts)


# Merging and removing


def _merge(schema: Schema, live: Any, config: Any) -> Any:
    if isinstance(config, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        before = live if isinstance(live, dict) else {}
        properties = schema.get("properties", _EMPTY)
        merged = dict(before)
        for name, part in config.items():
            inner = METADATA if name == "metadata" else properties.get(name, values_schema(schema))
            merged[name] = _merge(inner, before.get(name), part)
        return merged
    kind = schema.get("x-kubernetes-list-type")
    if isinstance(config, list) and isinstance(live, list) and kind in {"map", "set"}:
        return _merge_lists(schema, live, config)
    return config


def _merge_lists(schema: Schema, live: list[Any], config: list[Any]) -> list[Any]:
    def step(item: Any) -> str:
        is_map = schema.get("x-kubernetes-list-type") == "map"
        return item_step(item, schema) if is_map else f"v:{text_of(item)}"

    merged = {step(item): item for item in live}
    for item in config:
        key = step(item)
        merged[key] = _merge(schema.get("items", _EMPTY), merged.get(key), item)
    return list(merged.values())


def _without(value: Any, gone: Iterable[Path], kept: Iterable[Path]) -> Any:
    # A container goes with its last field, and an entry only if nobody has a field in it. Entries
    # go whole, before their fields; by its keys, an entry that stays is known.
    prefixes = {path[:length] for path in kept for length in range(1, len(path) + 1)}
    for path in sorted(gone, key=len):
        if path not in prefixes and not _is_key(path):
            value = _removed(value, path, prefixes)
    return value


def _is_key(path: Path) -> bool:
    entry, field = path[-2:] if len(path) > 1 else ("", "")
    return entry.startswith("k:") and field[2:] in json.loads(entry[2:])


def _removed(value: Any, path: Path, prefixes: AbstractSet[Path], walked: Path = ()) -> Any:
    step, rest = path[0], path[1:]
    walked = (*walked, step)
    if step.startswith("f:") and isinstance(value, dict):
        name = step[2:]
        if name not in value:
            return value
        inner = _removed(value[name], rest, prefixes, walked) if rest else None
        if rest and (inner not in ({}, []) or walked in prefixes or inner == value[name]):
            return {**value, name: inner}
        return {key: each for key, each in value.items() if key != name}
    if isinstance(value, list):
        position = _position(value, step)
        if position is None:
            return value
        middle = [_removed(value[position], rest, prefixes, walked)] if rest else []
        return [*value[:position], *middle, *value[position + 1 :]]
    return value


def _position(items: list[Any], step: str) -> int | None:
    wanted = json.loads(step[2:])
    if not step.startswith("k:"):
        return items.index(wanted) if wanted in items else None

    def found(absent: Mapping[str, Any]) -> Iterator[int]:
        for at, item in enumerate(items):
            if (
                isinstance(item, dict)
                and {key: {**absent, **item}.get(key) for key in wanted} == wanted
            ):
                yield at

    # A key that is not there may be one that is yet to be defaulted.
    return next(found({}), next(found(wanted), None))
