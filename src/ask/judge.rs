//! Whether a reply is an answer.

use super::fault::{Class, Fault};
use super::retry::Answered;
use crate::model::{Call, Checked, FailureCode, FinishReason, MessagePart, Reply, Unfit};

/// A reply is an answer only if the model has read the whole prompt (where `call` is given, to look at that), finished, did not
/// decline, and said what was asked for.
pub(super) fn judge(reply: Reply, call: Option<&Call>, check: impl Fn(&str) -> Result<Checked, Unfit>) -> Result<Answered, Fault> {
    let fault = |class, code, message: String| {
        Err(Fault { usage: reply.usage, request_id: reply.request_id.clone(), ..Fault::new(class, code, message) })
    };
    if let Some(estimated) = call.and_then(|call| was_cut(call, reply.usage.input())) {
        let message = format!(
            "the server has read {} of about {estimated} tokens of the prompt: it cuts long prompts without a word; raise its context \
             (Ollama: OLLAMA_CONTEXT_LENGTH, llama.cpp: -c), or give the job a [long] with max_input_tokens; if \
             it only counts wrongly: llm.check_prompt_cut = false",
            reply.usage.input()
        );
        return fault(Class::Permanent, FailureCode::PromptCut, message);
    }
    match &reply.stop {
        FinishReason::Refused(why) => return fault(Class::Permanent, FailureCode::Refused, format!("the model declined: {why}")),
        FinishReason::Filtered(why) => return fault(Class::Permanent, FailureCode::Filtered, format!("the answer was filtered: {why}")),
        FinishReason::Truncated => {
            return fault(
                Class::BadReply,
                FailureCode::Truncated,
                format!("the answer was cut after {} tokens; raise max_output_tokens or llm.thinking_tokens", reply.usage.output),
            );
        }
        FinishReason::Complete if reply.text.trim().is_empty() => {
            return fault(
                Class::BadReply,
                FailureCode::NoAnswer,
                format!("the model used {} tokens and answered nothing", reply.usage.output),
            );
        }
        FinishReason::Complete => {}
    }
    match check(&reply.text) {
        Ok(Checked { value, mut repaired }) => {
            repaired.extend(reply.repaired);
            Ok(Answered { value, repaired, model: reply.model, request_id: reply.request_id })
        }
        Err(Unfit::OnlyThoughts) => {
            let message = format!("the model used {} tokens and answered nothing behind its thoughts", reply.usage.output);
            fault(Class::BadReply, FailureCode::NoAnswer, message)
        }
        // Not every server says that a limit was reached.
        Err(Unfit::Cut(why)) => {
            let used = reply.usage.output;
            let message = format!("the answer breaks off after {used} tokens; raise max_output_tokens or llm.thinking_tokens: {why}");
            fault(Class::BadReply, FailureCode::Truncated, message)
        }
        Err(Unfit::Invalid(why)) => fault(Class::BadReply, FailureCode::InvalidAnswer, why),
    }
}

/// Shorter prompts are nowhere cut, and their estimates are less certain.
const LEAST_CUT: u64 = 1000;

/// The tokens that a prompt must have had, if the server cannot have read all of it. No vocabulary in use needs less than half
/// of the tokens that ours does; what images come to is less certain.
fn was_cut(call: &Call, counted: u64) -> Option<u64> {
    let text_alone = call.parts.iter().all(|part| matches!(part, MessagePart::Text(_)));
    let cut = text_alone && call.tokens >= LEAST_CUT && counted > 0 && counted * 2 < call.tokens;
    cut.then_some(call.tokens)
}
