-- Who may write: a row for each shard of the schedule, of which there is one, number 0, today.
CREATE TABLE leadership (
    shard INTEGER PRIMARY KEY,
    -- Only ever grows, and every transaction of a leader asks for its own: the fence.
    epoch BIGINT NOT NULL,
    -- As the Lease named it.
    holder TEXT NOT NULL,
    -- Which file on which running machine the holder had open: a copy of the file is another place.
    place TEXT NOT NULL,
    -- 1 once the holder had ended its work.
    finished INTEGER NOT NULL,
    -- Names this history, wherever it is moved.
    history TEXT NOT NULL
);
