-- Version 2: responses that clients can fetch again.
ALTER TABLE answers ADD COLUMN response TEXT;
CREATE INDEX answers_by_response ON answers (owner, response) WHERE response IS NOT NULL;
