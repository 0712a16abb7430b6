-- What links of ours are signed with: made once, and the same for every process.
CREATE TABLE signing_keys (
    name TEXT PRIMARY KEY,
    key TEXT NOT NULL
);
