-- A document is a name and a content. `digest` and `stamp` are empty if unknown.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,   -- BLAKE3 of the bytes
    stamp BLOB NOT NULL     -- size, time of modification and of change when it was read
);
CREATE UNIQUE INDEX documents_by_name ON documents (name, digest);
-- The second run adds an index by digest, to recognise renamed files. Digests are random, so the
-- first run would touch a random page for each new document.
INSERT INTO documents (name, digest, stamp) SELECT DISTINCT document, x'', x'' FROM answers ORDER BY document;

-- Paid answers. Only `docmill prune` deletes lines.
ALTER TABLE answers RENAME TO answers_1;
DROP INDEX answers_by_document;
CREATE TABLE answers (
    document INTEGER NOT NULL REFERENCES documents (id),
    call_key BLOB NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id),
    call TEXT NOT NULL,     -- the call record, as in results.jsonl
    -- The document first and not the key: documents come in order, so a commit touches a few pages at the end and not
    -- one page anywhere for each answer.
    PRIMARY KEY (document, call_key)
) WITHOUT ROWID;
INSERT INTO answers SELECT d.id, a.call_key, a.run, a.call FROM answers_1 a JOIN documents d ON d.name = a.document ORDER BY 1, 2;
DROP TABLE answers_1;

-- Permanently failed calls, until they are answered.
CREATE TABLE failures (
    document INTEGER NOT NULL REFERENCES documents (id),
    call_key BLOB NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id),
    code TEXT NOT NULL,
    call TEXT NOT NULL,
    PRIMARY KEY (document, call_key)
) WITHOUT ROWID;

-- The ledger: one line for each HTTP request, written before its first byte is sent. `outcome` is
-- empty while the request is in flight. After a crash, such lines are the calls in doubt.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id),
    document INTEGER NOT NULL REFERENCES documents (id),
    call_key BLOB NOT NULL,
    call TEXT NOT NULL,             -- task and axes
    attempt INTEGER NOT NULL,       -- 1 for the first of its call
    sent_ms INTEGER NOT NULL,       -- since 1970
    at_most_pico_usd INTEGER,       -- what it costs at the most; empty where the price is not known
    ended_ms INTEGER,
    outcome TEXT,                   -- answered, a failure code, or lost: in doubt, and asked again since
    fresh_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    pico_usd INTEGER                -- empty where the price is not known
);
CREATE INDEX attempts_in_flight ON attempts (id) WHERE outcome IS NULL;

-- Results. A row belongs to a recipe: everything that decides about it except the document (jobs,
-- model, preparation).
DROP TABLE rows;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,
    recipe INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (id),
    run INTEGER NOT NULL REFERENCES runs (id),
    job TEXT NOT NULL,
    status TEXT NOT NULL,
    failure_code TEXT,
    codes TEXT,                     -- all failure codes of its calls
    result TEXT NOT NULL            -- as in results.jsonl, without index and document
);
-- A covering index, so that the test whether a document is done never reads a result.
CREATE INDEX rows_by_document ON rows (recipe, document, run, job, status, codes);

-- The documents of a run in input order. Runs with the same documents share one listing.
CREATE TABLE listing (
    run INTEGER NOT NULL REFERENCES runs (id),
    position INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (id),
    PRIMARY KEY (run, position)
) WITHOUT ROWID;

-- Published result files.
CREATE TABLE files (
    path TEXT PRIMARY KEY,          -- below the output directory
    run INTEGER NOT NULL,           -- 0 once a name or a row in them may be another
    size INTEGER NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID;

ALTER TABLE runs ADD COLUMN command TEXT NOT NULL DEFAULT '';      -- the command line
ALTER TABLE runs ADD COLUMN recipe INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN jobs TEXT NOT NULL DEFAULT '[]';       -- names and CSV columns
ALTER TABLE runs ADD COLUMN listing INTEGER;                       -- the run whose listing holds for this one
ALTER TABLE runs ADD COLUMN documents INTEGER;                     -- how many there were; empty if the walk did not get to its end
ALTER TABLE runs ADD COLUMN outcome TEXT;                          -- complete, stopped; empty if the run died
ALTER TABLE runs ADD COLUMN stopped TEXT;                          -- why
ALTER TABLE runs ADD COLUMN figures TEXT;                          -- counts and times
