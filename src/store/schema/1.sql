CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    ended TEXT,
    docmill_version TEXT NOT NULL,
    settings TEXT NOT NULL,
    summary TEXT
);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    call_key BLOB NOT NULL,
    document TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id),
    call TEXT NOT NULL
);
-- The index begins with the document and not with the key. Documents come in order, so a commit
-- touches a few pages at the end of the index instead of one page per answer.
CREATE UNIQUE INDEX answers_by_document ON answers (document, call_key);
CREATE TABLE rows (
    run INTEGER NOT NULL REFERENCES runs (id),
    position INTEGER NOT NULL,
    job TEXT NOT NULL,
    document TEXT NOT NULL,
    status TEXT NOT NULL,
    failure_code TEXT,
    result TEXT NOT NULL,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
