//! Reads the text of a message: a string or parts.

use serde_json::Value;

/// Types of the parts that belong to the answer.
///
/// Other parts are thoughts, references or tool calls.
const TEXT: [&str; 2] = ["text", "output_text"];

/// The text of a message's `content` field, without thoughts.
pub(super) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(part).collect(),
        Value::Object(fields) if fields.get("type").and_then(Value::as_str).is_some_and(|kind| TEXT.contains(&kind)) => part(content),
        // Some gateways parse the answer themselves and return an object.
        Value::Object(_) => content.to_string(),
        _ => String::new(),
    }
}

/// Extracts the answer from a message.
///
/// Some servers enforce a schema by a tool, and return the arguments of the tool call.
pub(super) fn answer(message: &Value) -> String {
    let text = text(&message["content"]);
    let call = message["tool_calls"].as_array().filter(|calls| calls.len() == 1).map(|calls| &calls[0]["function"]["arguments"]);
    match call {
        Some(Value::String(arguments)) if text.trim().is_empty() => arguments.clone(),
        Some(arguments @ Value::Object(_)) if text.trim().is_empty() => arguments.to_string(),
        _ => text,
    }
}

fn part(part: &Value) -> String {
    let is_answer = match part.get("type") {
        Some(kind) => kind.as_str().is_some_and(|kind| TEXT.contains(&kind)),
        None => part.get("thought") != Some(&Value::Bool(true)),
    };
    match part {
        Value::String(text) => text.clone(),
        // The text may be wrapped in an object.
        Value::Object(fields) if is_answer => match fields.get("text") {
            Some(Value::String(text)) => text.clone(),
            Some(wrapped) => wrapped["value"].as_str().unwrap_or_default().to_owned(),
            None => String::new(),
        },
        _ => String::new(),
    }
}

/// Finds the model's refusal in a message or its content.
///
/// An empty field is ignored, because some servers always send it.
pub(super) fn refusal(message: &Value) -> Option<&str> {
    let in_parts = || {
        let part = message["content"].as_array()?.iter().find(|part| part["type"] == "refusal")?;
        Some(part["refusal"].as_str().unwrap_or("no reason given"))
    };
    message["refusal"].as_str().filter(|why| !why.trim().is_empty()).or_else(in_parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn thoughts_are_left_out_of_every_form_of_content() {
        for content in [
            json!("{}"),
            json!([{"type": "text", "text": "{}"}]),
            json!([{"type": "thinking", "thinking": [{"type": "text", "text": "{\"a\":1}"}]}, {"type": "text", "text": "{}"}]),
            json!([{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "{", "annotations": []}, {"type": "text", "text": "}"}]),
            json!([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": {"value": "{}"}}]),
            json!([{"text": "hm", "thought": true}, {"text": "{}"}]),
            json!(["{", "}"]),
            json!({"type": "text", "text": "{}"}),
            json!({}),
        ] {
            assert_eq!(text(&content), "{}", "{content}");
        }
        for nothing in [json!(null), json!([]), json!([{"type": "thinking", "thinking": "{}"}]), json!([null, 7])] {
            assert_eq!(text(&nothing), "", "{nothing}");
        }
        assert_eq!(text(&json!({"type": "invoice", "n": 1})), r#"{"type":"invoice","n":1}"#);
    }

    #[test]
    fn an_empty_refusal_is_ignored() {
        for none in [json!({}), json!({"refusal": null}), json!({"refusal": ""}), json!({"refusal": " "}), json!({"refusal": false})] {
            assert_eq!(refusal(&none), None, "{none}");
        }
        assert_eq!(refusal(&json!({"refusal": "no"})), Some("no"));
        assert_eq!(refusal(&json!({"content": [{"type": "refusal", "refusal": "no"}]})), Some("no"));
    }
}
