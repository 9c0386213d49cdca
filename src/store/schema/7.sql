-- The secret from which docmill makes the marks around documents in prompts. Nothing else contains it.
-- SQLite seeds its random numbers from the operating system.
CREATE TABLE secret (fence BLOB NOT NULL);
INSERT INTO secret VALUES (randomblob(32));
