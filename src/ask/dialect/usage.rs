//! Reads the token counts of a reply, in the forms of all providers and gateways.
//!
//! One table holds all names, because servers of one dialect borrow names from another. A count
//! that is negative, fractional or impossibly large makes the whole usage unknown, which is better
//! than a wrong number.

use crate::model::Usage;
use serde_json::Value;

/// No model reads or writes this many tokens in one request.
const IMPOSSIBLE: u64 = 100_000_000;

/// Input tokens. Whether they include cached tokens depends on the names, see [`try_read`].
const INPUT: [&str; 3] = ["prompt_tokens", "input_tokens", "promptTokenCount"];
/// Output tokens.
const OUTPUT: [&str; 3] = ["completion_tokens", "output_tokens", "candidatesTokenCount"];
/// Thinking tokens that the output never includes.
const THOUGHTS: [&str; 1] = ["thoughtsTokenCount"];
/// Thinking tokens that the output of most providers includes.
const REASONING: [&str; 3] = ["completion_tokens_details/reasoning_tokens", "output_tokens_details/reasoning_tokens", "reasoning_tokens"];
/// Input tokens read from the prompt cache.
const CACHE_READ: [&str; 7] = [
    "prompt_tokens_details/cached_tokens",
    "input_tokens_details/cached_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cachedContentTokenCount",
    "cached_tokens",
    "num_cached_tokens",
];
/// Input tokens written to the prompt cache.
const CACHE_WRITE: [&str; 5] = [
    "prompt_tokens_details/cache_write_tokens",
    "input_tokens_details/cache_write_tokens",
    "prompt_tokens_details/cache_creation_tokens",
    "prompt_tokens_details/cache_creation_input_tokens",
    "cache_creation_input_tokens",
];
/// All tokens.
const TOTAL: [&str; 2] = ["total_tokens", "totalTokenCount"];
/// Anthropic's name for input tokens outside the cache (neither read nor written).
const UNCACHED: &str = "input_tokens";
/// Anthropic's names for cached tokens, which its input tokens do not include.
const BESIDE: [&str; 2] = ["cache_read_input_tokens", "cache_creation_input_tokens"];

/// An implausible count.
struct Nonsense;

/// Reads the usage of a reply; all zero if it is missing or implausible.
pub(super) fn read(json: &Value) -> Usage {
    try_read(json).unwrap_or_default()
}

fn try_read(json: &Value) -> Result<Usage, Nonsense> {
    let input = first(json, &INPUT)?;
    let (cache_read, cache_write) = (largest(json, &CACHE_READ)?, largest(json, &CACHE_WRITE)?);
    let mut output = first(json, &OUTPUT)? + first(json, &THOUGHTS)?;
    let (cached, total) = (cache_read + cache_write, first(json, &TOTAL)?);
    // Cached tokens are not part of the input if they exceed it, or if the total adds them to it.
    let anthropic = at(json, UNCACHED).is_some() && BESIDE.iter().any(|name| at(json, name).is_some());
    let beside = anthropic || cached > input || (cached > 0 && total == input + output + cached);
    let uncached_input = if beside { input } else { input - cached };
    let counted = uncached_input + cached + output;
    // xAI and others leave thinking out of the output. The total shows this, or more thinking than
    // output does.
    let reasoning = largest(json, &REASONING)?;
    output += match total.saturating_sub(counted) {
        0 if reasoning > output => reasoning,
        _ if input == 0 => 0,
        surplus => surplus,
    };
    Ok(Usage { uncached_input, cache_read, cache_write, output })
}

/// The first of these counts that is present; otherwise 0.
fn first(json: &Value, names: &[&str]) -> Result<u64, Nonsense> {
    names.iter().find_map(|name| at(json, name).and_then(count)).unwrap_or(Ok(0))
}

/// The largest of these counts. Gateways send one count under several names, some of them zero.
fn largest(json: &Value, names: &[&str]) -> Result<u64, Nonsense> {
    names.iter().filter_map(|name| at(json, name).and_then(count)).try_fold(0, |most, count| Ok(most.max(count?)))
}

/// The value at a path such as `prompt_tokens_details/cached_tokens`.
///
/// Comparing names is cheaper than hashing them, because an object of counts has few fields.
fn at<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('/').try_fold(json, |value, name| value.as_object()?.iter().find(|(field, _)| *field == name).map(|(_, value)| value))
}

/// Reads a count; `None` if it is null. Some gateways send floats or strings.
fn count(value: &Value) -> Option<Result<u64, Nonsense>> {
    let number = match value {
        Value::Null => return None,
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range by the guard")]
    Some(match number {
        Some(number) if number.fract() == 0.0 && (0.0..IMPOSSIBLE as f64).contains(&number) => Ok(number as u64),
        _ => Err(Nonsense),
    })
}

/// Merges a later usage of a stream into an earlier one.
///
/// Counts are totals so far, so the larger one holds. Later nulls and zeros are ignored.
pub(super) fn merge(known: &mut Value, more: &Value) {
    match (&mut *known, more) {
        (_, Value::Null) => {}
        (Value::Object(known), Value::Object(more)) => {
            for (name, value) in more {
                merge(known.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Number(old), Value::Number(new)) if old.as_f64() > new.as_f64() => {}
        (known, more) => *known = more.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usage(uncached_input: u64, cache_read: u64, cache_write: u64, output: u64) -> Usage {
        Usage { uncached_input, cache_read, cache_write, output }
    }

    #[test]
    fn every_form_of_usage_gives_the_same_disjoint_counts() {
        let cases = [
            // OpenAI, and a server that counts nothing apart.
            (json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}), usage(100, 0, 0, 20)),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": null,
                    "completion_tokens_details": null}),
                usage(100, 0, 0, 20),
            ),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 90, "total_tokens": 190,
                    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": null},
                    "completion_tokens_details": {"reasoning_tokens": 70}}),
                usage(10, 60, 30, 90),
            ),
            // xAI: thinking is only in the total, or only in the details.
            (json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 1120}), usage(100, 0, 0, 1020)),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 1120,
                    "completion_tokens_details": {"reasoning_tokens": 1000}, "prompt_tokens_details": {"cached_tokens": 64}}),
                usage(36, 64, 0, 1020),
            ),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 1000}}),
                usage(100, 0, 0, 1020),
            ),
            // DeepSeek, Moonshot, a gateway that fills one name of several.
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_cache_hit_tokens": 80,
                    "prompt_cache_miss_tokens": 20}),
                usage(20, 80, 0, 20),
            ),
            (json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cached_tokens": 80}), usage(20, 80, 0, 20)),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cache_read_input_tokens": 80,
                    "prompt_tokens_details": {"cached_tokens": 0}}),
                usage(20, 80, 0, 20),
            ),
            // A gateway that leaves cached tokens out of the prompt.
            (
                json!({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "prompt_tokens_details": {"cached_tokens": 80}}),
                usage(10, 80, 0, 20),
            ),
            (
                json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 200, "prompt_tokens_details": {"cached_tokens": 80}}),
                usage(100, 80, 0, 20),
            ),
            // Anthropic: cached tokens stand beside the others, and thinking is part of the output.
            (
                json!({"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 2048, "output_tokens": 212,
                    "output_tokens_details": {"thinking_tokens": 200}, "cache_creation": {"ephemeral_5m_input_tokens": 5}}),
                usage(10, 2048, 5, 212),
            ),
            (
                json!({"input_tokens": 4000, "cache_creation_input_tokens": null, "cache_read_input_tokens": 2048, "output_tokens": 1}),
                usage(4000, 2048, 0, 1),
            ),
            // Responses.
            (
                json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 50,
                    "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150}),
                usage(60, 40, 0, 50),
            ),
            // Gemini: thoughts stand beside the answer; a count may be missing where the total has
            // it.
            (
                json!({"promptTokenCount": 1180, "cachedContentTokenCount": 180, "candidatesTokenCount": 40, "thoughtsTokenCount": 210,
                    "totalTokenCount": 1430}),
                usage(1000, 180, 0, 250),
            ),
            (json!({"promptTokenCount": 100, "totalTokenCount": 150}), usage(100, 0, 0, 50)),
            // Numbers as floats and strings.
            (json!({"prompt_tokens": 100.0, "completion_tokens": "20", "total_tokens": 0}), usage(100, 0, 0, 20)),
        ];
        for (json, expected) in cases {
            assert_eq!(read(&json), expected, "{json}");
        }
    }

    #[test]
    fn implausible_counts_make_the_usage_unknown() {
        for json in [
            json!(null),
            json!({}),
            json!({"totalTokenCount": 150}),
            json!({"prompt_tokens": u64::MAX, "completion_tokens": 1}),
            json!({"prompt_tokens": 1e300, "completion_tokens": 1}),
            json!({"prompt_tokens": 100, "completion_tokens": -1}),
            json!({"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": i64::MAX}}),
            json!({"prompt_tokens": 10.5, "completion_tokens": 1}),
            json!({"prompt_tokens": "many", "completion_tokens": 1}),
            json!({"prompt_tokens": [100], "completion_tokens": 1}),
        ] {
            assert_eq!(read(&json), Usage::default(), "{json}");
        }
        let too_large = serde_json::from_str(r#"{"prompt_tokens": 36893488147419103232, "completion_tokens": 1}"#).unwrap();
        assert_eq!(read(&too_large), Usage::default());
    }

    #[test]
    fn later_nulls_and_zeros_of_a_stream_do_not_erase_counts() {
        let mut known = json!({"input_tokens": 100, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 7}});
        merge(&mut known, &json!({"input_tokens": null, "output_tokens": 20, "cache_creation": {"ephemeral_5m_input_tokens": 0}}));
        merge(&mut known, &json!({"input_tokens": 0, "output_tokens": 0, "cache_creation": null, "cache_read_input_tokens": 5}));
        let expected = json!({"input_tokens": 100, "output_tokens": 20, "cache_creation": {"ephemeral_5m_input_tokens": 7},
            "cache_read_input_tokens": 5});
        assert_eq!(known, expected);
        let mut nothing = Value::Null;
        merge(&mut nothing, &expected);
        assert_eq!(nothing, expected);
    }
}
