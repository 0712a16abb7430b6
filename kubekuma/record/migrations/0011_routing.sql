-- Messages that are put together, what several outages have in common, and who asked for a message.
ALTER TABLE deliveries ADD COLUMN reminder INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN monitor TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN together TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN alert TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN fallback TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_together ON deliveries (provider_namespace, provider_name, together, next_at);
CREATE INDEX deliveries_alert ON deliveries (alert);
CREATE INDEX deliveries_by_monitor ON deliveries (monitor);

-- Why somebody was not told of an outage, when that changed.
CREATE TABLE alert_decisions (
    outage TEXT NOT NULL,
    at BIGINT NOT NULL,
    monitor TEXT NOT NULL,
    -- Empty: nobody was.
    provider TEXT NOT NULL,
    said TEXT NOT NULL,
    PRIMARY KEY (outage, at, provider)
) WITHOUT ROWID;
CREATE INDEX alert_decisions_by_monitor ON alert_decisions (monitor, at);
