//! Vectors in the two encodings of OpenAI's API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// The encoding of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A list of numbers.
    Float,
    /// A text: the bytes of 32-bit numbers, little end first, in base64.
    Base64,
}

impl Format {
    /// Parses `encoding_format`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "float" => Some(Self::Float),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }
}

/// A vector, as JSON, in this encoding. A vector that cannot be read stays as it is.
pub fn in_format(vector: &str, format: Format) -> Cow<'_, str> {
    let is_text = vector.starts_with('"');
    let other = match format {
        Format::Float if is_text => floats(vector.trim_matches('"')),
        Format::Base64 if !is_text => text(vector),
        _ => None,
    };
    other.map_or(Cow::Borrowed(vector), Cow::Owned)
}

fn floats(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok()?;
    let (numbers, []) = bytes.as_chunks::<4>() else { return None };
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    serde_json::to_string(&numbers).ok()
}

fn text(list: &str) -> Option<String> {
    let numbers: Vec<f32> = serde_json::from_str(list).ok()?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Some(format!("\"{}\"", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_hold_the_same_numbers() {
        let list = "[0.5,-1.25,3.4028235e38,0.1]";
        let coded = in_format(list, Format::Base64);
        assert!(coded.starts_with('"') && coded.ends_with('"'));
        let back: Vec<f32> = serde_json::from_str(&in_format(&coded, Format::Float)).unwrap();
        assert_eq!(back, serde_json::from_str::<Vec<f32>>(list).unwrap());
        assert_eq!((in_format(list, Format::Float), in_format(&coded, Format::Base64)), (list.into(), coded.clone()));
        assert_eq!(in_format("\"AAA\"", Format::Float), "\"AAA\"");
    }
}
