-- Version 4: money that runs need to go on.
ALTER TABLE runs ADD COLUMN wanted_pico_usd INTEGER;
