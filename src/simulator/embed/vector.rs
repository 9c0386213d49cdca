//! Vectors of unit length whose cosine follows the shared words of two texts.
//!
//! Each stem adds a few signed numbers at places that follow from its hash. Long stems count more
//! than short ones, and words without content count little. All languages have the same endings.

use crate::simulator::reading::language::is_dull;
use crate::simulator::reading::text::Text;

/// Number of places of a stem.
const PLACES: u64 = 4;
/// Weight of a word without content.
const DULL: f64 = 0.1;
/// Endings of words. The first that matches is cut.
const ENDINGS: [&str; 15] = ["ations", "ation", "ings", "ing", "edly", "ers", "ies", "ed", "er", "es", "en", "ly", "s", "e", "y"];
/// A stem keeps this many letters.
const SHORTEST: usize = 3;
/// And no more than these, so that endings of other languages are cut too.
const LONGEST: usize = 5;

/// The vector of a text. It depends only on the text, the seed and the dimensions.
pub(super) fn of(text: &str, seed: u64, dimensions: usize) -> Vec<f32> {
    let read = Text::new(text);
    let mut stems: Vec<(&str, bool)> = read.words.iter().map(|word| read.lower(word)).map(|word| (stem(word), is_dull(word))).collect();
    if stems.is_empty() {
        stems.push((text, false));
    }
    stems.sort_unstable();
    let mut sums = vec![0.0_f64; dimensions];
    for equal in stems.chunk_by(|one, other| one.0 == other.0) {
        let weight = equal.len() as f64 * if equal[0].1 { DULL } else { equal[0].0.chars().count() as f64 };
        let hash = mix(seed, equal[0].0);
        for place in 0..PLACES {
            let drawn = scramble(hash.wrapping_add(place));
            let at = usize::try_from(drawn >> 1).unwrap_or(0) % dimensions.max(1);
            sums[at] += if drawn & 1 == 0 { weight } else { -weight };
        }
    }
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    if length == 0.0 {
        sums[0] = 1.0; // the signs of a short text may cancel out
    }
    let length = if length == 0.0 { 1.0 } else { length };
    #[expect(clippy::cast_possible_truncation, reason = "vectors are single precision")]
    sums.into_iter().map(|sum| (sum / length) as f32).collect()
}

fn stem(word: &str) -> &str {
    let shorter = ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending));
    let stem = shorter.filter(|stem| stem.chars().count() >= SHORTEST).take(1).next().unwrap_or(word);
    stem.char_indices().nth(LONGEST).map_or(stem, |(end, _)| &stem[..end])
}

/// A hash of a text, after `start` (FNV-1a).
pub(super) fn mix(start: u64, text: &str) -> u64 {
    let hash =
        text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ scramble(start), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    scramble(hash)
}

/// Spreads the bits of a number.
fn scramble(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(one: &str, other: &str) -> f32 {
        of(one, 0, 256).iter().zip(of(other, 0, 256)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_unit_length_and_repeat() {
        for text in ["", "!?", "one", "The cable car needs maintenance.", "中文文本", &"word ".repeat(9000)] {
            for dimensions in [1, 7, 256, 4096] {
                let vector = of(text, 3, dimensions);
                let length: f32 = vector.iter().map(|number| number * number).sum();
                assert!((length - 1.0).abs() < 1e-4 && vector.len() == dimensions, "{text:.20} {length}");
                assert_eq!(vector, of(text, 3, dimensions));
            }
        }
        assert_ne!(of("one", 0, 256), of("one", 1, 256));
    }

    #[test]
    fn cosines_follow_shared_words() {
        let text = "The cable car was stopped for maintenance of its cables.";
        assert!(cosine(text, text) > 0.999);
        let near = cosine(text, "maintaining cable cars: maintenance and cable");
        let far = cosine(text, "A letter about the taste of the soup, for which I was sorry.");
        assert!(near > 0.4 && far.abs() < 0.25 && near > far + 0.3, "{near} {far}");
    }

    /// The passages of the sample texts, with the names of their files.
    fn passages() -> Vec<(String, String)> {
        let mut passages = Vec::new();
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sample_data/texts")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(path).unwrap();
            let text = match bytes.strip_prefix(&[0xff, 0xfe]) {
                Some(units) => {
                    String::from_utf16_lossy(&units.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect::<Vec<_>>())
                }
                None => String::from_utf8(bytes).unwrap_or_else(|latin| latin.as_bytes().iter().map(|byte| char::from(*byte)).collect()),
            };
            let mut passage = String::new();
            for line in text.lines() {
                passage = passage + line + "\n";
                if passage.len() > 600 {
                    passages.push((name.clone(), std::mem::take(&mut passage)));
                }
            }
            passages.push((name, passage));
        }
        passages
    }

    #[test]
    fn a_question_finds_its_sample_text() {
        let passages = passages();
        for (question, expected) in [
            ("maintenance of the cable car", "cable-car-maintenance.md"),
            ("The workbench came with a bent leg.", "complaint-letter.txt"),
            ("drying with a heat pump", "heat-pump-drying.md"),
            ("What did the lighthouse keeper leave behind?", "lighthouse-inventory.txt"),
            ("drinking water of the municipality", "municipal-water-essay.txt"),
            ("a crane in the harbour", "news-harbour-crane.txt"),
            ("castings in the quarter", "quarterly-report-castings.txt"),
            ("Does climbing stairs lower blood pressure?", "stair-climbing-study.txt"),
            ("le vélo du facteur", "velo-du-facteur.txt"),
            ("Glocken gießen", "glockengiesserei.txt"),
        ] {
            let by_cosine = |a: &&(String, String), b: &&(String, String)| cosine(question, &a.1).total_cmp(&cosine(question, &b.1));
            assert_eq!(passages.iter().max_by(by_cosine).unwrap().0, expected, "{question}");
        }
    }
}
