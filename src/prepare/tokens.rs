//! How many tokens a text is.
//!
//! Counted with OpenAI's current vocabulary, which also serves as the estimate for other providers.
//! Promises: time grows with the length of the text, whatever is in it.

/// A text is counted in slices of at most this many bytes: what the tokenizer does to a hostile piece, such as a
/// megabyte without a space, stays bounded by it.
const SLICE: usize = 32 * 1024;

/// Texts up to this many bytes are counted whole by [`about`].
const SHORT: usize = 256 * 1024;
/// Of longer ones it counts so many bytes of each so many: enough of them for texts that change on their way.
const SAMPLE: usize = 4 * 1024;
const SAMPLED: usize = 16 * 1024;

/// About how many tokens are in this text, for rates and estimates: of a long one, by samples.
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

/// Tokens in this text. Exact up to [`SLICE`]; longer texts may be off by one per slice.
pub(super) fn exact(text: &str) -> u64 {
    let Some(encoder) = tiktoken::get_encoding("o200k_base") else {
        // Not reached in this build, which contains the vocabulary; four bytes a token is the rule of thumb.
        return text.len().div_ceil(4) as u64;
    };
    slices(text).map(|slice| encoder.count(slice) as u64).sum()
}

/// The text in bounded slices, cut before white space where there is any: words carry the space before them.
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
    fn slicing_between_words_does_not_change_the_count() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(3000);
        let encoder = tiktoken::get_encoding("o200k_base").expect("built in");
        assert_eq!(exact(&text), encoder.count(&text) as u64);
    }

    #[test]
    fn long_texts_are_estimated_closely_also_if_they_change() {
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
