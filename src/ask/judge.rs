//! Decides whether a reply is an answer.

use super::client::Answered;
use super::fault::{Class, Fault};
use crate::model::{Call, Checked, FailureCode, FinishReason, MessagePart, Reply, Unfit};

/// Turns a reply into an answer or a fault.
///
/// A reply is an answer under these conditions:
/// - The model read the whole prompt. This is checked only if `call` is given.
/// - The model finished and did not decline.
/// - `check` accepts the text.
pub(super) fn judge(reply: Reply, call: Option<&Call>, check: impl Fn(&str) -> Result<Checked, Unfit>) -> Result<Answered, Fault> {
    let fault = |class, code, message: String| {
        Err(Fault { usage: reply.usage, request_id: reply.request_id.clone(), ..Fault::new(class, code, message) })
    };
    if let Some(estimated) = call.and_then(|call| was_cut(call, reply.usage.input())) {
        let message = format!(
            "the server read {} of about {estimated} tokens of the prompt: it cuts long prompts silently. Raise its \
                context (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: -c), or set max_input_tokens in [long] of the job. \
                If the server only counts wrongly, set llm.check_prompt_cut = false",
            reply.usage.input()
        );
        return fault(Class::Permanent, FailureCode::PromptCut, message);
    }
    match &reply.stop {
        FinishReason::Refused(why) => return fault(Class::Permanent, FailureCode::Refused, format!("the model declined: {why}")),
        FinishReason::Filtered(why) => {
            return fault(Class::Permanent, FailureCode::Filtered, format!("the provider filtered the answer: {why}"));
        }
        FinishReason::Truncated => {
            return fault(
                Class::BadReply,
                FailureCode::Truncated,
                format!("the answer reached its limit after {} tokens. Raise max_output_tokens or llm.thinking_tokens", reply.usage.output),
            );
        }
        FinishReason::Complete if reply.text.trim().is_empty() => {
            return fault(
                Class::BadReply,
                FailureCode::NoAnswer,
                format!("the model used {} tokens and gave an empty answer. Raise llm.thinking_tokens", reply.usage.output),
            );
        }
        FinishReason::Complete => {}
    }
    match check(&reply.text) {
        Ok(Checked { value, mut repaired }) => {
            repaired.extend(reply.repaired);
            Ok(Answered { value, vector: None, repaired, model: reply.model, request_id: reply.request_id })
        }
        Err(Unfit::OnlyThoughts) => {
            let message =
                format!("the model used {} tokens and gave no answer after its thoughts. Raise llm.thinking_tokens", reply.usage.output);
            fault(Class::BadReply, FailureCode::NoAnswer, message)
        }
        // Not every server reports that the answer reached its limit.
        Err(Unfit::Cut(why)) => {
            let used = reply.usage.output;
            let message = format!("the answer breaks off after {used} tokens: {why}. Raise max_output_tokens or llm.thinking_tokens");
            fault(Class::BadReply, FailureCode::Truncated, message)
        }
        Err(Unfit::Invalid(why)) => fault(Class::BadReply, FailureCode::InvalidAnswer, why),
    }
}

/// Minimum prompt length, in tokens, for the check.
///
/// Servers do not cut shorter prompts, and estimates of short prompts are less certain.
const LEAST_CUT: u64 = 1000;

/// The estimated prompt tokens, if the server has cut the prompt.
///
/// No known tokenizer needs less than half of our estimate, so a smaller count means a cut. Prompts
/// with images are not checked, because their token counts are less certain.
fn was_cut(call: &Call, counted: u64) -> Option<u64> {
    let text_alone = call.parts.iter().all(|part| matches!(part, MessagePart::Text(_)));
    let cut = text_alone && call.tokens >= LEAST_CUT && counted > 0 && counted * 2 < call.tokens;
    cut.then_some(call.tokens)
}
