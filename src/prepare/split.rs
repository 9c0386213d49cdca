//! Splits or truncates documents that are too long for one call.
//!
//! The parts in order contain the whole document. Only headers of continued tables repeat.
//! [`super::chunks`] divides texts at natural borders. A part exceeds the limit only if a single image
//! does. The label of an image stays with it.

use super::pages::FOLLOWS;
use super::{text, text_tokens};
use crate::model::{Chunk, Content, ContentBlock, Failure, Text};
use std::sync::Arc;
use unicode_normalization::char::is_combining_mark;

/// Divides a text into chunks of a maximum number of tokens.
pub type Divide<'a> = &'a dyn Fn(&str, u64) -> Result<Vec<String>, Failure>;

/// Splits a document into parts of at most `limit` tokens.
///
/// Each part has the last `overlap` tokens of the previous one as context. `divide` divides texts.
pub fn split(content: &Content, limit: u64, overlap: u64, divide: Divide<'_>) -> Result<Vec<Chunk>, Failure> {
    let mut parts: Vec<Vec<ContentBlock>> = Vec::new();
    let mut room = 0;
    let pieces = content.0.iter().map(|piece| pieces(piece, limit, divide)).collect::<Result<Vec<_>, _>>()?;
    for piece in pieces.into_iter().flatten() {
        match parts.last_mut() {
            Some(part) if piece.tokens() <= room => part.push(piece.clone()),
            _ => {
                let label =
                    parts.last_mut().and_then(|part| part.pop_if(|last| matches!(piece, ContentBlock::Picture(_)) && is_label(last)));
                room = limit.saturating_sub(label.as_ref().map_or(0, ContentBlock::tokens));
                parts.push(label.into_iter().chain([piece.clone()]).collect());
                parts.retain(|part| !part.is_empty());
            }
        }
        room = room.saturating_sub(piece.tokens());
    }
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let ends = parts.iter().map(|part| part.last().and_then(|piece| end_of(piece, overlap))).collect::<Vec<_>>();
    let befores = std::iter::once(None).chain(ends);
    let numbered = parts.into_iter().zip(befores).zip(1..);
    Ok(numbered.map(|((part, before), n)| Chunk { content: Content(part), before, place: Some((n, count)) }).collect())
}

/// Replaces estimated token counts by exact ones.
pub fn counted(content: &Content) -> Content {
    let exact = |piece: &ContentBlock| match piece {
        ContentBlock::Text(text) => ContentBlock::Text(Arc::new(Text { tokens: text_tokens::exact(&text.body), ..Text::clone(text) })),
        ContentBlock::Picture(picture) => ContentBlock::Picture(Arc::clone(picture)),
    };
    Content(content.0.iter().map(exact).collect())
}

/// Returns the start of a document with at most `limit` tokens.
pub fn truncate(content: &Content, limit: u64) -> Content {
    let mut room = limit;
    let mut kept = Vec::new();
    for piece in &content.0 {
        if piece.tokens() <= room {
            room -= piece.tokens();
            kept.push(piece.clone());
            continue;
        }
        if let ContentBlock::Text(whole) = piece {
            kept.extend(text::exact_piece(beginning(&whole.body, room)));
        }
        break;
    }
    if kept.last().is_some_and(is_label) {
        kept.pop();
    }
    Content(kept)
}

fn is_label(piece: &ContentBlock) -> bool {
    matches!(piece, ContentBlock::Text(text) if text.body.ends_with(FOLLOWS))
}

/// Returns the start of a text with at most `limit` tokens.
///
/// It ends at a word.
fn beginning(text: &str, limit: u64) -> &str {
    const STEP: usize = 32;
    let (mut fits, mut too_long) = (0, text.len());
    while too_long - fits > STEP {
        let middle = text.floor_char_boundary(fits.midpoint(too_long));
        if middle <= fits {
            break;
        }
        if text_tokens::at_most(&text[..middle], limit) <= limit { fits = middle } else { too_long = middle }
    }
    let cut = text[..fits].rfind(char::is_whitespace).unwrap_or(fits);
    &text[..cut]
}

/// Splits a block into blocks within the limit.
fn pieces(piece: &ContentBlock, limit: u64, divide: Divide<'_>) -> Result<Vec<ContentBlock>, Failure> {
    let ContentBlock::Text(whole) = piece else { return Ok(vec![piece.clone()]) };
    if whole.tokens <= limit || is_label(piece) {
        return Ok(vec![piece.clone()]);
    }
    Ok(divide(&whole.body, limit)?.iter().filter_map(|chunk| text::exact_piece(chunk)).collect())
}

/// Bytes of the longest word that is left out to begin at a word.
const LONGEST_WORD: usize = 64;

/// Returns about the last `count` tokens of a block.
///
/// The result starts at a word, or at a character in a text without spaces.
fn end_of(piece: &ContentBlock, count: u64) -> Option<Arc<str>> {
    let ContentBlock::Text(text) = piece else { return None };
    if count == 0 {
        return None;
    }
    // The text's own ratio of bytes to tokens converts the count.
    let bytes = (text.body.len() as u64).saturating_mul(count) / text.tokens.max(1);
    let body = text.body.trim_end();
    let from = whole_character(body, body.len().saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX)));
    // Chinese and Japanese have no spaces between words.
    let word = body[from..].find(char::is_whitespace).filter(|length| from > 0 && *length <= LONGEST_WORD);
    Some(body[from + word.unwrap_or(0)..].trim().into()).filter(|end: &Arc<str>| !end.is_empty())
}

/// The last position up to `at` that does not divide a letter from its accents, or an emoji.
fn whole_character(text: &str, at: usize) -> usize {
    const JOINER: char = '\u{200d}';
    let belongs = |c: char| is_combining_mark(c) || matches!(c, JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let mut at = text.floor_char_boundary(at);
    while text[at..].starts_with(belongs) || text[..at].ends_with(JOINER) {
        let Some(before) = text[..at].chars().next_back() else { break };
        at -= before.len_utf8();
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::Picture;
    use crate::prepare::chunks;

    fn split(content: &Content, limit: u64, overlap: u64) -> Vec<Chunk> {
        super::split(content, limit, overlap, &|text, limit| Ok(chunks(text, limit))).unwrap()
    }

    fn content(body: &str) -> Content {
        Content(text::piece(body).into_iter().collect())
    }

    fn bodies(chunks: &[Chunk]) -> Vec<String> {
        let body = |piece: &ContentBlock| if let ContentBlock::Text(text) = piece { text.body.to_string() } else { "(image)".to_owned() };
        chunks.iter().map(|chunk| chunk.content.0.iter().map(body).collect()).collect()
    }

    #[test]
    fn parts_end_at_sections_and_sentences() {
        let section = |name: &str| format!("# {name}\n\n{}\n\n", "One sentence is here. Another one follows it.".repeat(3));
        let text = ["First", "Second", "Third"].map(section).concat();
        let parts = bodies(&split(&content(&text), 45, 0));
        assert_eq!(parts.len(), 3, "{parts:#?}");
        assert!(parts[1].starts_with("# Second") && parts[2].starts_with("# Third"), "{parts:#?}");
        let parts = bodies(&split(&content(&"A short sentence here. ".repeat(30)), 20, 0));
        assert!(parts.iter().all(|part| part.trim_end().ends_with('.')), "{parts:?}");
    }

    #[test]
    fn parts_have_their_number_and_the_end_of_the_previous_part() {
        let parts = split(&content(&"word ".repeat(100)), 40, 5);
        assert_eq!(parts.iter().map(|part| part.place).collect::<Vec<_>>(), [Some((1, 3)), Some((2, 3)), Some((3, 3))]);
        assert_eq!(parts[0].before, None);
        assert!(parts[1].before.as_ref().is_some_and(|end| end.split(' ').count() <= 6 && end.starts_with("word")), "{parts:?}");
        let cut = truncate(&content(&"word ".repeat(100)), 40);
        assert!((30..=40).contains(&cut.tokens()), "{}", cut.tokens());
    }

    #[test]
    fn texts_without_spaces_overlap_too_and_no_character_is_divided() {
        for text in ["机器学习是人工智能的一个分支。", "กำแพงที่สูงมาก", "e\u{301}e\u{308}\u{323}", "👩🏽‍🔬👨‍👩‍👧"]
        {
            let paragraphs = format!("{}\n\n", text.repeat(6)).repeat(12);
            for overlap in 4..12 {
                for part in split(&content(&paragraphs), 110, overlap).iter().skip(1) {
                    let before = part.before.as_deref().unwrap();
                    assert!(before.chars().count() >= 2, "{before:?}");
                    assert_eq!(whole_character(&format!("x{before}"), 1), 1, "{before:?}");
                }
            }
        }
    }

    #[test]
    fn truncating_uses_the_whole_limit() {
        let pages = ["One page of some words. ", "Another page of other words. ", "The last page."].map(|page| page.repeat(9));
        let whole = Content(pages.iter().filter_map(|page| text::piece(page)).collect());
        let two: u64 = whole.0[..2].iter().map(ContentBlock::tokens).sum();
        let beginning = |limit: u64| {
            let content = truncate(&whole, limit);
            assert!(content.tokens() <= limit, "{limit}: {}", content.tokens());
            bodies(&[Chunk { content, before: None, place: None }]).concat()
        };
        assert_eq!(beginning(two), pages[..2].concat());
        assert_ne!(beginning(two - 1), pages[..2].concat());
        assert_eq!(beginning(whole.tokens()), pages.concat());
        assert_ne!(beginning(whole.tokens() - 1), pages.concat());
    }

    #[test]
    fn the_label_of_an_image_stays_with_it_even_above_the_limit() {
        let label = |n: u32| text::piece(&format!("[page {n}{FOLLOWS}")).unwrap();
        let image = |tokens: u64| {
            let base64 = bytes::Bytes::new();
            ContentBlock::Picture(Arc::new(Picture {
                media_type: "image/jpeg",
                base64,
                digest: String::new(),
                width: 1,
                height: 1,
                tokens,
                most_tokens: tokens,
            }))
        };
        let document = Content(vec![label(1), image(500), label(2), image(50), label(3), image(500), text::piece("the end").unwrap()]);
        for limit in [3, 80, 120, 600] {
            let parts = split(&document, limit, 0);
            let pieces = parts.iter().map(|part| &part.content.0);
            assert_eq!(pieces.clone().flatten().count(), 7);
            assert!(pieces.clone().all(|part| !is_label(part.last().unwrap())), "{limit}: {parts:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]
        #[test]
        fn parts_are_the_document_and_within_the_limit(text in "([a-zä]{1,9}[ .\n#]{1,2}){1,200}|(漢|字|。){1,300}", limit in 3_u64..60) {
            let parts = split(&content(&text), limit, 0);
            proptest::prop_assert_eq!(bodies(&parts).concat(), text);
            for part in &parts {
                proptest::prop_assert!(part.content.tokens() <= limit, "{} > {limit}", part.content.tokens());
            }
        }
    }
}
