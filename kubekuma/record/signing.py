"""Keys that links of ours are signed with: they outlive restarts, and all processes share them."""

from kubekuma.record.database import Connection


def signing_key(db: Connection, name: str, fresh: str) -> str:
    """The key named ``name``, which is ``fresh`` if there is none yet."""
    db.execute(
        "INSERT INTO signing_keys (name, key) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (name, fresh),
    )
    (key,) = db.execute("SELECT key FROM signing_keys WHERE name = ?", (name,)).fetchone()
    return str(key)
