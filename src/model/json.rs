//! JSON from outside.

use serde::Deserialize;
use serde::de::Error as _;

/// Parses a JSON object.
///
/// Without this, a list would be taken as the fields in their order.
pub fn from_object<'j, T: Deserialize<'j>>(json: &'j [u8]) -> serde_json::Result<T> {
    match json.trim_ascii_start().first() {
        Some(b'{') | None => serde_json::from_slice(json),
        Some(_) => Err(serde_json::Error::custom("expected a JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Pair {
        a: u8,
        b: u8,
    }

    #[test]
    fn a_list_is_no_object() {
        assert_eq!(from_object::<Pair>(b" {\"b\": 2, \"a\": 1}").unwrap(), Pair { a: 1, b: 2 });
        assert!(from_object::<Pair>(b"[1, 2]").unwrap_err().to_string().contains("expected a JSON object"));
        assert!(from_object::<Pair>(b"").is_err());
    }
}
