//! The vectors in a response to a request for embeddings, checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The vectors of a response, as they came.
#[derive(Debug)]
pub struct Vectors<'a> {
    /// The model that the server names.
    pub model: String,
    /// A list of numbers, or base64, for each input in its order.
    pub vectors: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    data: Vec<Entry<'a>>,
    #[serde(default)]
    model: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// Reads the vectors for `count` inputs, in the order of `index`. The error says what is wrong.
pub fn vectors(body: &[u8], count: usize) -> Result<Vectors<'_>, String> {
    let Response { data, model } = serde_json::from_slice(body).map_err(|error| format!("it is not a list of vectors: {error}"))?;
    if data.len() != count {
        return Err(format!("it has {} vectors for {count} inputs", data.len()));
    }
    let mut vectors: Vec<Option<&RawValue>> = vec![None; count];
    for (at, Entry { index, embedding }) in data.into_iter().enumerate() {
        let index = index.unwrap_or(at);
        match vectors.get_mut(index) {
            Some(place @ None) => *place = Some(embedding),
            _ => return Err(format!("index {index} is wrong or comes twice")),
        }
    }
    Ok(Vectors { model, vectors: vectors.into_iter().flatten().collect() })
}

/// The same. All vectors must have the same dimensions, and finite numbers.
pub fn checked_vectors(body: &[u8], count: usize) -> Result<Vectors<'_>, String> {
    let read = vectors(body, count)?;
    let mut expected = None;
    for (index, vector) in read.vectors.iter().enumerate() {
        let dimensions = dimensions_of(vector.get()).ok_or_else(|| format!("vector {index} is not a list of finite numbers"))?;
        let expected = *expected.get_or_insert(dimensions);
        if dimensions != expected {
            return Err(format!("vector {index} has {dimensions} dimensions instead of {expected}"));
        }
    }
    Ok(read)
}

/// Dimensions of a vector of finite numbers.
fn dimensions_of(vector: &str) -> Option<u64> {
    let vector = numbers(vector)?;
    vector.numbers.iter().all(|number| number.is_finite()).then_some(vector.numbers.len() as u64)
}

/// The encoding of a vector in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A list of numbers.
    Float,
    /// A text: the bytes of 32-bit numbers, little end first, in base64.
    Base64,
}

/// The numbers of a vector, and how they came.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedVector {
    /// The numbers. At least one; they may be infinite or NaN.
    pub numbers: Vec<f32>,
    /// Their encoding.
    pub encoding: Encoding,
}

/// Reads a vector, which is JSON; `None` if it is not a vector.
pub fn numbers(vector: &str) -> Option<EncodedVector> {
    let (numbers, encoding) = if vector.starts_with('[') {
        // Some servers write `null` for NaN.
        let numbers = serde_json::from_str::<Vec<Option<f32>>>(vector).ok()?;
        (numbers.into_iter().map(|number| number.unwrap_or(f32::NAN)).collect::<Vec<_>>(), Encoding::Float)
    } else {
        let bytes = STANDARD.decode(serde_json::from_str::<String>(vector).ok()?).ok()?;
        let (numbers, []) = bytes.as_chunks::<4>() else { return None };
        (numbers.iter().map(|number| f32::from_le_bytes(*number)).collect(), Encoding::Base64)
    };
    (!numbers.is_empty()).then_some(EncodedVector { numbers, encoding })
}

/// The body with `null` for numbers that JSON does not have, such as `NaN` and `-Infinity`; `None` for a
/// body without such numbers.
pub fn without_nan(body: &[u8]) -> Option<Vec<u8>> {
    const NUMBERS: [&str; 3] = ["nan", "inf", "infinity"];
    let (mut written, mut kept, mut at, mut in_text) = (Vec::new(), 0, 0, false);
    while let Some(&byte) = body.get(at) {
        let word = body[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        match byte {
            b'\\' if in_text => at += 2,
            b'"' => {
                in_text = !in_text;
                at += 1;
            }
            _ if in_text || word == 0 => at += 1,
            _ => {
                if NUMBERS.iter().any(|number| body[at..at + word].eq_ignore_ascii_case(number.as_bytes())) {
                    let signed = usize::from(at > 0 && matches!(body[at - 1], b'-' | b'+'));
                    written.extend_from_slice(&body[kept..at - signed]);
                    written.extend_from_slice(b"null");
                    kept = at + word;
                }
                at += word;
            }
        }
    }
    (kept > 0).then(|| [&written, &body[kept..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn vectors_come_in_the_order_of_their_inputs() {
        let body = json!({ "model": "m", "data": [
            { "index": 2, "embedding": [0.5, 2] }, { "index": 0, "embedding": [0.1, 0] }, { "index": 1, "embedding": [1, 1] },
        ] });
        let body = body.to_string();
        let Vectors { model, vectors } = checked_vectors(body.as_bytes(), 3).unwrap();
        let numbers: Vec<&str> = vectors.into_iter().map(RawValue::get).collect();
        assert_eq!((model.as_str(), numbers), ("m", vec!["[0.1,0]", "[1,1]", "[0.5,2]"]));
    }

    #[test]
    fn numbers_that_json_does_not_have_become_null() {
        let read = |body: &str| without_nan(body.as_bytes()).map(|body| String::from_utf8(body).unwrap());
        for (body, expected) in [
            ("[NaN, -Infinity,1e5,+inf ,nan]", "[null, null,1e5,null ,null]"),
            (r#"{"NaN":"a \"NaN\\","x":NaN}"#, r#"{"NaN":"a \"NaN\\","x":null}"#),
        ] {
            assert_eq!(read(body).as_deref(), Some(expected));
        }
        for body in [r#"{"data":[{"embedding":"NaNA"}],"a":null,"b":true}"#, "info", "", "\"NaN"] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn wrong_responses_are_refused() {
        let check = |data: Value| match checked_vectors(json!({ "data": data }).to_string().as_bytes(), 2) {
            Ok(_) => String::new(),
            Err(why) => why,
        };
        let nan = STANDARD.encode([f32::NAN.to_le_bytes(), 1_f32.to_le_bytes()].concat());
        let fine = STANDARD.encode([0.5_f32.to_le_bytes(), 1_f32.to_le_bytes()].concat());
        for (first, words) in [
            (json!({ "index": 0, "embedding": [1, null] }), "finite"),
            (json!({ "index": 0, "embedding": [1] }), "2 dimensions instead of 1"),
            (json!({ "index": 0, "embedding": [] }), "finite"),
            (json!({ "index": 0, "embedding": nan }), "finite"),
            (json!({ "index": 0, "embedding": "AAA" }), "finite"),
            (json!({ "index": 1, "embedding": [1, 2] }), "comes twice"),
            (json!({ "index": 5, "embedding": [1, 2] }), "wrong"),
        ] {
            let why = check(json!([first, { "index": 1, "embedding": [1, 2] }]));
            assert!(why.contains(words), "{first}: {why}");
        }
        assert!(check(json!([{ "index": 0, "embedding": [1, 2] }])).contains("1 vectors for 2 inputs"));
        assert!(vectors(br#"{"data":[{"embedding":[NaN]}]}"#, 1).is_err());
        assert_eq!(check(json!([{ "index": 0, "embedding": fine }, { "embedding": [1, 2] }])), "");
    }
}
