"""Kubernetes Events (events.k8s.io/v1): what ``kubectl describe`` shows below an object."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import uuid4

import attrs

from kubekuma.model.meta import API_VERSION, Key

CONTROLLER: Final = "monitoring.kubekuma.io/controller"
MOST_NOTE: Final = 1024


@attrs.frozen(kw_only=True)
class Event:
    """Something that a person should see."""

    kind: str
    key: Key
    uid: str
    reason: str
    action: str
    note: str
    at: datetime
    type: Literal["Normal", "Warning"] = "Normal"


def event_document(event: Event, instance: str) -> Mapping[str, Any]:
    """The form in which the API server takes ``event``; ``instance`` names this process."""
    # Events of cluster-scoped objects live in "default", as Kubernetes has it.
    namespace = event.key.namespace or "default"
    regarding = {
        "apiVersion": API_VERSION,
        "kind": event.kind,
        "name": event.key.name,
        "uid": event.uid,
        **({"namespace": event.key.namespace} if event.key.namespace else {}),
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": _name(event.key.name), "namespace": namespace},
        "eventTime": event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "type": event.type,
        "reason": event.reason,
        "action": event.action,
        "note": event.note[:MOST_NOTE] or event.reason,
        "regarding": regarding,
    }


def _name(of: str) -> str:
    # Each part between dots must end with a letter or a digit, also one that was cut.
    return f"{of[:200].rstrip('-.')}.{uuid4().hex[:16]}"
