//! Whether a reply is an answer.

use super::fault::{Class, Fault};
use super::retry::Answered;
use crate::model::{FailureCode, Reply, Stop};
use serde_json::Value;

/// A reply is an answer only if the model finished, did not decline, and said what was asked for.
pub(super) fn judge(reply: Reply, check: impl Fn(&str) -> Result<Value, String>) -> Result<Answered, Fault> {
    let fault = |class, code, message: String| {
        Err(Fault { usage: reply.usage, request_id: reply.request_id.clone(), ..Fault::new(class, code, message) })
    };
    match &reply.stop {
        Stop::Refused(why) => return fault(Class::Permanent, FailureCode::Refused, format!("the model declined: {why}")),
        Stop::Filtered(why) => return fault(Class::Permanent, FailureCode::Filtered, format!("the answer was filtered: {why}")),
        Stop::Truncated => {
            return fault(
                Class::BadReply,
                FailureCode::Truncated,
                format!("the answer was cut after {} tokens; raise max_output_tokens or llm.thinking_tokens", reply.usage.output),
            );
        }
        Stop::Complete if reply.text.trim().is_empty() => {
            return fault(
                Class::BadReply,
                FailureCode::NoAnswer,
                format!("the model used {} tokens and answered nothing", reply.usage.output),
            );
        }
        Stop::Complete => {}
    }
    match check(&reply.text) {
        Ok(value) => Ok(Answered { value, model: reply.model, request_id: reply.request_id }),
        Err(why) => fault(Class::BadReply, FailureCode::InvalidAnswer, why),
    }
}
