"""The schemas that are drawn from the model: structural, bounded, described."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from kubekuma.kit.structural import problems
from kubekuma.model.kinds import KINDS, MONITOR, Kind
from kubekuma.model.monitor import MonitorSpec
from kubekuma.model.monitor_set import SetItem
from kubekuma.model.schema import crd, json_schema, resource, structural

KNOWN: Final = {
    *("type", "format", "description", "default", "enum", "pattern", "required", "properties"),
    *("items", "additionalProperties", "minimum", "maximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "maxProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"),
}
TYPES: Final = {"object", "array", "string", "integer", "boolean"}
# What etcd takes, less what everything else needs: also the limit of kubectl's annotation.
MOST_BYTES: Final = 262_144

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from nodes(schema[name], f"{path}[{name}]")


def parts(kind: Kind) -> list[tuple[str, Mapping[str, Any]]]:
    """Every place below spec and status."""
    schema = resource(kind)["properties"]
    return [*nodes(schema["spec"], "spec"), *nodes(schema["status"], "status")]


@each_kind
def test_every_place_has_one_type_and_known_keywords(kind: Kind) -> None:
    assert len(parts(kind)) > 20
    for path, schema in parts(kind):
        assert set(schema) <= KNOWN, path
        free = schema.get("x-kubernetes-preserve-unknown-fields")
        either = schema.get("x-kubernetes-int-or-string")
        assert ("type" in schema) is not bool(free or either), path
        assert schema.get("type", "object") in TYPES, path


@each_kind
def test_everything_is_bounded(kind: Kind) -> None:
    for path, schema in parts(kind):
        if schema.get("type") == "string":
            assert schema.keys() & {"maxLength", "enum", "format"}, path
            assert schema.get("minLength", 0) <= schema.get("maxLength", 2**31), path
        if schema.get("type") == "array":
            assert schema["maxItems"] > 0, path
            assert schema["x-kubernetes-list-type"] in {"atomic", "set", "map"}, path
        if "additionalProperties" in schema:
            assert "properties" not in schema, path
            assert schema["maxProperties"] > 0, path
        if schema.get("x-kubernetes-int-or-string"):
            assert schema["maxLength"] > 0, path


@each_kind
def test_lists_that_are_maps_require_their_keys(kind: Kind) -> None:
    for path, schema in parts(kind):
        keys = schema.get("x-kubernetes-list-map-keys")
        assert (schema.get("x-kubernetes-list-type") == "map") is (keys is not None), path
        for key in keys or ():
            item = schema["items"]
            assert key in item["required"] or "default" in item["properties"][key], path
            assert item["properties"][key]["type"] in {"string", "integer", "boolean"}, path
        if schema.get("x-kubernetes-list-type") == "set":
            assert schema["items"]["type"] in {"string", "integer"}, path


@each_kind
def test_every_field_is_described_in_a_sentence(kind: Kind) -> None:
    for path, schema in parts(kind):
        if not path.endswith(("[items]", "[additionalProperties]")):
            assert schema["description"].strip(), path
            assert schema["description"].endswith((".", ";", "”")), path
            assert "`" not in schema["description"], path


@each_kind
def test_what_is_required_exists_and_has_no_default(kind: Kind) -> None:
    for path, schema in parts(kind):
        for name in schema.get("required", ()):
            assert "default" not in schema["properties"][name], path


@each_kind
def test_defaults_fit_their_own_schema(kind: Kind) -> None:
    for path, schema in parts(kind):
        if "default" in schema:
            assert list(problems(schema, schema["default"], path)) == []


def test_most_kinds_have_defaults() -> None:
    # Parts of monitors have none: a set's item would take them for its own.
    with_some = {it.name for it in KINDS if '"default"' in json.dumps(structural(it.spec))}
    assert {it.name for it in KINDS} - with_some == {"MonitorSet"}


def test_a_partial_asks_nothing_of_the_whole() -> None:
    item = structural(SetItem)["properties"]["spec"]
    whole = structural(MonitorSpec)
    assert item["properties"].keys() == whole["properties"].keys()
    for path, schema in nodes(item):
        assert "x-kubernetes-validations" not in schema, path
        assert "default" not in schema, path
        if "required" in schema:
            assert schema["required"] == ["name"], path


@each_kind
def test_rules_name_fields_that_are_there(kind: Kind) -> None:
    for path, schema in parts(kind):
        for rule in schema.get("x-kubernetes-validations", ()):
            assert rule["message"].startswith("must "), path
            below = schema
            for field in filter(None, rule.get("fieldPath", "").split(".")):
                assert field in below["properties"], path
                below = below["properties"][field]


@each_kind
def test_the_status_carries_no_default_and_no_rule(kind: Kind) -> None:
    # Who writes a part of a status must not be made the owner of the rest.
    for path, schema in nodes(resource(kind)["properties"]["status"], "status"):
        if path.count(".") < 2:
            assert "default" not in schema, path


@each_kind
def test_a_definition_is_small_enough_for_kubectl_apply(kind: Kind) -> None:
    assert len(json.dumps(crd(kind))) < MOST_BYTES


@each_kind
def test_editors_see_no_extension_and_refuse_unknown_fields(kind: Kind) -> None:
    text = json.dumps(json_schema(kind))
    assert "x-kubernetes-" not in text
    spec = json_schema(kind)["properties"]["spec"]
    assert spec["additionalProperties"] is False


@each_kind
def test_columns_and_selectable_fields_are_fields(kind: Kind) -> None:
    known = {path.replace("[items]", "[]") for path, _ in nodes(resource(kind))}
    for path in (*(column.path for column in kind.columns), *kind.selectable):
        plain = path.partition("[?")[0]
        assert plain in known or plain == ".metadata.creationTimestamp", path


def test_printer_columns_say_what_people_ask_first() -> None:
    names = [column.name for column in MONITOR.columns if column.priority == 0]
    assert names == ["Type", "State", "Uptime-24h", "Latency", "Ready", "Age"]
