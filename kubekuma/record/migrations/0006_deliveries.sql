-- The outbox: one row for each message to each provider. What was told of an outage is read here too.
CREATE TABLE deliveries (
    -- Of the message: made once, whoever works it out again.
    id TEXT PRIMARY KEY,
    outage TEXT NOT NULL,
    provider_namespace TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    happening TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX deliveries_by_outage ON deliveries (outage);
CREATE INDEX deliveries_due ON deliveries (status, next_at);
