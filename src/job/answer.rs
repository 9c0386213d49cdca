//! From the text of a reply to a validated answer.

use serde_json::Value;
use std::sync::Arc;

/// What an answer must look like.
pub(super) struct Shape {
    pub schema: Arc<Value>,
    /// Length of the schema in bytes.
    pub bytes: usize,
    validator: jsonschema::Validator,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.schema.fmt(f)
    }
}

/// More errors than this help nobody, least of all the model that is asked again.
const MAX_ERRORS: usize = 5;

impl Shape {
    pub fn new(schema: Value) -> Result<Self, String> {
        let validator = jsonschema::validator_for(&schema).map_err(|e| e.to_string())?;
        Ok(Self { bytes: schema.to_string().len(), schema: Arc::new(schema), validator })
    }

    /// Names of the fields, in the job file's order.
    pub fn fields(&self) -> impl Iterator<Item = &String> {
        self.schema["properties"].as_object().into_iter().flat_map(|p| p.keys())
    }

    /// Type of a field: `string`, `integer`, ...
    pub fn field_type(&self, field: &str) -> Option<&str> {
        self.schema["properties"][field]["type"].as_str()
    }

    /// The answer in `text`, or what is wrong with it in words that a model understands.
    ///
    /// A fence around the JSON and the letter case of enum values are put right silently: providers promise
    /// neither, and neither changes what was answered.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let mut value = parse(text)?;
        settle(&mut value, &self.schema);
        let errors: Vec<String> = self
            .validator
            .iter_errors(&value)
            .take(MAX_ERRORS)
            .map(|e| match e.instance_path().as_str() {
                "" => e.to_string(),
                path => format!("{path}: {e}"),
            })
            .collect();
        if errors.is_empty() { Ok(value) } else { Err(errors.join("; ")) }
    }
}

/// The JSON in an answer: all of it, or what a fence holds, or the first whole object in the prose around it. What is cut
/// short is never completed: whether it was, the stop reason has said before.
fn parse(text: &str) -> Result<Value, String> {
    let text = thought_out(text.trim_start_matches('\u{feff}').trim());
    serde_json::from_str(text)
        .or_else(|error| unfenced(text).and_then(|inner| serde_json::from_str(inner).ok()).ok_or(error))
        .or_else(|error| first_object(text).ok_or(error))
        .map_err(|e| format!("the answer is not JSON: {e}"))
}

/// What stands behind the thinking that some models say aloud first.
fn thought_out(text: &str) -> &str {
    text.strip_prefix("<think>").and_then(|rest| rest.split_once("</think>")).map_or(text, |(_, answer)| answer.trim())
}

fn first_object(text: &str) -> Option<Value> {
    text.match_indices('{').find_map(|(at, _)| serde_json::Deserializer::from_str(&text[at..]).into_iter().next()?.ok())
}

/// The inside of a Markdown code fence that is the whole text.
fn unfenced(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("```")?.strip_suffix("```")?;
    let (_language, body) = inner.split_once('\n')?;
    Some(body.trim())
}

/// Gives enum values the letter case of the schema, and whole numbers the form of an integer.
fn settle(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                settle(field, &schema["properties"][name]);
            }
        }
        Value::Array(items) => {
            for item in items {
                settle(item, &schema["items"]);
            }
        }
        Value::String(text) => {
            let choices = schema["enum"].as_array().into_iter().flatten();
            if let Some(choice) = choices.filter_map(Value::as_str).find(|c| c.eq_ignore_ascii_case(text.trim())) {
                choice.clone_into(text);
            }
        }
        Value::Number(number) if schema["type"] == "integer" => {
            // serde_json keeps 8 and 8.0 apart; JSON does not.
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range by the guard")]
            if let Some(float) = number.as_f64().filter(|f| !number.is_i64() && f.fract() == 0.0 && f.abs() < 1e15) {
                *value = Value::from(float as i64);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape() -> Shape {
        Shape::new(json!({
            "type": "object", "required": ["best", "score"], "additionalProperties": false,
            "properties": {
                "best": {"type": "string", "enum": ["metal", "Wood"]},
                "score": {"type": "integer", "minimum": 1, "maximum": 10}}
        }))
        .unwrap()
    }

    #[test]
    fn fences_and_letter_case_are_put_right() {
        let expected = json!({"best": "Wood", "score": 8});
        for text in [
            r#"{"best":"Wood","score":8}"#,
            r#"{"best":"WOOD","score":8.0}"#,
            "```json\n{\"best\":\"wood\",\"score\":8}\n```",
            "\u{feff} {\"best\":\"Wood\",\"score\":8}\n",
            "Certainly! Here it is: {\"best\":\"Wood\",\"score\":8} I hope that { helps }.",
            "As {x} asked:\n```json\n{\"best\":\"wood\",\"score\":8}\n```\nDone.",
            "<think>\n{\"best\":\"metal\",\"score\":1}? No.</think>\n{\"best\":\"Wood\",\"score\":8}",
        ] {
            assert_eq!(shape().read(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, part) in [
            ("Sure! Metal.", "not JSON"),
            (r#"{"best":"metal","score":8"#, "not JSON"),
            (r#"{"best":"metal"}"#, "score"),
            (r#"{"best":"metal","score":11}"#, "/score"),
            (r#"{"best":"clay","score":1}"#, "/best"),
            (r#"{"best":"metal","score":"8"}"#, "/score"),
            (r#"{"best":"metal","score":8,"x":1}"#, "x"),
        ] {
            let error = shape().read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
