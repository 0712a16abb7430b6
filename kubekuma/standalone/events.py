"""Events: one content under two names, ``v1`` and ``events.k8s.io/v1``, and its rules.

The rules are those of kube-apiserver's pkg/apis/core/validation/events.go.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekuma.kit.structural import Problem
from kubekuma.standalone.resources import Object

EVENTS: Final = "events"
CORE: Final = "v1"
NEW: Final = "events.k8s.io/v1"

# Field names of v1, and what events.k8s.io calls them.
_NEW_NAMES: Final = {
    "message": "note",
    "involvedObject": "regarding",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_CORE_NAMES: Final = {new: core for core, new in _NEW_NAMES.items()}
_DEPRECATED: Final = tuple(new for new in _CORE_NAMES if new.startswith("deprecated"))
_TEXTS: Final = {"reportingController": 253, "reportingInstance": 128, "action": 128, "reason": 128}
_NOTE_LIMIT: Final = 1024


def event_view(value: Mapping[str, Any], api_version: str) -> Object:
    """The event ``value`` as ``api_version`` shows it."""
    names = _CORE_NAMES if api_version == CORE else _NEW_NAMES
    renamed = {names.get(name, name): part for name, part in value.items()}
    return {**renamed, "apiVersion": api_version}


def all_names(value: Mapping[str, Any]) -> Object:
    """The event ``value`` with every field under both of its names, for selecting."""
    return {**event_view(value, NEW), **event_view(value, CORE)}


def event_problems(event: Object, *, is_new: bool) -> Iterator[Problem]:
    """What is wrong with ``event``; events of the core group are taken as they come."""
    if event["apiVersion"] == CORE:
        subject = event.get("involvedObject") or {}
        yield from _namespace_problems(event, subject, "involvedObject")
        return
    yield from _namespace_problems(event, event.get("regarding") or {}, "regarding")
    if not is_new:
        return
    if not event.get("eventTime"):
        yield _required("eventTime")
    for name, limit in _TEXTS.items():
        text = event.get(name) or ""
        if not text:
            yield _required(name)
        elif len(text) > limit:
            yield _invalid(name, f"can have at most {limit} characters")
    if len((event.get("note") or "").encode()) > _NOTE_LIMIT:
        yield _invalid("note", f"can have at most {_NOTE_LIMIT} characters")
    if event.get("type") not in {"Normal", "Warning"}:
        yield _invalid("type", "has invalid value: " + str(event.get("type") or ""))
    for name in _DEPRECATED:
        if event.get(name):
            yield _invalid(name, "needs to be unset")


def _namespace_problems(event: Object, subject: Object, where: str) -> Iterator[Problem]:
    namespace, given = event["metadata"].get("namespace", ""), subject.get("namespace", "")
    if given and given != namespace:
        yield _invalid(f"{where}.namespace", "does not match event.namespace")
    if not given and namespace not in {"default", "kube-system"}:
        yield _invalid(f"{where}.namespace", "does not match event.namespace")


def _required(path: str) -> Problem:
    return Problem(path, "Required value", "FieldValueRequired")


def _invalid(path: str, why: str) -> Problem:
    return Problem(path, f"Invalid value: {why}", "FieldValueInvalid")
