"""``kubectl get``: objects as rows, by printer columns."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from kubekuma.standalone.paths import dig, find_all
from kubekuma.standalone.resources import Column, Object, Resource

NAME_HELP = "Name must be unique within a namespace."


def column_definitions(resource: Resource) -> list[Object]:
    """The head of the table: the name, then the columns of ``resource``."""
    head = {"name": "Name", "type": "string", "format": "name", "description": NAME_HELP}
    return [
        {**head, "priority": 0},
        *(
            {
                "name": column.name,
                "type": column.type,
                "format": "",
                "description": column.description
                or f"Custom resource definition column (in JSONPath format): {column.path}",
                "priority": column.priority,
            }
            for column in resource.columns
        ),
    ]


def row(resource: Resource, value: Object, now: datetime, include: str = "Metadata") -> Object:
    """One row. ``include`` says how much of the object goes with it: None, Metadata or Object."""
    cells = [
        dig(value, "metadata.name"),
        *(_cell(column, value, now) for column in resource.columns),
    ]
    match include:
        case "Object":
            return {"cells": cells, "object": value}
        case "None":
            return {"cells": cells, "object": None}
        case _:
            return {"cells": cells, "object": partial(value)}


def partial(value: Object) -> Object:
    """``value`` as ``PartialObjectMetadata``: without what it is about."""
    metadata = value.get("metadata", {})
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}


def table(
    resource: Resource, rows: Iterable[Object], metadata: Object, *, with_head: bool = True
) -> Object:
    """Rows as a ``Table``."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": column_definitions(resource) if with_head else [],
        "rows": list(rows),
    }


def human_age(seconds: float) -> str:
    """A span as kubectl writes ages: ``12s``, ``2m3s``, ``5h``, ``5d``, ``2y10d``."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole >= -2 else "<invalid>"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    years = days // 365
    if whole < 60 * 2:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def _cell(column: Column, value: Object, now: datetime) -> Any:
    if column.path.startswith("#"):
        found = dig(value, column.path[1:])
        return len(found) if isinstance(found, (dict, list)) else 0
    found = find_all(value, column.path)
    if not found:
        return None if column.type != "date" else "<unknown>"
    if column.type == "date":
        return _age(found[0], now)
    if column.type == "string":
        return ",".join(_as_text(each) for each in found)
    return found[0]


def _as_text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case None:
            return "<none>"
        case _:
            return str(value)


def _age(text: Any, now: datetime) -> str:
    try:
        then = datetime.fromisoformat(str(text))
    except ValueError:
        return "<invalid>"
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return human_age((now - then).total_seconds())
