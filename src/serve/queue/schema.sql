-- The queue of a server. Each run also has its own run store in runs/ID.
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    -- Name of the key that submitted the run; '' on a server without keys.
    owner TEXT NOT NULL,
    -- queued, running, complete, stopped, cancelled or failed.
    state TEXT NOT NULL,
    -- 1: waits until a client resumes it.
    held INTEGER NOT NULL DEFAULT 0,
    -- Runs with a higher priority go first.
    priority INTEGER NOT NULL DEFAULT 0,
    -- Milliseconds since 1970.
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    -- The submission as JSON, without texts and rows.
    submission TEXT NOT NULL,
    -- Why it ended early.
    message TEXT NOT NULL DEFAULT '',
    -- Cap on money in picodollars.
    cap_pico_usd INTEGER,
    -- Money that the run may still spend while it is at work: its share of the caps of key and server.
    reserved_pico_usd INTEGER,
    -- The cap that the run needed last, and did not get.
    wanted_pico_usd INTEGER,
    -- Counts of the last state, from the run store.
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    pending INTEGER,
    requests INTEGER NOT NULL DEFAULT 0,
    spent_pico_usd INTEGER NOT NULL DEFAULT 0,
    unpriced INTEGER NOT NULL DEFAULT 0,
    -- Value of the header Idempotency-Key, and a hash of the submission that came with it.
    idempotency_key TEXT,
    submission_hash BLOB,
    -- 1: a client has cancelled the run while it was at work.
    cancelling INTEGER NOT NULL DEFAULT 0,
    -- The part of the money spent that may not be billed.
    uncertain_pico_usd INTEGER NOT NULL DEFAULT 0,
    -- When work on the run must have ended, in milliseconds since 1970.
    deadline_ms INTEGER,
    -- Address for a message when the run has ended.
    webhook TEXT,
    UNIQUE (owner, idempotency_key)
) STRICT;
CREATE INDEX runs_by_state ON runs (state, held, priority, owner, id);
CREATE INDEX runs_by_owner ON runs (owner, id);
CREATE INDEX runs_by_start ON runs (owner, started_ms);
-- Money of removed runs, which still counts for the caps.
CREATE TABLE removed (owner TEXT PRIMARY KEY, spent_pico_usd INTEGER NOT NULL) STRICT;
-- Idempotency keys of removed runs, so that a late repetition is not paid again.
CREATE TABLE removed_keys (
    owner TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    removed_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, idempotency_key)
) STRICT;
