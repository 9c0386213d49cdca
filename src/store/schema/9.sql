-- Attempts that came from other stores, so that taking a store over again adds nothing twice.
CREATE TABLE absorbed (
    store TEXT NOT NULL,            -- identity of the store that sent the request
    attempt INTEGER NOT NULL,       -- its number there
    id INTEGER NOT NULL,            -- its number here
    PRIMARY KEY (store, attempt)
) WITHOUT ROWID;
CREATE INDEX absorbed_by_id ON absorbed (id);
