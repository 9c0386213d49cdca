-- The row's own failure code comes first among all codes of its calls.
UPDATE rows SET codes = failure_code || ',' || codes
    WHERE failure_code IS NOT NULL AND codes <> failure_code AND instr(codes, failure_code || ',') <> 1;

-- Cancelled documents without a row that records the cancellation. No run sends them.
CREATE TABLE IF NOT EXISTS cancelled (name TEXT PRIMARY KEY) WITHOUT ROWID;
