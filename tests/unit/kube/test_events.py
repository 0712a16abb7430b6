"""Events that events.k8s.io/v1 takes."""

import re
from datetime import timedelta, timezone
from typing import Any

import attrs
import pytest
from build import WEB, at

from kubekuma.kube.events import Event, event_document
from kubekuma.model.meta import Key

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
USUAL = Event(
    kind="Monitor",
    key=WEB,
    uid="u1",
    reason="Down",
    action="Check",
    note="was up, is down",
    at=at(0.5),
    type="Warning",
)


def written(**more: Any) -> Any:
    return event_document(attrs.evolve(USUAL, **more), "host-1")


def test_an_event_says_what_happened_to_whom_and_who_says_so() -> None:
    found = written()
    assert found["regarding"] == {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "Monitor",
        "name": "web",
        "namespace": "shop",
        "uid": "u1",
    }
    assert found["eventTime"] == "2026-01-01T00:00:00.500000Z"
    assert (found["reason"], found["type"], found["note"]) == ("Down", "Warning", "was up, is down")
    assert found["reportingInstance"] == "host-1"


def test_events_of_what_has_no_namespace_live_in_default() -> None:
    found = written(kind="KubeKumaSettings", key=Key("", "kubekuma"))
    assert found["metadata"]["namespace"] == "default"
    assert "namespace" not in found["regarding"]


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    east = at(0).astimezone(timezone(timedelta(hours=5)))
    assert written(at=east)["eventTime"] == "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "name", ["web", "a" * 253, "a" * 199 + "-" + "b" * 53, "a" * 199 + "." + "b" * 53]
)
def test_names_are_valid_and_never_the_same_twice(name: str) -> None:
    names = [written(key=Key("shop", name))["metadata"]["name"] for _ in range(2)]
    assert len(set(names)) == 2
    assert all(len(each) <= 253 and SUBDOMAIN.fullmatch(each) for each in names)


def test_a_note_is_there_and_fits() -> None:
    assert written(note="")["note"] == "Down"
    assert len(written(note="x" * 5000)["note"]) == 1024
    assert len(event_document(USUAL, "h" * 300)["reportingInstance"]) == 128
