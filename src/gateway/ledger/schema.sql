-- Requests that a server relays for clients, in OpenAI's format.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    -- Id of the client's request, as in the header x-request-id. A request has several attempts if it was retried.
    request TEXT NOT NULL,
    -- The first of the attempts that travelled in the same request to the provider; NULL if it travelled alone. Each has
    -- its share of tokens and cost.
    pack INTEGER,
    -- Name of the key that sent it; '' on a server without keys.
    owner TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    -- The batch that it is a part of.
    batch TEXT,
    -- Number of the attempt within the request, from 1.
    number INTEGER NOT NULL,
    -- sent, ended, or in_doubt: the server died before it knew the end.
    state TEXT NOT NULL,
    -- Milliseconds since 1970.
    sent_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    -- Maximum cost in picodollars. It counts if the cost is unknown or the attempt is in doubt.
    at_most_pico_usd INTEGER,
    status INTEGER,
    uncached_input INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0,
    cache_write INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    cost_pico_usd INTEGER
) STRICT;
CREATE INDEX attempts_by_state ON attempts (state, sent_ms);
CREATE INDEX attempts_by_batch ON attempts (batch) WHERE batch IS NOT NULL;
-- Money of removed attempts, which still counts for the caps.
CREATE TABLE removed (owner TEXT PRIMARY KEY, spent_pico_usd INTEGER NOT NULL) STRICT;
-- Answers that identical requests get again. The key is a hash of owner, endpoint and body. For responses that are only
-- kept, it is a hash of owner and response.
CREATE TABLE answers (
    key BLOB PRIMARY KEY,
    owner TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    uncached_input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    output INTEGER NOT NULL,
    -- Id of the response, if clients can fetch it again by /v1/responses/ID.
    response TEXT
) STRICT;
CREATE INDEX answers_by_age ON answers (created_ms);
CREATE INDEX answers_by_response ON answers (owner, response) WHERE response IS NOT NULL;
-- Uploaded files, and results of batches. The content is in files/ID.
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    -- batch or batch_output.
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;
CREATE INDEX files_by_owner ON files (owner, id);
CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_file TEXT NOT NULL,
    completion_window TEXT NOT NULL,
    -- As in OpenAI's API: validating, failed, in_progress, finalizing, completed, expired, cancelling, cancelled.
    state TEXT NOT NULL,
    -- JSON.
    metadata TEXT,
    errors TEXT,
    -- Lifetime of its results in seconds, if the client set one.
    output_expires_s INTEGER,
    output_file TEXT,
    error_file TEXT,
    total INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    -- Milliseconds since 1970.
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    in_progress_ms INTEGER,
    finalizing_ms INTEGER,
    completed_ms INTEGER,
    failed_ms INTEGER,
    expired_ms INTEGER,
    cancelling_ms INTEGER,
    cancelled_ms INTEGER
) STRICT;
CREATE INDEX batches_by_owner ON batches (owner, id);
CREATE INDEX batches_by_state ON batches (state, id);
-- Answered lines of batches at work. They are removed when their results are files.
CREATE TABLE lines (
    batch TEXT NOT NULL,
    line INTEGER NOT NULL,
    -- Whether the line goes to the file of errors.
    failed INTEGER NOT NULL,
    -- The line of the result file.
    result TEXT NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT, WITHOUT ROWID;
