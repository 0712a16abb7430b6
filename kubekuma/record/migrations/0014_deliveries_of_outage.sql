-- Whom else an outage was told is asked for each row. By the outage alone, the index of what goes
-- together seemed better to SQLite, which has every message that a provider ever had.
DROP INDEX deliveries_by_outage;
CREATE INDEX deliveries_of_outage ON deliveries (outage, provider_namespace, provider_name);
