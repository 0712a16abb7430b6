-- What people say on status pages.
CREATE TABLE posts (
    id TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Of its last update.
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at BIGINT,
    -- What an edit replaces, as JSON: title, components, post-mortem and so on.
    content TEXT NOT NULL
);
CREATE INDEX posts_by_time ON posts (namespace, created_at);
CREATE INDEX posts_by_end ON posts (ended_at);

CREATE TABLE post_updates (
    post TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    author TEXT NOT NULL,
    status TEXT NOT NULL,
    text TEXT NOT NULL,
    -- As JSON; NULL: as before.
    components TEXT,
    PRIMARY KEY (post, number)
) WITHOUT ROWID;

-- Which posts are on a page, and about an outage: as their content says.
CREATE TABLE post_pages (
    namespace TEXT NOT NULL,
    page TEXT NOT NULL,
    post TEXT NOT NULL,
    PRIMARY KEY (namespace, page, post)
) WITHOUT ROWID;
CREATE INDEX post_pages_by_post ON post_pages (post);
CREATE TABLE post_incidents (
    incident TEXT NOT NULL,
    post TEXT NOT NULL,
    PRIMARY KEY (incident, post)
) WITHOUT ROWID;
CREATE INDEX post_incidents_by_post ON post_incidents (post);
