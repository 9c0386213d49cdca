//! Takes a request apart into inputs and everything else.

use super::vectors::Format;
use serde::Deserialize as _;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A request in parts.
#[derive(Debug, PartialEq)]
pub struct Parts {
    pub model: String,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// All other fields in the order of their names, as JSON without braces.
    pub rest: String,
    /// The encoding that the client asked for.
    pub format: Format,
}

/// An input: a text, or a list of tokens, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub json: String,
}

impl Input {
    /// Estimated tokens.
    pub fn tokens(&self) -> u64 {
        let bytes = self.json.len() as u64;
        if self.json.starts_with('[') { self.json.matches(',').count() as u64 + 1 } else { bytes.div_ceil(4).max(1) }
    }

    /// Maximum tokens: one for each byte, and what the provider adds.
    pub fn most_tokens(&self) -> u64 {
        self.json.len() as u64 + 16
    }
}

impl Parts {
    /// Reads a body. `None` if it has another form: then the provider decides what is wrong.
    pub fn read(body: &[u8]) -> Option<Self> {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
        let text = |name: &str| fields.get(name).and_then(|raw| String::deserialize(*raw).ok());
        let format = match fields.get("encoding_format") {
            None => Format::Float,
            Some(_) => Format::parse(&text("encoding_format")?)?,
        };
        let inputs = inputs(fields.get("input")?)?;
        let others = fields.iter().filter(|(name, _)| *name != "input");
        let rest = others.map(|(name, raw)| format!("{}:{}", serde_json::Value::from(name.as_str()), raw.get()));
        Some(Self { model: text("model")?, inputs, rest: rest.collect::<Vec<_>>().join(","), format })
    }
}

fn inputs(raw: &RawValue) -> Option<Vec<Input>> {
    let input = |raw: &RawValue| Input { json: raw.get().to_owned() };
    if raw.get().starts_with('"') {
        return Some(vec![input(raw)]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let all = |starts: fn(char) -> bool| !items.is_empty() && items.iter().all(|item| item.get().starts_with(starts));
    match () {
        () if all(|c| c.is_ascii_digit()) => Some(vec![input(raw)]),
        () if all(|c| c == '"') || all(|c| c == '[') => Some(items.into_iter().map(input).collect()),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_token_lists_are_inputs_and_all_other_fields_stay_together() {
        let read = |input: &str| Parts::read(format!("{{\"input\":{input},\"user\":\"u\",\"model\":\"m\"}}").as_bytes());
        for (input, count) in [("\"a\"", 1), ("[\"a\",\"b\"]", 2), ("[1,2,3]", 1), ("[[1,2],[3]]", 2)] {
            let parts = read(input).unwrap();
            assert_eq!((parts.inputs.len(), &*parts.model, &*parts.rest), (count, "m", "\"model\":\"m\",\"user\":\"u\""), "{input}");
        }
        for other in ["[]", "null", "[\"a\",1]", "[null]", "{}", "[{\"text\":\"x\"}]"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(Parts::read(b"{\"input\":\"a\",\"model\":\"m\",\"encoding_format\":\"x\"}"), None);
    }
}
