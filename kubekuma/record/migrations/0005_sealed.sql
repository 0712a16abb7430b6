-- An hour of a series' heartbeats in one block (record/blocks.py), once nothing is added to it.
CREATE TABLE heartbeat_blocks (
    series INTEGER NOT NULL,
    -- When it begins.
    hour BIGINT NOT NULL,
    -- A bit for each outcome that occurs in it.
    outcomes INTEGER NOT NULL,
    -- The last of them that said something of the target.
    spoke BIGINT,
    beats BLOB NOT NULL,
    PRIMARY KEY (series, hour)
) WITHOUT ROWID;

-- Their phases and messages, which are kept for less long.
CREATE TABLE heartbeat_details (
    series INTEGER NOT NULL,
    hour BIGINT NOT NULL,
    details BLOB NOT NULL,
    PRIMARY KEY (series, hour)
) WITHOUT ROWID;

-- Figures of the heartbeats of an hour or a day (record/tally.py).
CREATE TABLE rollups (
    series INTEGER NOT NULL,
    -- How long it is.
    seconds INTEGER NOT NULL,
    -- When it begins.
    start BIGINT NOT NULL,
    figures BLOB NOT NULL,
    PRIMARY KEY (series, seconds, start)
) WITHOUT ROWID;

-- What an hour's heartbeats came to, in stretches of equal length, once they themselves are gone.
CREATE TABLE heartbeat_buckets (
    series INTEGER NOT NULL,
    hour BIGINT NOT NULL,
    figures BLOB NOT NULL,
    PRIMARY KEY (series, hour)
) WITHOUT ROWID;
