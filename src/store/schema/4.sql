-- The code of the row itself comes first among all failure codes of its calls.
UPDATE rows SET codes = failure_code || ',' || codes
    WHERE failure_code IS NOT NULL AND codes <> failure_code AND instr(codes, failure_code || ',') <> 1;

-- Documents that somebody has given up and that have no row that says so yet: no run asks about them.
CREATE TABLE IF NOT EXISTS cancelled (name TEXT PRIMARY KEY) WITHOUT ROWID;
