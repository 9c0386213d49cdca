-- Version 5: orders to runs at work, uncertain money, and idempotency keys of removed runs.
ALTER TABLE runs ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN uncertain_pico_usd INTEGER NOT NULL DEFAULT 0;
CREATE TABLE removed_keys (
    owner TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    removed_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, idempotency_key)
) STRICT;
