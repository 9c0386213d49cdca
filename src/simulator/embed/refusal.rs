//! Refusals of requests beyond the limits, as servers word them.

use crate::simulator::ask::{Ask, Form};
use crate::simulator::scenario::{Embeddings, Quirk, Wording};
use hyper::StatusCode;
use serde_json::json;

/// A limit that a request exceeds.
#[derive(Debug, Clone, Copy)]
enum Excess {
    Inputs { count: usize, max: usize },
    Tokens { count: u64, max: u64 },
    InputTokens { count: u64, max: u64 },
}

/// Status and body of the refusal, if a request for embeddings exceeds a limit. A server that
/// truncates counts fewer tokens instead.
pub(in crate::simulator) fn refusal(terms: &Embeddings, ask: &mut Ask<'_>) -> Option<(StatusCode, String)> {
    if !matches!(ask.form, Form::Vectors(_)) {
        return None;
    }
    if terms.quirks.contains(&Quirk::Truncates) && terms.max_input_tokens > 0 {
        ask.cut_inputs(terms.max_input_tokens);
    }
    let (status, body) = worded(terms.wording, excess(terms, ask)?);
    Some((StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), body))
}

fn excess(terms: &Embeddings, ask: &Ask<'_>) -> Option<Excess> {
    let (count, max) = (ask.inputs().len(), terms.max_inputs);
    if max > 0 && count > max {
        return Some(Excess::Inputs { count, max });
    }
    let (count, max) = (ask.inputs().map(|(_, tokens)| tokens).max().unwrap_or(0), terms.max_input_tokens);
    if max > 0 && count > max {
        return Some(Excess::InputTokens { count, max });
    }
    let (count, max) = (ask.input_tokens, terms.max_tokens);
    (max > 0 && count > max).then_some(Excess::Tokens { count, max })
}

fn worded(wording: Wording, excess: Excess) -> (u16, String) {
    let error = |message: String, kind: &str, param: Option<&str>, code: Option<&str>| {
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }).to_string()
    };
    match wording {
        Wording::Openai => match excess {
            Excess::Inputs { max, .. } => {
                let message = format!(
                    "'$.input' is invalid: array length must be {max} or less. Please check the API reference: \
                     https://platform.openai.com/docs/api-reference."
                );
                (400, error(message, "invalid_request_error", None, None))
            }
            Excess::Tokens { count, max } => {
                let (message, code) = (format!("Requested {count} tokens, max {max} tokens per request"), "max_tokens_per_request");
                (400, error(message, code, None, Some(code)))
            }
            Excess::InputTokens { count, max } => {
                let message = format!(
                    "This model's maximum context length is {max} tokens, however you requested {count} tokens ({count} in your \
                     prompt; 0 for the completion). Please reduce your prompt; or completion length."
                );
                (400, error(message, "invalid_request_error", None, None))
            }
        },
        Wording::Dashscope => {
            let message = match excess {
                Excess::Inputs { max, .. } => format!("batch size is invalid, it should not be larger than {max}.: input.contents"),
                Excess::Tokens { max, .. } | Excess::InputTokens { max, .. } => {
                    format!("Range of input length should be [1, {max}]: input.contents")
                }
            };
            let message = format!("<400> InternalError.Algo.InvalidParameter: Value error, {message}");
            (400, error(message, "InvalidParameter", None, Some("InvalidParameter")))
        }
        Wording::Gemini => {
            let message = match excess {
                Excess::Inputs { max, .. } => {
                    format!("* BatchEmbedContentsRequest.requests: at most {max} requests can be in one batch\n")
                }
                Excess::Tokens { count, max } | Excess::InputTokens { count, max } => {
                    format!("The input token count ({count}) exceeds the maximum number of tokens allowed ({max}).")
                }
            };
            let error = json!({ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT" } });
            (400, json!([error]).to_string())
        }
        Wording::Tei => {
            let (status, message) = match excess {
                Excess::Inputs { count, max } => (422, format!("batch size {count} > maximum allowed batch size {max}")),
                Excess::Tokens { count, max } | Excess::InputTokens { count, max } => {
                    (413, format!("Input validation error: `inputs` must have less than {max} tokens. Given: {count}"))
                }
            };
            (status, json!({ "message": message, "code": status, "type": "Validation" }).to_string())
        }
        Wording::Siliconflow => {
            let (code, message) = match excess {
                Excess::Inputs { count, max } => (20042, format!("input batch size {count} > maximum allowed batch size {max}")),
                Excess::Tokens { max, .. } | Excess::InputTokens { max, .. } => (20042, format!("input must have less than {max} tokens")),
            };
            (413, json!({ "code": code, "message": message, "data": null }).to_string())
        }
        Wording::LlamaServer => {
            let message = match excess {
                Excess::Inputs { count, max } => format!("too many prompts: {count} (max: {max})"),
                Excess::Tokens { count, max } | Excess::InputTokens { count, max } => {
                    format!("input ({count} tokens) is too large to process. increase the physical batch size (current batch size: {max})")
                }
            };
            (500, json!({ "error": { "code": 500, "message": message, "type": "server_error" } }).to_string())
        }
        Wording::Proxy => {
            let page = "<html><head><title>413 Request Entity Too Large</title></head><body>[simulated]</body></html>";
            (413, page.to_owned())
        }
    }
}
