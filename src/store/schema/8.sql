-- Vectors of texts. Equal texts with an equal model and form have equal keys, and one vector.
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY,
    call_key BLOB NOT NULL,
    document INTEGER NOT NULL,      -- the first document with the text, which paid
    model TEXT NOT NULL,            -- as the provider states it
    vector BLOB NOT NULL            -- 32-bit numbers, the least significant byte first
);
CREATE UNIQUE INDEX vectors_by_key ON vectors (call_key);
-- Their texts, without the prefix of their task. A separate table, so that a search reads only vectors.
CREATE TABLE passages (vector INTEGER PRIMARY KEY REFERENCES vectors (id), text TEXT NOT NULL);
-- The chunks of rows that have a vector, in order.
CREATE TABLE chunks (
    recipe INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (id),
    task TEXT NOT NULL,
    part INTEGER NOT NULL,          -- from 1
    page INTEGER,                   -- where it begins, if the document has pages
    vector INTEGER NOT NULL REFERENCES vectors (id),
    PRIMARY KEY (recipe, document, task, part)
) WITHOUT ROWID;
-- The tasks of each recipe that embed, and how they embed a query.
CREATE TABLE embed_tasks (
    recipe INTEGER NOT NULL,
    job TEXT NOT NULL,
    task TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    query TEXT NOT NULL,            -- JSON: prefix, dimensions, normalize, body; passage: the same of chunks
    PRIMARY KEY (recipe, job, task)
) WITHOUT ROWID;
-- Limits of requests that servers have taught by refusals. Empty: no limit is known.
CREATE TABLE pack_limits (
    endpoint TEXT PRIMARY KEY,      -- address and model
    items INTEGER,
    tokens INTEGER,
    bytes INTEGER
) WITHOUT ROWID;
CREATE INDEX chunks_by_vector ON chunks (vector);
