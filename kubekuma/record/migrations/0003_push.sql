-- What the senders of push monitors have reported last: silence is judged by it after a restart too.
CREATE TABLE push_reports (
    series INTEGER PRIMARY KEY,
    reports TEXT NOT NULL
);
