//! Checks the vectors of a response.

use crate::ask::packing::{EncodedVector, Encoding, Vectors, numbers, vectors};
use crate::model::FailureCode;

/// The vectors of a response, in the order of the texts.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    /// Each vector, or what is wrong with it.
    pub vectors: Vec<Result<Vec<f32>, String>>,
    pub dimensions: usize,
    pub encoding: Encoding,
    pub model: String,
}

/// What is wrong with a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It may be a wrong encoding: the vectors came in base64 for the first time.
    Encoding,
    /// All vectors are useless. Without a bad text, they may not be.
    Response(FailureCode, String),
    /// All vectors have the same wrong dimensions, so the server is the cause.
    Dimensions(String),
}

/// What the request asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub count: usize,
    /// Dimensions that the request names.
    pub requested: Option<usize>,
    /// Dimensions of earlier vectors.
    pub known: Option<usize>,
    /// Dimensions of vectors in the store.
    pub stored: Option<usize>,
    pub normalize: bool,
    /// Whether the request is the trial of base64.
    pub is_trial: bool,
}

/// Lengths of vectors that a model may plausibly make.
const LENGTHS: std::ops::Range<f64> = 1e-6..1e6;

/// Reads a response.
pub(super) fn read(body: &[u8], expected: Expected) -> Result<Reading, Wrong> {
    let Expected { count, requested, known, stored, normalize, is_trial } = expected;
    let wrong = |why: String| Wrong::Response(FailureCode::InvalidAnswer, format!("the response cannot be used: {why}"));
    let Vectors { vectors, model } = vectors(body, count).map_err(wrong)?;
    let read: Vec<Option<EncodedVector>> = vectors.into_iter().map(|raw| numbers(raw.get())).collect();
    let encoding = read.iter().flatten().map(|vector| vector.encoding).next().unwrap_or(Encoding::Float);
    // A trial without any vector failed too.
    let is_trial = is_trial && (encoding == Encoding::Base64 || read.iter().all(Option::is_none));
    let mut dimensions = requested.or(stored).or(known);
    let has_any_right = read.iter().flatten().any(|vector| dimensions.is_none_or(|expected| vector.numbers.len() == expected));
    for vector in read.iter().flatten() {
        let own = vector.numbers.len();
        let expected = *dimensions.get_or_insert(own);
        if own != expected {
            let why = match (requested, stored) {
                (Some(_), _) => " that the request asks for",
                (None, Some(_)) => {
                    " of the vectors in the run store, so they cannot be compared. Use the model of the earlier runs. For a new model, \
                        set its name (model in [task.embed]), or use another output directory"
                }
                (None, None) => "",
            };
            let why = format!("a vector has {own} dimensions instead of the {expected}{why}");
            return Err(match is_trial {
                true => Wrong::Encoding,
                false if has_any_right => wrong(why),
                false => Wrong::Dimensions(format!("the response cannot be used: {why}")),
            });
        }
    }
    let vectors: Vec<Result<Vec<f32>, String>> = read.into_iter().map(|vector| checked(vector, normalize)).collect();
    // Numbers in another order of bytes, or of another width, have an implausible length.
    let right = vectors.iter().filter(|vector| vector.is_ok()).count();
    if is_trial && right * 2 <= vectors.len() {
        return Err(Wrong::Encoding);
    }
    Ok(Reading { vectors, dimensions: dimensions.unwrap_or(0), encoding, model })
}

/// A vector of finite numbers and plausible length, scaled to unit length if `normalize` is set.
fn checked(vector: Option<EncodedVector>, normalize: bool) -> Result<Vec<f32>, String> {
    let Some(EncodedVector { mut numbers, .. }) = vector else { return Err("the vector is not a list of numbers".to_owned()) };
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err("the vector has numbers that are not finite".to_owned());
    }
    let length = numbers.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if !LENGTHS.contains(&length) {
        return Err(format!("the vector has the implausible length {length:e}"));
    }
    if normalize {
        #[expect(clippy::cast_possible_truncation, reason = "vectors are single precision")]
        let scaled = |number: f32| (f64::from(number) / length) as f32;
        numbers = numbers.into_iter().map(scaled).collect();
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::{Value, json};

    const ONE: Expected = Expected { count: 2, requested: None, known: None, stored: None, normalize: true, is_trial: false };

    fn reading(data: &Value, expected: Expected) -> Result<Reading, Wrong> {
        read(json!({ "model": "m", "data": data }).to_string().as_bytes(), expected)
    }

    #[test]
    fn vectors_are_scaled_and_in_the_order_of_their_texts() {
        let data = json!([{ "index": 1, "embedding": [0.0, 2.0] }, { "index": 0, "embedding": [3.0, 4.0] }]);
        let Reading { vectors, dimensions, .. } = reading(&data, ONE).unwrap();
        assert_eq!((vectors, dimensions), (vec![Ok(vec![0.6, 0.8]), Ok(vec![0.0, 1.0])], 2));
        let as_is = reading(&data, Expected { normalize: false, ..ONE }).unwrap();
        assert_eq!(as_is.vectors[0], Ok(vec![3.0, 4.0]));
    }

    #[test]
    fn a_wrong_vector_fails_its_text_and_a_wrong_response_fails_all() {
        let one = |embedding: Value| json!([{ "index": 0, "embedding": embedding }, { "index": 1, "embedding": [1, 0] }]);
        for (embedding, words) in [
            (json!([null, 1]), "numbers that are not finite"),
            (json!([1e39, 1]), "not a list of numbers"),
            (json!([0, 0]), "implausible length"),
            (json!("AAA"), "not a list of numbers"),
        ] {
            let Reading { vectors, .. } = reading(&one(embedding), ONE).unwrap();
            assert!(vectors[0].as_ref().unwrap_err().contains(words) && vectors[1].is_ok(), "{vectors:?}");
        }
        let wrong = |data: &Value, expected| match reading(data, expected) {
            Err(Wrong::Response(FailureCode::InvalidAnswer, why) | Wrong::Dimensions(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(
            wrong(&one(json!([1])), ONE).contains("1 dimensions instead of the 2")
                || wrong(&one(json!([1])), ONE).contains("2 dimensions instead of the 1")
        );
        assert!(wrong(&one(json!([1, 0])), Expected { requested: Some(3), ..ONE }).contains("that the request asks for"));
        assert!(
            wrong(&one(json!([1, 0])), Expected { stored: Some(3), ..ONE }).contains("instead of the 3 of the vectors in the run store")
        );
        assert!(wrong(&one(json!([1, 0])), Expected { count: 3, ..ONE }).contains("2 vectors for 3 inputs"));
        assert!(read(b"{\"data\":[{\"embedding\":[NaN]}]}", ONE).is_err());
        // Other dimensions in all vectors are no fault of a text.
        let both = json!([{ "index": 0, "embedding": [1] }, { "index": 1, "embedding": [2] }]);
        assert!(matches!(reading(&both, Expected { known: Some(2), ..ONE }), Err(Wrong::Dimensions(_))));
        assert!(matches!(reading(&one(json!([1])), Expected { known: Some(2), ..ONE }), Err(Wrong::Response(..))));
    }

    #[test]
    fn base64_must_prove_itself() {
        let trial = Expected { count: 1, known: Some(2), is_trial: true, ..ONE };
        let base64 = |numbers: &[f32]| {
            use base64::Engine as _;
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!([{ "index": 0, "embedding": base64::engine::general_purpose::STANDARD.encode(bytes) }])
        };
        assert_eq!(reading(&base64(&[3.0, 4.0]), trial).unwrap().encoding, Encoding::Base64);
        assert_eq!(reading(&base64(&[3.0]), trial), Err(Wrong::Encoding));
        assert_eq!(reading(&base64(&[f32::NAN, 1.0]), trial), Err(Wrong::Encoding));
        let three =
            json!([base64(&[3.0, 4.0])[0]["embedding"], base64(&[f32::NAN, 1.0])[0]["embedding"], base64(&[1.0, 0.0])[0]["embedding"]]);
        let three: Value = three.as_array().unwrap().iter().map(|text| json!({ "embedding": text })).collect();
        let most = reading(&three, Expected { count: 3, ..trial }).unwrap();
        assert_eq!(most.vectors.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "the encoding is right");
        let listed = reading(&json!([{ "index": 0, "embedding": [3, 4] }]), trial).unwrap();
        assert_eq!(listed.encoding, Encoding::Float);
    }
}
