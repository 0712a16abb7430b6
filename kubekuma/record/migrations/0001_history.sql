-- Times are whole milliseconds since 1970 in UTC, lengths whole microseconds.

-- A monitor's history, by namespace and name: a monitor made anew goes on where the old one ended.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    UNIQUE (namespace, name)
);

CREATE TABLE heartbeats (
    series INTEGER NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    latency BIGINT NOT NULL,
    dns BIGINT,
    connect BIGINT,
    tls BIGINT,
    first_byte BIGINT,
    transfer BIGINT,
    status_code INTEGER,
    attempt INTEGER NOT NULL,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;

-- A row for each change of what time is charged as. It lasts until the next one.
CREATE TABLE spans (
    series INTEGER NOT NULL,
    start BIGINT NOT NULL,
    charge TEXT NOT NULL,
    incident TEXT,
    PRIMARY KEY (series, start)
) WITHOUT ROWID;

CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    series INTEGER NOT NULL,
    uid TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    ended_at BIGINT,
    reason TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX incidents_by_series ON incidents (series, started_at);

-- What verdicts rest on, so that counters and outages survive a restart.
CREATE TABLE monitor_state (
    series INTEGER PRIMARY KEY,
    verdict TEXT NOT NULL,
    standing TEXT NOT NULL
);

-- The last valid form of each resource, so that a start without the API server knows what to do.
CREATE TABLE crd_cache (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
