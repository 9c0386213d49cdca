//! Finish reasons of all providers, in one table.

use crate::ask::fault::{Class, Fault};
use crate::model::{FailureCode, FinishReason, Usage};

/// The meaning of a finish reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The model finished its answer.
    Complete,
    /// The answer reached a token limit.
    Truncated,
    /// Prompt and answer do not fit into the context.
    TooLong,
    /// A filter withheld the answer.
    Filtered,
    /// The model declined.
    Refused,
    /// The provider failed or stopped after it had started to work.
    Failed,
}

/// Meanings by whole words and by parts of words. The first row that fits wins.
///
/// Words are in lower case, without `-`, `_` and blanks.
const TABLE: [(Meaning, &[&str], &[&str]); 6] = [
    (
        Meaning::Complete,
        &[
            "stop",
            "stopped",
            "endturn",
            "stopsequence",
            "eos",
            "eostoken",
            "eosfound",
            "complete",
            "completed",
            "finished",
            "done",
            "endoftext",
            "success",
            "tooluse",
            "toolcall",
            "toolcalls",
            "functioncall",
            "finishreasonunspecified",
            "finishreasonstop",
        ],
        &[],
    ),
    (Meaning::Refused, &[], &["refus"]),
    (
        Meaning::Filtered,
        &["imageother", "language", "spii", "jailbreak", "modelarmor", "errortoxic"],
        &["filter", "recitation", "safety", "sensitive", "moderation", "prohibited", "block", "guardrail", "toxic", "policy", "risk"],
    ),
    (
        Meaning::Failed,
        &["other", "noimage", "pauseturn", "repetition", "userstop", "userstopped", "inprogress", "queued"],
        &[
            "error",
            "fail",
            "abort",
            "cancel",
            "timeout",
            "malformed",
            "unexpected",
            "toomany",
            "missing",
            "overload",
            "ratelimit",
            "insufficient",
            "unavailable",
            "interrupt",
            "unload",
            "expired",
        ],
    ),
    (Meaning::TooLong, &[], &["context", "inputtoolong", "prompttoolong"]),
    (Meaning::Truncated, &["incomplete", "budget"], &["length", "token", "limit", "truncat"]),
];

/// Cohere's finish reason for a token limit, which looks like an error.
const LIMIT: &str = "errorlimit";

fn meaning(word: &str) -> Option<Meaning> {
    let word: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if word == LIMIT {
        return Some(Meaning::Truncated);
    }
    let fits = |(_, words, parts): &&(_, &[&str], &[&str])| words.contains(&word.as_str()) || parts.iter().any(|part| word.contains(part));
    TABLE.iter().find(fits).map(|(meaning, ..)| *meaning)
}

/// Whether `word` is not a finish reason.
///
/// Either the model has not finished, or the server sends no finish reason.
pub(super) fn is_open(word: &str) -> bool {
    matches!(word.trim().to_ascii_lowercase().as_str(), "" | "null" | "none")
}

/// Interprets the finish reason `word` of a reply with this text.
///
/// `why` is the provider's explanation.
pub(super) fn stop(word: Option<&str>, why: Option<&str>, text: &str, usage: Usage) -> Result<FinishReason, Fault> {
    let Some(word) = word.filter(|word| !is_open(word)) else { return Ok(FinishReason::Complete) };
    let fault = |class, code, message: String| Err(Fault { usage, ..Fault::new(class, code, message) });
    match meaning(word) {
        Some(Meaning::Complete) => Ok(FinishReason::Complete),
        Some(Meaning::Truncated) => Ok(FinishReason::Truncated),
        Some(Meaning::Filtered) => Ok(FinishReason::Filtered(why.unwrap_or(word).to_owned())),
        Some(Meaning::Refused) => Ok(FinishReason::Refused(why.unwrap_or("no reason given").to_owned())),
        Some(Meaning::TooLong) => {
            let message = "the document and its answer do not fit into the model's context. Give the job a [long] \
                section, or exclude the document";
            fault(Class::Permanent, FailureCode::TooLong, message.to_owned())
        }
        // A non-empty answer counts even if its finish reason is unknown.
        None if !text.trim().is_empty() => Ok(FinishReason::Complete),
        Some(Meaning::Failed) | None => {
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            fault(Class::BadReply, FailureCode::BadReply, format!("the model stopped with finish reason {word}{why}"))
        }
    }
}

/// The table for the manual: words, parts of words, and docmill's reaction.
#[cfg(test)]
pub(super) fn described() -> impl Iterator<Item = [String; 3]> {
    let listed = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    TABLE.iter().map(move |(meaning, words, parts)| {
        let does = match meaning {
            Meaning::Complete => "takes the answer, if it fits its schema",
            Meaning::Truncated => "asks again with more room; at last: row `truncated`",
            Meaning::TooLong => "row `too_long`",
            Meaning::Filtered => "row `filtered`",
            Meaning::Refused => "row `refused`",
            Meaning::Failed => "asks again; at last: row `bad_reply`",
        };
        [listed(words), listed(parts), does.to_owned()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [(Meaning, &str); 6] = [
        (
            Meaning::Complete,
            "stop STOP Stop end_turn stop_sequence eos EOS eos_token eosFound COMPLETE completed tool_calls tool_use function_call \
             FINISH_REASON_UNSPECIFIED FINISH_REASON_STOP",
        ),
        (
            Meaning::Truncated,
            "length LENGTH max_tokens MAX_TOKENS max-tokens maxTokens model_length max_output_tokens token_limit length_limit incomplete \
             ERROR_LIMIT max_length max_new_tokens maxPredictedTokensReached length_capped FINISH_REASON_MAX_TOKENS truncated output_limit",
        ),
        (Meaning::TooLong, "model_context_window_exceeded contextLengthReached context_length context_window_exceeded input_too_long"),
        (
            Meaning::Filtered,
            "content_filter content-filter CONTENT_FILTERED SAFETY RECITATION PROHIBITED_CONTENT BLOCKLIST SPII IMAGE_SAFETY LANGUAGE \
             MODEL_ARMOR JAILBREAK IMAGE_OTHER sensitive guardrail_intervened ERROR_TOXIC safety_violation blocked",
        ),
        (Meaning::Refused, "refusal refused REFUSAL"),
        (
            Meaning::Failed,
            "error ERROR OTHER MALFORMED_FUNCTION_CALL MALFORMED_RESPONSE UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS cancelled canceled \
             MISSING_THOUGHT_SIGNATURE failed in_progress queued abort aborted timeout USER_CANCEL network_error rate_limit \
             insufficient_system_resource pause_turn modelUnloaded NO_IMAGE",
        ),
    ];

    #[test]
    fn finish_reasons_mean_the_same_in_every_spelling() {
        for (expected, words) in WORDS {
            for word in words.split_whitespace() {
                for spelt in [word.to_owned(), word.to_uppercase(), word.to_lowercase(), word.replace('_', "-"), word.replace('_', " ")] {
                    assert_eq!(meaning(&spelt), Some(expected), "{spelt}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_finish_reason_matters_only_without_text() {
        let end = |word, text| stop(Some(word), None, text, Usage::default());
        assert_eq!(end("glorp", "{}"), Ok(FinishReason::Complete));
        assert_eq!(end("glorp", " \n").unwrap_err().class, Class::BadReply);
        for open in ["", "null", "None"] {
            assert_eq!(end(open, "{}"), Ok(FinishReason::Complete));
        }
    }
}
