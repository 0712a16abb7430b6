"""The last valid form of each resource, for starts without the API server."""

import json
from collections.abc import Mapping
from typing import Any

from kubekuma.model.meta import Key
from kubekuma.record.database import Connection


def cached_documents(db: Connection, kind: str) -> list[Mapping[str, Any]]:
    """Every document of ``kind`` that was last known to be valid."""
    found = db.execute("SELECT document FROM crd_cache WHERE kind = ?", (kind,))
    return [json.loads(document) for (document,) in found]


def keep_document(db: Connection, kind: str, key: Key, document: Mapping[str, Any] | None) -> None:
    """Remember ``document``, or with None forget it."""
    if document is None:
        db.execute(
            "DELETE FROM crd_cache WHERE kind = ? AND namespace = ? AND name = ?", (kind, *key)
        )
        return
    db.execute(
        "INSERT INTO crd_cache VALUES (?, ?, ?, ?)"
        " ON CONFLICT (kind, namespace, name) DO UPDATE SET document = excluded.document",
        (kind, *key, json.dumps(document, separators=(",", ":"))),
    )
