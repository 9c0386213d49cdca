//! OpenAI's Responses API.

use super::assembly::Assembly;
use super::body::{self, Body};
use super::form::{Form, FormPart, LimitName, Role, SchemaStyle};
use super::format::{Dialect, Endpoint, WireFormat};
use super::openai::{CHAT, EXPLICIT};
use super::shape::Extra;
use super::{content, finish, usage};
use crate::ask::fault::{Class, Fault};
use crate::model::{Call, FailureCode, FinishReason, MessagePart, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Dialect {
    /// OpenAI's Responses format.
    pub const RESPONSES: Self = Self(&FORMAT);
}

static FORMAT: WireFormat = WireFormat {
    name: "openai-responses",
    endpoint: Endpoint {
        path: |_, _| "/responses".to_owned(),
        suffix: Some("/responses"),
        title: "Responses (llm.provider = \"openai-responses\")",
        ..CHAT.endpoint
    },
    form: Form {
        parts: &[FormPart::Limit, FormPart::Store, FormPart::Detail, FormPart::Strict, FormPart::NoStream, FormPart::Blocks],
        limit: LimitName::MaxOutputTokens,
        roles: &[Role::System],
        always_blocks: true,
        ..CHAT.form
    },
    request,
    read,
    is_whole: |event| event["output"].is_array() && event["type"].is_null(),
    event,
    ..CHAT
};

fn request(call: &Call, extra: &Extra<'_>) -> Body {
    let (schema, max_output_tokens) = call.want.answer();
    let shape = extra.shape;
    let mut content: Vec<Value> = call.parts.iter().map(|part| block(part, shape.detail)).collect();
    if let Some(at) = call.shared.checked_sub(1).filter(|_| extra.cache && shape.cache) {
        content[at]["prompt_cache_breakpoint"] = json!({"mode": EXPLICIT});
    }
    let instruction = shape.instruction(schema);
    let text = |text| json!({"type": "input_text", "text": text});
    let merged = shape.merged(call).map(text);
    let content = merged.into_iter().chain(content).chain(instruction.as_deref().into_iter().chain(extra.note).map(text)).collect();
    let mut body = json!({
        "model": call.model,
        "input": [{"role": "user", "content": body::one_text(content, shape.blocks)}],
    });
    body[shape.limit.as_str()] = json!(max_output_tokens.saturating_add(extra.room));
    if shape.store {
        // By default, the provider stores every request.
        body["store"] = json!(false);
    }
    if let Some(system) = shape.system(call) {
        body["instructions"] = json!(system);
    }
    match shape.schema {
        SchemaStyle::Native => {
            body["text"] = json!({"format": {"type": "json_schema", "name": "answer", "schema": shape.usual.subset.write(schema)}});
            if shape.strict {
                body["text"]["format"]["strict"] = json!(true);
            }
        }
        SchemaStyle::Json => body["text"] = json!({"format": {"type": "json_object"}}),
        SchemaStyle::Prompt => {}
    }
    if let Some(effort) = call.effort.as_ref().filter(|_| shape.effort) {
        body["reasoning"] = json!({"effort": &**effort});
    }
    if shape.cache {
        body["prompt_cache_options"] = json!({"mode": EXPLICIT});
    }
    // Some servers stream unless the request contains `stream = false`.
    if extra.stream || shape.no_stream {
        body["stream"] = json!(extra.stream);
    }
    for (field, value) in &*shape.body {
        body[field] = value.clone();
    }
    Body::new(&body, &call.parts)
}

fn block(part: &MessagePart, detail: bool) -> Value {
    match part {
        MessagePart::Text(text) => json!({"type": "input_text", "text": &**text}),
        MessagePart::Picture(picture) => {
            let url = format!("data:{};base64,{}", picture.media_type, body::placeholder(picture));
            let mut image = json!({"type": "input_image", "image_url": url});
            if detail {
                image["detail"] = json!("high");
            }
            image
        }
    }
}

fn read(json: &Value) -> Result<Reply, Fault> {
    let usage = usage::read(&json["usage"]);
    let Some(output) = json["output"].as_array() else {
        return Err(Fault { usage, ..Fault::new(Class::Ambiguous, FailureCode::BadReply, "the response has no output") });
    };
    // Items are chosen by type and not by position, because reasoning and commentary may come
    // first.
    let message = |item: &&Value| item["type"] == "message" && item["phase"] != "commentary";
    let messages = || output.iter().filter(message);
    let text: String = messages().map(|item| content::text(&item["content"])).collect();
    let why = json["incomplete_details"]["reason"].as_str();
    let status = json["status"].as_str();
    let stop = match messages().find_map(content::refusal) {
        Some(why) => FinishReason::Refused(why.to_owned()),
        None => finish::stop(why.filter(|_| status == Some("incomplete")).or(status), None, &text, usage)?,
    };
    let tier = json["service_tier"].as_str().map(ToOwned::to_owned);
    Ok(Reply {
        text,
        stop,
        usage,
        model: json["model"].as_str().unwrap_or_default().to_owned(),
        request_id: None,
        tier,
        repaired: BTreeSet::new(),
    })
}

fn event(reply: &mut Assembly, event: &Value, text: &mut String) {
    match event["type"].as_str().unwrap_or_default() {
        "response.output_text.delta" => text.push_str(event["delta"].as_str().unwrap_or_default()),
        "response.output_item.done" => reply.items.push(event["item"].clone()),
        // The last event contains the whole reply. Some servers omit items that they have already
        // sent.
        "response.completed" | "response.incomplete" | "response.cancelled" | "response.done" => {
            reply.whole = Value::Object(event["response"].as_object().cloned().unwrap_or_default());
            if reply.whole["output"].as_array().is_none_or(Vec::is_empty) {
                reply.whole["output"] = Value::Array(std::mem::take(&mut reply.items));
            }
            reply.done = true;
        }
        "response.failed" => {
            reply.whole = event["response"].clone();
            reply.error = Some(event["response"].clone());
        }
        _ => {}
    }
}
