//! Vectors for texts, the limits of their requests, and how responses deviate.

mod refusal;
mod vector;

pub(super) use refusal::refusal;

use super::ask::{Ask, Form};
use super::scenario::{Embeddings, Quirk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// Additional time for the inputs of a request.
pub(super) fn time(terms: &Embeddings, ask: &Ask<'_>) -> Duration {
    match ask.form {
        Form::Vectors(_) => Duration::from_secs_f64(terms.ms_per_input * ask.inputs().len() as f64 / 1000.0),
        _ => Duration::ZERO,
    }
}

/// Ids of the inputs: equal for equal texts, models and dimensions. Empty without embeddings.
pub(super) fn input_ids(ask: &Ask<'_>) -> Vec<u64> {
    let Form::Vectors(form) = ask.form else { return Vec::new() };
    let start = vector::mix(form.dimensions.unwrap_or(0) as u64, ask.model);
    ask.inputs().map(|(text, _)| vector::mix(start, text)).collect()
}

/// Whether responses with this quirk contain wrong vectors.
pub(super) fn spoils(quirk: Quirk) -> bool {
    matches!(quirk, Quirk::CountShort | Quirk::Null | Quirk::Nan | Quirk::WrongDimensions)
}

/// The JSON list of vectors, with the quirks of the scenario and this one.
pub(super) fn write(terms: &Embeddings, seed: u64, ask: &Ask<'_>, quirk: Option<Quirk>) -> String {
    let Form::Vectors(form) = ask.form else { return "[]".to_owned() };
    let has = |wanted| quirk == Some(wanted) || terms.quirks.contains(&wanted);
    let seed = vector::mix(seed, ask.model);
    let dimensions = form.dimensions.unwrap_or(terms.dimensions);
    let base64 = form.base64 && !has(Quirk::Base64Ignored);
    let middle = ask.inputs().len() / 2;
    let mut entries: Vec<String> = ask
        .inputs()
        .enumerate()
        .map(|(index, (text, _))| {
            let mut vector = vector::of(text, seed, dimensions);
            if has(Quirk::WrongDimensions) {
                vector.pop();
            }
            let hole = ["null", "NaN"].into_iter().zip([Quirk::Null, Quirk::Nan]).find(|(_, quirk)| has(*quirk));
            let hole = hole.filter(|_| index == middle).map(|(text, _)| text);
            let embedding = if base64 { encoded(vector, hole.is_some()) } else { listed(&vector, hole) };
            format!(r#"{{"object":"embedding","index":{index},"embedding":{embedding}}}"#)
        })
        .collect();
    if has(Quirk::CountShort) {
        entries.pop();
    }
    if has(Quirk::Shuffled) {
        let half = entries.len() / 2;
        entries.rotate_left(half);
    }
    format!("[{}]", entries.join(","))
}

/// A JSON list. `hole` replaces the first number.
fn listed(vector: &[f32], hole: Option<&str>) -> String {
    let mut numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    if let (Some(hole), Some(first)) = (hole, numbers.first_mut()) {
        hole.clone_into(first);
    }
    format!("[{}]", numbers.join(","))
}

/// A JSON string with base64 of little-endian numbers. NaN replaces the first if there is a hole.
fn encoded(mut vector: Vec<f32>, has_hole: bool) -> String {
    if let (true, Some(first)) = (has_hole, vector.first_mut()) {
        *first = f32::NAN;
    }
    let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
    format!("\"{}\"", STANDARD.encode(bytes))
}
