-- What people have done: rows are added, and go when they are too old.
CREATE TABLE audit_events (
    id INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    -- From where: an address, or a program.
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    -- What it was done to, as JSON; NULL: there was nothing, or is nothing any more.
    before TEXT,
    after TEXT,
    reason TEXT NOT NULL
);
CREATE INDEX audit_events_by_time ON audit_events (at);
CREATE INDEX audit_events_by_object ON audit_events (kind, namespace, name);

-- Who has said to see to an outage.
ALTER TABLE incidents ADD COLUMN acknowledged_at BIGINT;
ALTER TABLE incidents ADD COLUMN acknowledged_by TEXT;
ALTER TABLE incidents ADD COLUMN acknowledged_until BIGINT;
ALTER TABLE incidents ADD COLUMN acknowledged_note TEXT;
