-- Version 2: deadlines and messages to clients.
ALTER TABLE runs ADD COLUMN deadline_ms INTEGER;
ALTER TABLE runs ADD COLUMN webhook TEXT;
