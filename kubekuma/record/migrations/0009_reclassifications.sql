-- What a person says that time counts as, instead of what spans say; no two of a series overlap.
CREATE TABLE reclassifications (
    id TEXT PRIMARY KEY,
    series INTEGER NOT NULL,
    start BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    charge TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX reclassifications_by_series ON reclassifications (series, start);
