-- Times in milliseconds since 1970.
ALTER TABLE attempts ADD COLUMN queued_ms INTEGER;                 -- when the request lined up for its turn
ALTER TABLE attempts ADD COLUMN first_byte_ms INTEGER;             -- when its reply began
ALTER TABLE rows ADD COLUMN found_ms INTEGER;                      -- when the walk came across the document
ALTER TABLE rows ADD COLUMN read_ms INTEGER;                       -- when it had been read
ALTER TABLE rows ADD COLUMN ready_ms INTEGER;                      -- when it had been prepared
ALTER TABLE rows ADD COLUMN done_ms INTEGER;                       -- when its row was made

-- Samples of a run: frequent at first, and rarer later.
CREATE TABLE samples (
    run INTEGER NOT NULL REFERENCES runs (id),
    elapsed_ms INTEGER NOT NULL,    -- since the run began
    sample TEXT NOT NULL,           -- the counters since then, as in the event `progress`
    PRIMARY KEY (run, elapsed_ms)
) WITHOUT ROWID;
CREATE INDEX attempts_by_run ON attempts (run);
