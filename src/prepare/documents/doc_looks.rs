//! Looks of letters in binary Word files (DOC) that undoc does not read.
//!
//! undoc ignores character styles, letters that a distance raises, and fonts. So docmill writes what
//! they mean into the properties of the letters. It needs neither bold, italic nor underlined text,
//! so these properties name symbol fonts.

use super::doc_properties::{LETTERS, properties};
use super::little_endian::{offset, short};
use super::script::Script;
use super::symbols;
use undoc::TextStyle;

/// The version of Word 97, from which on files have these tables.
const WORD_97: u16 = 0xC1;
/// Codes of properties that undoc reads.
const STRUCK: u16 = 0x0837;
const STRUCK_TWICE: u16 = 0x2A53;
const HIDDEN: u16 = 0x083C;
const SCRIPT: u16 = 0x2A48;
const SYMBOL: u16 = 0x6A09;
const BOLD: u16 = 0x0835;
const ITALIC: u16 = 0x0836;
const UNDERLINED: u16 = 0x2A3E;
/// Others that undoc reads: deleted and inserted text, and pictures. They stay.
const KEPT: [u16; 3] = [0x0800, 0x0801, 0x6A03];
/// Codes of properties that undoc ignores: the character style, the shift in half points, the font.
const STYLE: u16 = 0x4A30;
const SHIFT: u16 = 0x4845;
const FONT: u16 = 0x4A4F;
/// No style.
const NONE: u16 = 0x0FFF;
/// Maximum number of styles that a style is based on.
const MOST_BASES: usize = 16;
/// Start and end of a field, whose code is not text.
const BEGIN: u8 = 0x13;
const END: u8 = 0x15;

/// Properties of letters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Look {
    struck: bool,
    hidden: bool,
    script: Script,
    shift: Script,
    font: Option<u16>,
}

impl Look {
    /// This look with a list of properties. Switches may depend on the look of the style.
    fn with(mut self, list: &[u8]) -> Self {
        let style = self;
        let is_on = |operand: &[u8], style: bool| match operand.first() {
            Some(0x80) => style,
            Some(0x81) => !style,
            first => first == Some(&1),
        };
        for (code, operand) in properties(list) {
            match code {
                STRUCK | STRUCK_TWICE => self.struck = is_on(operand, style.struck),
                HIDDEN => self.hidden = is_on(operand, style.hidden),
                SCRIPT => {
                    self.script = match operand.first() {
                        Some(1) => Script::Raised,
                        Some(2) => Script::Lowered,
                        _ => Script::Normal,
                    };
                }
                SHIFT => self.shift = Script::shifted(short(operand, 0).cast_signed().into()),
                FONT | SYMBOL => self.font = Some(short(operand, 0)),
                _ => {}
            }
        }
        self
    }
}

/// The stream of a document in which undoc finds the looks of letters, and whether text is hidden.
/// `None` for older files.
pub(super) fn with_looks(document: &[u8], table: &[u8]) -> Option<(Vec<u8>, bool)> {
    if short(document, 2) < WORD_97 {
        return None;
    }
    let (styles, fonts) = (styles(document, table), fonts(document, table));
    let (mut changed, mut hides, mut fields) = (document.to_vec(), false, 0_u32);
    for run in LETTERS.runs(document, table) {
        let list = document.get(run.list.clone()).unwrap_or_default();
        let style = properties(list).into_iter().rfind(|(code, _)| *code == STYLE).map(|(_, operand)| short(operand, 0));
        let look = style.and_then(|style| styles.get(usize::from(style))).copied().unwrap_or_default().with(list);
        let text = document.get(run.text.clone()).unwrap_or_default();
        if look.hidden {
            hides |= has_text(text, &mut fields);
        } else {
            fields = 0;
        }
        let font = look.font.and_then(|font| fonts.get(usize::from(font)).copied());
        let new = written(list, look, font.unwrap_or_default());
        if let Some(size) = run.list.start.checked_sub(1).and_then(|at| changed.get_mut(at)) {
            *size = u8::try_from(new.len()).unwrap_or(*size);
            changed.get_mut(run.list.start..run.list.start + new.len())?.copy_from_slice(&new);
        }
    }
    Some((changed, hides))
}

/// The properties of a look for undoc, as many as take the place of the old list.
fn written(list: &[u8], look: Look, font: &str) -> Vec<u8> {
    let switch = |code: u16, value: u8| [&code.to_le_bytes()[..], &[value]].concat();
    let script = if look.script == Script::Normal { look.shift } else { look.script };
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (code, operand) in properties(list) {
        if KEPT.contains(&code) || code == SYMBOL {
            parts.push([&code.to_le_bytes()[..], operand].concat());
        }
    }
    parts.extend(look.hidden.then(|| switch(HIDDEN, 1)));
    parts.extend(look.struck.then(|| switch(STRUCK, 1)));
    match script {
        Script::Raised | Script::ShiftedUp => parts.push(switch(SCRIPT, 1)),
        Script::Lowered | Script::ShiftedDown => parts.push(switch(SCRIPT, 2)),
        Script::Normal => {}
    }
    let marks: &[u16] = match font {
        "symbol" | "symbolmt" => &[BOLD],
        "wingdings" => &[ITALIC],
        "wingdings 2" => &[UNDERLINED],
        "" => &[],
        _ => &[BOLD, ITALIC],
    };
    parts.push(marks.iter().flat_map(|mark| switch(*mark, 1)).collect());
    parts.into_iter().fold(Vec::new(), |mut written, part| {
        if written.len() + part.len() <= list.len() {
            written.extend(part);
        }
        written
    })
}

/// The symbol font that the properties of a run name.
pub(super) fn font(style: &TextStyle) -> Option<&'static str> {
    match (style.bold, style.italic, style.underline) {
        (true, true, _) => Some("wingdings 3"),
        (true, ..) => Some("symbol"),
        (_, true, _) => Some("wingdings"),
        (.., true) => Some("wingdings 2"),
        _ => None,
    }
}

/// Whether some letters are outside the codes of fields, of which `fields` are open.
fn has_text(text: &[u8], fields: &mut u32) -> bool {
    let mut has_text = false;
    for (at, byte) in text.iter().enumerate() {
        let is_sign = text.get(at + 1).is_none_or(|next| *next == 0 || next.is_ascii_graphic() || *next == b' ');
        match *byte {
            BEGIN if is_sign => *fields += 1,
            END => *fields = fields.saturating_sub(1),
            byte => has_text |= *fields == 0 && byte.is_ascii_alphanumeric(),
        }
    }
    has_text
}

/// The looks of the styles of a document, by number.
fn styles(document: &[u8], table: &[u8]) -> Vec<Look> {
    let (at, length) = (offset(document, 0xA2), offset(document, 0xA6));
    let sheet = table.get(at..at.saturating_add(length)).unwrap_or_default();
    let (head, size) = (usize::from(short(sheet, 0)) + 2, usize::from(short(sheet, 4)));
    let mut rest = sheet.get(head..).unwrap_or_default();
    let mut own: Vec<(u16, &[u8])> = Vec::new();
    for _ in 0..short(sheet, 2) {
        let length = usize::from(short(rest, 0));
        let Some(style) = rest.get(2..2 + length) else { break };
        own.push((short(style, 2) >> 4, letters(style, size).unwrap_or_default()));
        rest = rest.get(2 + length + length % 2..).unwrap_or_default();
    }
    let look = |at: usize| {
        let base = |at: &usize| own.get(*at).map(|(base, _)| usize::from(*base)).filter(|base| *base != usize::from(NONE));
        let chain: Vec<usize> = std::iter::successors(Some(at), base).take(MOST_BASES).collect();
        chain.iter().rev().filter_map(|at| own.get(*at)).fold(Look::default(), |look, (_, list)| look.with(list))
    };
    (0..own.len()).map(look).collect()
}

/// The properties that a character style gives letters. Other styles have none here.
fn letters(style: &[u8], size: usize) -> Option<&[u8]> {
    const OF_LETTERS: u16 = 2;
    if short(style, 2) & 0xF != OF_LETTERS {
        return None;
    }
    let name = usize::from(short(style.get(size..)?, 0)) * 2 + 4;
    let list = style.get(size + name..)?;
    list.get(2..2 + usize::from(short(list, 0)))
}

/// The symbol fonts among the fonts of a document, by number; "" for others.
fn fonts(document: &[u8], table: &[u8]) -> Vec<&'static str> {
    /// The position of the name of a font in its entry.
    const NAME: usize = 40;
    let (at, length) = (offset(document, 0x112), offset(document, 0x116));
    let list = table.get(at..at.saturating_add(length)).unwrap_or_default();
    let mut rest = list.get(4..).unwrap_or_default();
    let mut fonts = Vec::new();
    for _ in 0..short(list, 0) {
        let Some((font, behind)) = rest.first().and_then(|size| rest.split_at_checked(usize::from(*size) + 1)) else { break };
        let units = font.get(NAME..).unwrap_or_default().chunks_exact(2).map(|unit| short(unit, 0)).take_while(|unit| *unit != 0);
        let name: String = char::decode_utf16(units).filter_map(Result::ok).collect();
        fonts.push(symbols::first_font(&name));
        rest = behind;
    }
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_written_with_what_undoc_reads() {
        let new = |list: &[u8], style: Look, font| written(list, style.with(list), font);
        let plain = Look::default();
        // Bold text of 8 points, raised by 6 points.
        assert_eq!(new(b"\x35\x08\x01\x43\x4A\x10\0\x45\x48\x0C\0", plain, ""), b"\x48\x2A\x01");
        assert_eq!(new(b"\x45\x48\xF4\xFF", plain, ""), b"\x48\x2A\x02");
        assert_eq!(new(b"\x45\x48\x02\0", plain, ""), b"");
        let struck = Look { struck: true, ..plain };
        assert_eq!(new(b"\x30\x4A\x05\0", struck, ""), b"\x37\x08\x01");
        assert_eq!(new(b"\x30\x4A\x05\0\x37\x08\x81", struck, ""), b"");
        assert_eq!(new(b"\x4F\x4A\x02\0", plain, "wingdings"), b"\x36\x08\x01");
    }

    #[test]
    fn styles_have_the_looks_of_their_bases() {
        let style = |base: u16, list: &[u8]| {
            let size = u16::try_from(list.len()).unwrap().to_le_bytes();
            let body = [&[0, 0][..], &(base << 4 | 2).to_le_bytes(), &[0; 6], &[1, 0, b'S', 0, 0, 0], &size, list].concat();
            [&u16::try_from(body.len()).unwrap().to_le_bytes()[..], &body, &[0][..body.len() % 2]].concat()
        };
        let table = [&[4, 0, 2, 0, 10, 0][..], &style(NONE, b"\x37\x08\x01"), &style(0, b"\x3C\x08\x01")].concat();
        let mut document = vec![0; 0x200];
        document[0xA6] = u8::try_from(table.len()).unwrap();
        let looks = styles(&document, &table);
        assert_eq!(looks, [Look { struck: true, ..Look::default() }, Look { struck: true, hidden: true, ..Look::default() }]);
    }

    #[test]
    fn codes_of_fields_are_not_hidden_text() {
        let mut fields = 0;
        assert!(!has_text(b"\x13 XE \"term\"\x15", &mut fields) && fields == 0);
        assert!(has_text(b"\x13 XE \"term\"\x15secret", &mut fields));
    }
}
