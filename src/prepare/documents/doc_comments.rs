//! Comments of binary Word files (DOC), which undoc leaves out.

use super::little_endian::{long, offset, short};
use encoding_rs::WINDOWS_1252;

/// Offsets in the header of a file: its version, and the lengths of its texts in characters.
const VERSION: usize = 0x02;
const WORD_97: u16 = 0xC1;
const LENGTHS: [usize; 4] = [0x4C, 0x50, 0x54, 0x58];
const COMMENTS: usize = 0x5C;
/// Offsets of the position and length of tables: anchors, places of texts, authors, pieces.
const ANCHORS: usize = 0xBA;
const TEXTS: usize = 0xC2;
const AUTHORS: usize = 0x1BA;
const PIECES: usize = 0x1A2;
/// Size of an anchor, and offset of the number of its author.
const ANCHOR: usize = 30;
const AUTHOR: usize = 20;
/// Maximum number of comments.
const MOST: usize = 10_000;
/// Maximum characters of a comment, and maximum number of pieces of a text.
const LONGEST: usize = 1 << 16;
const MOST_PIECES: usize = 100_000;
/// Maximum characters of the text before an anchor that are shown.
const BEFORE: usize = 60;

/// A part of the text: its first character, and its place in the document.
struct Piece {
    from: usize,
    to: usize,
    at: usize,
    is_narrow: bool,
}

/// The comments in order: `Comment by Ann on "the price": too high`.
pub(super) fn comments(document: &[u8], table: &[u8]) -> Vec<String> {
    if short(document, VERSION) < WORD_97 || long(document, COMMENTS) == 0 {
        return Vec::new();
    }
    let part = |header: usize| {
        let at = offset(document, header);
        table.get(at..at.saturating_add(offset(document, header + 4))).unwrap_or_default()
    };
    let (pieces, authors) = (pieces(part(PIECES)), names(part(AUTHORS)));
    let (anchors, texts) = (part(ANCHORS), part(TEXTS));
    let start: usize = LENGTHS.iter().map(|length| offset(document, *length)).sum();
    let count = (anchors.len().saturating_sub(4) / (ANCHOR + 4)).min(MOST);
    let read = |from: usize, to: usize| plain(&text(document, &pieces, from, to));
    // A file has no more characters than bytes, whatever its pieces say.
    let (mut end, mut left) = (start, document.len());
    let comment = |number: usize| {
        let [from, to] = [number, number + 1].map(|at| start.saturating_add(offset(texts, at * 4)));
        // Each comment begins behind the one before.
        let from = from.max(end);
        end = to.max(end);
        let words = read(from, to.min(from.saturating_add(left))).split_whitespace().collect::<Vec<_>>().join(" ");
        left = left.saturating_sub(words.len());
        let author = short(anchors, (count + 1) * 4 + number * ANCHOR + AUTHOR);
        let by = authors.get(usize::from(author)).filter(|name| !name.is_empty()).map(|name| format!(" by {name}")).unwrap_or_default();
        let anchor = offset(anchors, number * 4);
        let before = read(anchor.saturating_sub(BEFORE), anchor);
        let before = before.trim_end().rsplit('\n').next().unwrap_or_default().trim();
        let on = if before.is_empty() { String::new() } else { format!(" after \"{before}\"") };
        (!words.is_empty()).then(|| format!("Comment{by}{on}: {words}"))
    };
    (0..count).filter_map(comment).collect()
}

/// The pieces of the text, from a table with other parts before it.
fn pieces(mut table: &[u8]) -> Vec<Piece> {
    while table.first() == Some(&1) {
        table = table.get(3 + usize::from(short(table, 1))..).unwrap_or_default();
    }
    let Some(list) = table.get(5..).filter(|_| table[0] == 2) else { return Vec::new() };
    let count = (list.len().min(offset(table, 1)).saturating_sub(4) / 12).min(MOST_PIECES);
    let piece = |number: usize| {
        let place = long(list, (count + 1) * 4 + number * 8 + 2);
        let (is_narrow, at) = (place & 0x4000_0000 != 0, (place & 0x3FFF_FFFF) as usize);
        Piece { from: offset(list, number * 4), to: offset(list, number * 4 + 4), at: if is_narrow { at / 2 } else { at }, is_narrow }
    };
    (0..count).map(piece).collect()
}

/// The characters from one position to another, at most [`LONGEST`].
fn text(document: &[u8], pieces: &[Piece], from: usize, to: usize) -> String {
    let mut text = String::new();
    let to = to.min(from.saturating_add(LONGEST));
    for piece in pieces {
        if text.len() >= LONGEST {
            break;
        }
        let (first, last) = (from.max(piece.from), to.min(piece.to));
        if first >= last {
            continue;
        }
        let width = if piece.is_narrow { 1 } else { 2 };
        let at = piece.at.saturating_add((first - piece.from).saturating_mul(width));
        let bytes = document.get(at..at.saturating_add((last - first).saturating_mul(width))).unwrap_or_default();
        if piece.is_narrow {
            text += &WINDOWS_1252.decode_without_bom_handling(bytes).0;
        } else {
            let units = bytes.chunks_exact(2).map(|unit| short(unit, 0));
            text.extend(char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
    }
    text
}

/// A text without codes of fields and anchors.
fn plain(text: &str) -> String {
    let mut in_code = false;
    let shown = text.chars().filter_map(|character| {
        in_code = match character {
            '\u{13}' => true,
            '\u{14}' | '\u{15}' => false,
            _ => in_code,
        };
        match character {
            _ if in_code => None,
            '\r' | '\u{7}' | '\u{B}' => Some('\n'),
            '\t' => Some(' '),
            character if character.is_control() => None,
            character => Some(character),
        }
    });
    shown.collect()
}

/// Names, each after its length.
fn names(mut rest: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while rest.len() > 2 && names.len() < MOST {
        let end = 2 + usize::from(short(rest, 0)) * 2;
        let units = rest.get(2..end).unwrap_or_default().chunks_exact(2).map(|unit| short(unit, 0));
        names.push(char::decode_utf16(units).map(|character| character.unwrap_or('_')).collect());
        rest = rest.get(end..).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn numbers(all: &[u32]) -> Vec<u8> {
        all.iter().copied().flat_map(u32::to_le_bytes).collect()
    }

    /// A document of two pieces with one comment, as Word lays them out.
    fn document() -> (Vec<u8>, Vec<u8>) {
        let mut document = vec![0; 0x400];
        let mut table = Vec::new();
        let place = |document: &mut Vec<u8>, header: usize, length: usize, value: &[u8]| {
            document[header..header + length].copy_from_slice(value);
        };
        place(&mut document, VERSION, 2, &WORD_97.to_le_bytes());
        place(&mut document, LENGTHS[0], 4, &16_u32.to_le_bytes());
        place(&mut document, COMMENTS, 4, &11_u32.to_le_bytes());
        document.extend(b"Old.\rThe price\x05\r");
        document.extend(words("\u{5}zu höch.\r\r"));
        let pieces = numbers(&[0, 16, 27]);
        let narrow = [&[0, 0][..], &(0x4000_0000_u32 | 0x800).to_le_bytes(), &[0, 0]].concat();
        let wide = [&[0, 0][..], &0x410_u32.to_le_bytes(), &[0, 0]].concat();
        let list = [pieces, narrow, wide].concat();
        let clx = [&[1, 2, 0, 9, 9, 2][..], &u32::try_from(list.len()).unwrap().to_le_bytes(), &list].concat();
        let mut anchor = vec![0; ANCHOR];
        anchor[AUTHOR] = 1;
        let anchors = [numbers(&[14, 16]), anchor].concat();
        let author = |name: &str| [&u16::try_from(name.len()).unwrap().to_le_bytes()[..], &words(name)].concat();
        for (header, part) in
            [(PIECES, clx), (ANCHORS, anchors), (TEXTS, numbers(&[0, 10, 11])), (AUTHORS, [author("X"), author("Bob")].concat())]
        {
            place(&mut document, header, 4, &u32::try_from(table.len()).unwrap().to_le_bytes());
            place(&mut document, header + 4, 4, &u32::try_from(part.len()).unwrap().to_le_bytes());
            table.extend(part);
        }
        (document, table)
    }

    #[test]
    fn comments_have_their_author_and_place() {
        let (document, table) = document();
        assert_eq!(comments(&document, &table), ["Comment by Bob after \"The price\": zu höch."]);
        assert_eq!(comments(&document[..0x40], &table), Vec::<String>::new());
    }

    #[test]
    fn comments_have_no_more_text_than_the_file() {
        let (mut document, _) = document();
        let mut table = Vec::new();
        let length = u32::try_from(document.len() - 0x400).unwrap();
        // Each piece has the same bytes, and each comment has all pieces.
        let count = 500;
        let ends: Vec<u32> = (0..=count).map(|piece| piece * length).collect();
        let piece = [&[0, 0][..], &(0x4000_0000_u32 | 0x800).to_le_bytes(), &[0, 0]].concat();
        let list = [numbers(&ends), piece.repeat(count as usize)].concat();
        let clx = [&[2][..], &u32::try_from(list.len()).unwrap().to_le_bytes(), &list].concat();
        let anchors = vec![0; (count as usize) * (ANCHOR + 4) + 4];
        let texts: Vec<u32> = (0..=count).map(|comment| (comment % 2) * count * length).collect();
        for (header, part) in [(PIECES, clx), (ANCHORS, anchors), (TEXTS, numbers(&texts))] {
            document[header..header + 4].copy_from_slice(&u32::try_from(table.len()).unwrap().to_le_bytes());
            document[header + 4..header + 8].copy_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
            table.extend(part);
        }
        let all: usize = comments(&document, &table).iter().map(String::len).sum();
        assert!(all > 0 && all < 2 * document.len(), "{all} of {}", document.len());
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics(at in 0..0x420_usize, new: u32, cut in 0..0x420_usize) {
            let (mut document, table) = document();
            document[at..at + 4].iter_mut().zip(new.to_le_bytes()).for_each(|(old, new)| *old = new);
            let _any = comments(&document, &table);
            let _any = comments(&document[..cut], &table[..cut.min(table.len())]);
        }
    }
}
