-- A request may carry several calls, each with an attempt. `request` is the id of the first of them.
-- Until now each request carried one call. Sums of tokens and cost over attempts stay the bill, and
-- `sum(request = id)` counts requests.
ALTER TABLE attempts ADD COLUMN request INTEGER NOT NULL DEFAULT 0;
UPDATE attempts SET request = id;
