"""From documents to resources: all mistakes at once, whatever a server sends."""

from datetime import UTC, datetime
from typing import Any

import pytest
from build import document
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import anything, spoilt

from kubekuma.model.kinds import MONITOR, SETTINGS
from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.schema import structural
from kubekuma.model.settings import Settings, SettingsSpec
from kubekuma.validate.decode import conditions_of
from kubekuma.validate.load import load_monitor, load_settings, meta_of, unknown_fields
from kubekuma.validate.monitor import monitor_under
from kubekuma.validate.rule import Rejected


def rejected(raw: dict[str, Any]) -> Rejected:
    loaded = load_monitor(raw)
    assert isinstance(loaded, Rejected)
    return loaded


def test_a_valid_document_becomes_a_monitor_with_its_defaults() -> None:
    loaded = load_monitor(document())
    assert isinstance(loaded, Monitor)
    assert loaded.meta.key == Key("shop", "web")
    assert loaded.spec.schedule.interval_seconds == 60


def test_mistakes_of_all_layers_are_told_at_once() -> None:
    wrong = document(
        "Web",
        enabled="yes",
        schedule={"intervalSeconds": 5, "timeoutSeconds": 5},
        target={"http": {"url": "http://:80/"}},
    )
    paths = [error.path for error in rejected(wrong).errors]
    assert paths[0] == "metadata.name"
    assert "spec.enabled" in paths
    # What can be decoded although something else cannot is looked at too.
    assert load_errors(document("Web", target={"http": {"url": "http://:80/"}})) == [
        "metadata.name",
        "spec.target.http.url",
    ]


def load_errors(raw: dict[str, Any]) -> list[str]:
    return [error.path for error in rejected(raw).errors]


def test_a_field_is_complained_about_once() -> None:
    paths = load_errors(document(target={"http": {"url": "http://a b/"}}))
    assert paths == ["spec.target.http.url"]


def test_what_a_newer_server_adds_is_no_mistake_and_can_be_named() -> None:
    newer = document(colour="red")
    assert isinstance(load_monitor(newer), Monitor)
    assert [str(error) for error in unknown_fields(MONITOR, newer)] == [
        "spec.colour: is not a known field"
    ]


def test_a_settings_object_without_anything_holds_the_defaults() -> None:
    loaded = load_settings({"metadata": {"name": "kubekuma"}, "spec": {}})
    assert isinstance(loaded, Settings)
    assert loaded.spec == SettingsSpec()


@pytest.mark.parametrize(("interval", "paths"), [(20, []), (19, ["spec.schedule.intervalSeconds"])])
def test_the_settings_bound_the_interval(interval: int, paths: list[str]) -> None:
    loaded = load_monitor(document(schedule={"intervalSeconds": interval}))
    assert isinstance(loaded, Monitor)
    assert [error.path for error in monitor_under(loaded.spec, SettingsSpec())] == paths


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"http": {"acceptedStatusCodes": ["a-b"]}}, "http.acceptedStatusCodes[0]"),
        ({"http": {"acceptedStatusCodes": ["²-1"]}}, "http.acceptedStatusCodes[0]"),
        ({"expect": [{"value": "json(", "op": "exists"}]}, "expect[0].value"),
        ({"keyword": {"regex": ["\ud800"]}}, "keyword.regex[0]"),
    ],
)
def test_rules_look_at_what_the_schema_has_refused_too(more: dict[str, Any], path: str) -> None:
    paths = load_errors(document(successCriteria=more))
    assert set(paths) == {f"spec.successCriteria.{path}"}


# Hostile documents -------------------------------------------------------------------------------

documents = st.fixed_dictionaries(
    {}, optional={"metadata": anything, "spec": anything, "status": anything}
)


@given(documents)
def test_any_json_is_rejected_and_raises_nothing(raw: dict[str, Any]) -> None:
    meta_of(raw)
    list(conditions_of(raw))
    assert isinstance(load_monitor(raw), Rejected)
    load_settings(raw)
    list(unknown_fields(MONITOR, raw))
    list(unknown_fields(SETTINGS, raw))


@settings(max_examples=300)
@given(spoilt(structural(MONITOR.spec)))
def test_a_monitor_of_which_any_part_is_anything_raises_nothing(spec: Any) -> None:
    loaded = load_monitor({"metadata": {"name": "web"}, "spec": spec})
    assert isinstance(loaded, Monitor) or loaded.errors


@settings(max_examples=100)
@given(spoilt(structural(SETTINGS.spec)))
def test_settings_of_which_any_part_is_anything_raise_nothing(spec: Any) -> None:
    loaded = load_settings({"metadata": {"name": "kubekuma"}, "spec": spec})
    assert isinstance(loaded, Settings) or loaded.errors


@given(spoilt(structural(MONITOR.status)))
def test_a_status_of_which_any_part_is_anything_raises_nothing(status: Any) -> None:
    assert len(list(conditions_of({"status": status}))) < 99


def test_metadata_is_used_as_far_as_it_has_form() -> None:
    meta = meta_of(
        {
            "metadata": {
                "name": "web",
                "namespace": 7,
                "generation": "two",
                "creationTimestamp": "long ago",
                "labels": {"a": 1},
                "annotations": ["b"],
            }
        }
    )
    assert meta.key == Key("7", "web")
    assert (meta.generation, meta.created_at) == (0, None)
    assert (meta.labels, meta.annotations) == ({"a": "1"}, {})


def test_conditions_without_form_are_passed_over() -> None:
    good = {
        "type": "Ready",
        "status": "True",
        "reason": "InForce",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    bad: list[Any] = [
        {**good, "status": "Perhaps"},
        {**good, "lastTransitionTime": "9999-12-31T23:59:59-14:00"},
        {**good, "observedGeneration": "two"},
        {**good, "type": 7},
        {},
        7,
        None,
    ]
    (found,) = conditions_of({"status": {"conditions": [*bad, good]}})
    assert (found.type, found.status) == ("Ready", "True")
    assert found.last_transition_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
