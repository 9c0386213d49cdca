-- Version 3: documents that no job takes.
ALTER TABLE runs ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
