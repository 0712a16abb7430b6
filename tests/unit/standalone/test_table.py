"""Rows of tables, and paths of their columns."""

from typing import Any

import pytest
from support.embedded import NOW

from kubekuma.standalone.paths import find_all
from kubekuma.standalone.resources import Column, Resource
from kubekuma.standalone.table import human_age, row

OBJECT: dict[str, Any] = {
    "metadata": {
        "name": "a",
        "creationTimestamp": "2026-01-02T03:00:00Z",
        "labels": {"example.org/team": "x"},
    },
    "spec": {"ports": [{"port": 1, "name": "web"}, {"port": 2}], "on": True, "empty": None},
    "status": {
        "conditions": [{"type": "Up", "status": "False"}, {"type": "Ready", "status": "True"}]
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.on", [True]),
        ("{.spec.on}", [True]),
        ("$.spec.on", [True]),
        ("spec.on", [True]),
        (".spec.ports[*].port", [1, 2]),
        (".spec.ports[1].port", [2]),
        (".spec.ports[-1].port", [2]),
        (".spec.ports[9].port", []),
        (".metadata.labels.example\\.org/team", ["x"]),
        (".metadata.labels['example.org/team']", ["x"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type == 'Up')].status", ["False"]),
        (".spec.ports[?(@.port==2)].port", [2]),
        (".spec.on.deeper", []),
        (".nowhere.at.all", []),
        (".spec..on", []),
        (".spec.ports[?(@.port>1)]", []),
        (".spec.ports[", []),
    ],
)
def test_paths_find_every_value(path: str, found: list[Any]) -> None:
    assert find_all(OBJECT, path) == found


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (Column("x", "string", ".spec.on"), "true"),
        (Column("x", "string", ".spec.ports[*].port"), "1,2"),
        (Column("x", "string", ".spec.empty"), "<none>"),
        (Column("x", "string", ".nowhere"), None),
        (Column("x", "integer", ".spec.ports[0].port"), 1),
        (Column("x", "boolean", ".spec.on"), True),
        (Column("x", "date", ".metadata.creationTimestamp"), "4m5s"),
        (Column("x", "date", ".nowhere"), "<unknown>"),
        (Column("x", "date", ".metadata.name"), "<invalid>"),
        (Column("x", "integer", "#spec.ports"), 2),
        (Column("x", "integer", "#nowhere"), 0),
    ],
)
def test_cells_are_as_their_columns_say(column: Column, cell: Any) -> None:
    resource = Resource(
        group="",
        version="v1",
        kind="Thing",
        plural="things",
        singular="thing",
        schema={},
        storage="things",
        columns=(column,),
    )
    assert row(resource, OBJECT, NOW)["cells"] == ["a", cell]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [  # as k8s.io/apimachinery duration.HumanDuration
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600 - 1, "7h59m"),
        (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400 - 1, "729d"),
        (2 * 365 * 86400, "2y"),
        (3 * 365 * 86400 + 86400, "3y1d"),
        (8 * 365 * 86400, "8y"),
    ],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert human_age(seconds) == text
