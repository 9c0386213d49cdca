//! Counts the tokens of a text.
//!
//! The count uses OpenAI's current vocabulary, and is an estimate for other providers. The time is
//! linear in the length of any text.

/// Maximum bytes of a slice that is counted at once.
///
/// Slices bound the tokenizer's time on hostile input, such as a megabyte without a space.
const SLICE: usize = 32 * 1024;

/// Maximum bytes of a text that [`about`] counts exactly.
const SHORT: usize = 256 * 1024;
/// [`about`] counts `SAMPLE` of every `SAMPLED` bytes of a longer text.
const SAMPLE: usize = 4 * 1024;
const SAMPLED: usize = 16 * 1024;

/// Estimates the tokens of a text. Long texts are sampled.
pub(super) fn about(text: &str) -> u64 {
    if text.len() <= SHORT {
        return exact(text);
    }
    let samples = (0..text.len()).step_by(SAMPLED).map(|at| {
        let rest = &text[text.floor_char_boundary(at)..];
        &rest[..slice_end(rest, SAMPLE)]
    });
    let (tokens, bytes) = samples.fold((0, 0), |(tokens, bytes), sample| (tokens + exact(sample), bytes + sample.len() as u64));
    tokens * text.len() as u64 / bytes
}

/// Counts the tokens of a text.
///
/// The count is exact up to [`SLICE`] bytes. Otherwise it is off by at most one for each slice.
pub(super) fn exact(text: &str) -> u64 {
    let Some(encoder) = tiktoken::get_encoding("o200k_base") else {
        // Unreachable, because this build contains the vocabulary. Four bytes for each token is a
        // rule of thumb.
        return text.len().div_ceil(4) as u64;
    };
    slices(text).map(|slice| encoder.count(slice) as u64).sum()
}

/// Counts the tokens of a text, and stops once there are more than `limit`.
pub(super) fn at_most(text: &str, limit: u64) -> u64 {
    let mut count = 0;
    for slice in slices(text) {
        count += exact(slice);
        if count > limit {
            break;
        }
    }
    count
}

/// The text in bounded slices, cut before white space if possible.
///
/// Slices end before white space if possible, because tokens include the space before a word.
fn slices(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (slice, after) = rest.split_at(slice_end(rest, SLICE));
        rest = after;
        Some(slice)
    })
}

fn slice_end(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let end = text.floor_char_boundary(most);
    text[..end].rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_their_known_counts() {
        assert_eq!(exact(""), 0);
        assert_eq!(exact("hello world"), 2);
    }

    #[test]
    fn slices_are_bounded_and_lose_nothing() {
        let one_word = format!(" {}", "x".repeat(SLICE * 2));
        for text in ["word ".repeat(50_000), "ä".repeat(100_000), " ".repeat(100_000), one_word] {
            let mut whole = String::new();
            for slice in slices(&text) {
                assert!(!slice.is_empty() && slice.len() <= SLICE);
                whole.push_str(slice);
            }
            assert_eq!(whole, text);
        }
    }

    #[test]
    fn slicing_between_words_keeps_the_count() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(3000);
        let encoder = tiktoken::get_encoding("o200k_base").expect("built in");
        assert_eq!(exact(&text), encoder.count(&text) as u64);
    }

    #[test]
    fn estimates_of_long_texts_are_close_even_if_the_content_changes() {
        let english = "The quick brown fox jumps over the lazy dog. ".repeat(6000);
        let digits: String = (0..60_000).map(|n| format!("{n},")).collect();
        let japanese = "すべての人間は、生まれながらにして自由であり。".repeat(4000);
        for text in [&english, &(english.clone() + &digits), &[&*english, &japanese, &digits, &english].concat()] {
            let (about, exact) = (about(text), exact(text));
            assert!(text.len() > SHORT && about.abs_diff(exact) * 100 < exact * 5, "{about} for {exact}");
        }
        assert_eq!(about(&english[..SHORT]), exact(&english[..SHORT]));
    }

    #[test]
    fn a_megabyte_of_anything_is_counted() {
        for piece in ["a", "A", " ", "\n", " \n", "ä", "漢", "\u{301}", "'s", "!", "0", "\u{200d}"] {
            assert!(exact(&piece.repeat(1_000_000 / piece.len())) > 0);
        }
    }
}
