//! Choices and boxes in the forms of binary Word files (DOC).
//!
//! Such a field has no text: its data is in another stream, and undoc leaves the field out. So
//! docmill writes a mark over the code of the field, as if it were the field's result. The mark is
//! replaced when the text is written.

use super::doc_properties::form_fields;
use super::little_endian::short;
use std::borrow::Cow;

/// Maximum number of entries of a choice, and of UTF-16 units that are shown of one. Word allows fewer.
const ENTRIES: u16 = 255;
const UNITS: usize = 255;

/// Codes of fields with data, as long as a mark.
const CODES: [&str; 2] = ["FORMDROPDOWN", "FORMCHECKBOX"];
/// Maximum number of characters between the start of such a code and the character of its data.
const NEAR: usize = 20;
/// Start and end of a mark, with five digits between them.
const OPEN: &str = "«form";
const CLOSE: char = '»';
const DIGITS: usize = 5;
/// The character that starts the result of a field.
const RESULT: char = '\u{14}';
/// The result of a field that still has its default.
const DEFAULT: u16 = 25;

/// Marks the fields of forms in the text of a document. Returns what each one shows.
pub(super) fn mark_all(document: &mut [u8], table: &[u8], data: &[u8]) -> Vec<String> {
    let mut choices = Vec::new();
    for (at, position) in form_fields(document, table) {
        if let Some(choice) = data.get(position..).and_then(choice)
            && choices.len() < 10_usize.pow(5)
            && mark(document, at, choices.len())
        {
            choices.push(choice);
        }
    }
    choices
}

/// What a field shows, by its data.
fn choice(data: &[u8]) -> Option<String> {
    let form = data.get(short(data, 4).into()..)?;
    let (kind, result) = (short(form, 4) & 3, short(form, 4) >> 2 & 31);
    let name = text(form.get(10..)?)?.1;
    let result = if result == DEFAULT { short(name, 0) } else { result };
    if kind == 1 {
        return Some(if result == 1 { "☒" } else { "☐" }.to_owned());
    }
    // Its format, help, status and macros come first.
    let mut entries = name.get(2..).filter(|_| kind == 2)?;
    for _ in 0..5 {
        entries = text(entries)?.1;
    }
    let (count, mut rest) = (short(entries, 2), entries.get(6..)?);
    for at in 0..count.min(ENTRIES) {
        let length = usize::from(short(rest, 0)) * 2;
        let entry = rest.get(2..2 + length)?;
        if at == result {
            return Some(wide(&entry[..entry.len().min(2 * UNITS)]));
        }
        rest = &rest[2 + length..];
    }
    None
}

/// A text with its length in front and a zero behind, and what follows.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = 2 + usize::from(short(bytes, 0)) * 2;
    Some((wide(bytes.get(2..end)?), bytes.get(end + 2..)?))
}

fn wide(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| short(unit, 0));
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Writes a mark over the code before the data of a field. Returns whether there is such a code.
fn mark(document: &mut [u8], at: usize, number: usize) -> bool {
    let mark = format!("{RESULT}{OPEN}{number:0DIGITS$}{CLOSE}");
    // Characters have one byte or two.
    [1, 2].into_iter().any(|width| {
        let unit = |c: char| [u8::try_from(u32::from(c)).unwrap_or(b'?'), 0].into_iter().take(width);
        let bytes = |text: &str| -> Vec<u8> { text.chars().flat_map(unit).collect() };
        let from = at.saturating_sub(NEAR * width);
        let before = document.get(from..at).unwrap_or_default();
        let found = CODES.iter().find_map(|code| before.windows(code.len() * width).rposition(|window| window == bytes(code)));
        if let Some(found) = found {
            let mark = bytes(&mark);
            document[from + found..][..mark.len()].copy_from_slice(&mark);
        }
        found.is_some()
    })
}

/// Replaces marks by what their fields show.
pub(super) fn shown<'t>(text: &'t str, choices: &[String]) -> Cow<'t, str> {
    if choices.is_empty() || !text.contains(OPEN) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(OPEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, behind) = part.split_once(CLOSE).unwrap_or_default();
        match number.parse().ok().and_then(|number: usize| choices.get(number)) {
            Some(choice) => shown.extend([choice, behind]),
            None => shown.extend([OPEN, part]),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        let units: Vec<u16> = text.encode_utf16().collect();
        [u16::try_from(units.len()).unwrap()].iter().chain(&units).flat_map(|unit| unit.to_le_bytes()).collect()
    }

    fn named(kind: u16, result: u16) -> Vec<u8> {
        let head = [&[0; 4][..], &[8, 0, 0, 0], &[0xFF; 4], &(kind | result << 2).to_le_bytes(), &[0; 4]].concat();
        [head, wide("City"), vec![0, 0]].concat()
    }

    #[test]
    fn data_of_fields_has_their_choices() {
        let entries = [wide("London"), wide("Łódź")].concat();
        let list = [[0; 20].to_vec(), vec![0xFF, 0xFF, 2, 0, 0, 0], entries].concat();
        let drop_down = |result, default| choice(&[named(2, result), vec![default, 0], list.clone()].concat());
        assert_eq!(drop_down(1, 0).as_deref(), Some("Łódź"));
        assert_eq!(drop_down(DEFAULT, 0).as_deref(), Some("London"));
        assert_eq!(drop_down(7, 0), None);
        let tick = |result, default| choice(&[named(1, result), vec![default, 0]].concat());
        assert_eq!([tick(1, 0), tick(0, 1), tick(DEFAULT, 1)].map(Option::unwrap_or_default), ["☒", "☐", "☒"]);
        for cut in 0..60 {
            choice(&[named(2, 1), vec![0, 0], list.clone()].concat()[..cut]);
        }
    }

    #[test]
    fn marks_stand_for_the_codes_of_fields() {
        let mut narrow = b"a\x13 FORMDROPDOWN \x01\x14\x15b".to_vec();
        assert!(mark(&mut narrow, 16, 3));
        assert_eq!(narrow, b"a\x13 \x14\xABform00003\xBB \x01\x14\x15b");
        let mut double: Vec<u8> = b"\x13FORMCHECKBOX\x01".iter().flat_map(|byte| [*byte, 0]).collect();
        assert!(mark(&mut double, 26, 12));
        assert_eq!(&double[2..10], b"\x14\0\xAB\0f\0o\0");
        assert!(!mark(&mut b"FORMTEXT \x01".to_vec(), 9, 0));
        let choices = ["x".to_owned(), "Łódź".to_owned()];
        assert_eq!(shown("In «form00001» and «form00000»«form00009» «form", &choices), "In Łódź and x«form00009» «form");
    }
}
