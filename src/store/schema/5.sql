-- Renames columns and keys: uncached input tokens, and prompt injection.
-- The replaced texts contain a quote that a JSON string would escape, so they match only keys.
ALTER TABLE attempts RENAME COLUMN fresh_tokens TO uncached_input_tokens;
UPDATE answers SET call = replace(call, '"usage":{"fresh":', '"usage":{"uncached_input":');
UPDATE failures SET call = replace(call, '"usage":{"fresh":', '"usage":{"uncached_input":');
UPDATE rows SET result = replace(replace(result, '"usage":{"fresh":', '"usage":{"uncached_input":'), '"gives_orders":', '"prompt_injection":');
UPDATE runs SET
    jobs = replace(jobs, '"gives_orders"', '"prompt_injection"'),
    settings = replace(settings, '"llm.retry.max_systematic":', '"llm.retry.max_consecutive_failures":'),
    summary = replace(summary, '"fresh":', '"uncached_input":');
-- Published files have the old names, so they are outdated.
UPDATE files SET run = 0;
