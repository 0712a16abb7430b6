"""The audit: what people have done. Events are added, and never changed."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kubekuma.model.audit import Act, AuditEvent
from kubekuma.model.meta import Key
from kubekuma.record.database import Connection
from kubekuma.record.times import epoch_ms, from_epoch_ms

_INSERT: Final = """
    INSERT INTO audit_events
    (at, actor, source, action, kind, namespace, name, before, after, reason)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PAGE: Final = """
    SELECT id, at, actor, source, action, kind, namespace, name, before, after, reason
    FROM audit_events
    WHERE (CAST(:below AS BIGINT) IS NULL OR id < :below)
    AND (CAST(:since AS BIGINT) IS NULL OR at >= :since)
    AND (CAST(:actor AS TEXT) IS NULL OR actor = :actor)
    AND (CAST(:kind AS TEXT) IS NULL OR kind = :kind)
    AND (CAST(:namespace AS TEXT) IS NULL OR namespace = :namespace)
    AND (CAST(:name AS TEXT) IS NULL OR name = :name)
    ORDER BY id DESC LIMIT :most
"""


def audit(
    db: Connection,
    act: Act,
    action: str,
    kind: str,
    key: Key,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down what ``act`` did, in the transaction that does it.

    Neither form may hold a credential. What changes nothing is no event, so
    that what is written again after a lost answer is there once.
    """
    db.execute(
        _INSERT,
        (
            epoch_ms(act.at),
            _storable(act.actor),
            _storable(act.source),
            action,
            kind,
            *key,
            None if before is None else json.dumps(before),
            None if after is None else json.dumps(after),
            _storable(act.reason),
        ),
    )


def _storable(text: str) -> str:
    """``text`` without what a database refuses: what was done is done, whatever was said of it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def audit_events(
    db: Connection,
    limit: int,
    *,
    below: int | None = None,
    since: datetime | None = None,
    actor: str | None = None,
    kind: str | None = None,
    namespace: str | None = None,
    name: str | None = None,
) -> list[AuditEvent]:
    """The last ``limit`` events, of what is named, the newest first; those ``below`` an id."""
    found = db.execute(
        _PAGE,
        {
            "below": below,
            "since": None if since is None else epoch_ms(since),
            "actor": actor,
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "most": limit,
        },
    )
    return [_event(row) for row in found]


def _event(row: tuple[Any, ...]) -> AuditEvent:
    id_, at, actor, source, action, kind, namespace, name, before, after, reason = row
    return AuditEvent(
        id=id_,
        act=Act(at=from_epoch_ms(at), actor=actor, source=source, reason=reason),
        action=action,
        kind=kind,
        key=Key(namespace, name),
        before=None if before is None else json.loads(before),
        after=None if after is None else json.loads(after),
    )
