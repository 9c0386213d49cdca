-- Attempts that came from other stores, so that taking a store over again adds nothing twice.
CREATE TABLE absorbed (
    store TEXT NOT NULL,            -- identity of the other store
    attempt INTEGER NOT NULL,       -- its number there
    PRIMARY KEY (store, attempt)
) WITHOUT ROWID;
