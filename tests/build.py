"""Builders with good defaults: a test names only what it is about."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.state import Checked
from kubekuma.validate.load import load_monitor
from kubekuma.validate.rule import Rejected

START = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Key("shop", "web")
HTTP = {"http": {"url": "http://192.0.2.1/"}}


def document(
    name: str = "web",
    namespace: str = "shop",
    /,
    *,
    uid: str = "u1",
    generation: int = 1,
    **spec: Any,
) -> dict[str, Any]:
    """A Monitor as the API server gives it, except for what ``spec`` says."""
    return {
        "apiVersion": "monitoring.kubekuma.io/v1",
        "kind": "Monitor",
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "generation": generation},
        "spec": {"type": "http", "target": HTTP, **spec},
    }


def monitor(name: str = "web", namespace: str = "shop", /, **spec: Any) -> Monitor:
    """A valid Monitor."""
    loaded = load_monitor(document(name, namespace, **spec))
    assert not isinstance(loaded, Rejected), loaded.errors
    return loaded


def schedule(**more: Any) -> Mapping[str, Any]:
    """A schedule of a check each 60 s that may take 10 s."""
    return {"intervalSeconds": 60, "timeoutSeconds": 10, **more}


def at(seconds: float) -> datetime:
    """``seconds`` after the start."""
    return START + timedelta(seconds=seconds)


def checked(
    seconds: float,
    reason: Reason = Reason.PASSED,
    *,
    key: Key = WEB,
    uid: str = "u1",
    generation: int = 1,
    **more: Any,
) -> Checked:
    """A check that began ``seconds`` after the start."""
    result = CheckResult(reason=reason, **more)
    return Checked(key=key, uid=uid, generation=generation, at=at(seconds), result=result)
