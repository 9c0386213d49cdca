-- Messages to clients: an outbox that survives a restart.
CREATE TABLE webhooks (
    -- The same in all attempts, so that a receiver recognises a repetition.
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    url TEXT NOT NULL,
    -- Host of the address; few messages to one host are in flight at the same time.
    host TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- When it is sent next; NULL after its end.
    next_ms INTEGER,
    delivered_ms INTEGER,
    -- Why the last attempt failed.
    error TEXT
) STRICT;
CREATE INDEX webhooks_by_time ON webhooks (next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX webhooks_by_run ON webhooks (run_id);
