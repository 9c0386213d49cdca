//! Properties of the paragraphs of binary Word files, as far as lists need them.

/// Offset of the position and length of the table of property pages in a file's header.
const PAGES: usize = 0x0102;
/// Size of a property page.
const PAGE: usize = 512;
/// Codes of the properties: the list, and the level.
const LIST: u16 = 0x460B;
const LEVEL: u16 = 0x260A;

/// The list (from 1) and the level of each paragraph that names a list, in the order of the file.
pub(super) fn list_paragraphs(document: &[u8], table: &[u8]) -> Vec<(u16, usize)> {
    let (at, length) = (long(document, PAGES), long(document, PAGES + 4));
    let entries = table.get(at..at.saturating_add(length)).unwrap_or_default();
    // Each page has one entry.
    let count = (entries.len().saturating_sub(4) / 8).min(document.len() / PAGE);
    let pages = (0..count).map(|page| long(entries, (count + 1 + page) * 4) & 0x003F_FFFF);
    let mut paragraphs = Vec::new();
    for page in pages.filter_map(|page| document.get(page.checked_mul(PAGE)?..)?.get(..PAGE)) {
        let runs = usize::from(page[PAGE - 1]);
        for run in 0..runs {
            let offset = page.get((runs + 1) * 4 + run * 13).map_or(0, |half| usize::from(*half) * 2);
            let (mut list, mut level) = (0, 0);
            for (code, operand) in properties(page, offset) {
                match code {
                    LIST => list = short(operand, 0),
                    LEVEL => level = operand.first().copied().unwrap_or(0).into(),
                    _ => {}
                }
            }
            // Lists that are switched off have other numbers.
            if (1..0x07FF).contains(&list) {
                paragraphs.push((list, level));
            }
        }
    }
    paragraphs
}

/// The properties at an offset of a page: their codes and operands.
fn properties(page: &[u8], offset: usize) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    if offset == 0 {
        return found;
    }
    let size = |at: usize| page.get(at).map_or(0, |size| usize::from(*size));
    let (from, length) = if size(offset) > 0 { (offset + 1, size(offset) * 2 - 1) } else { (offset + 2, size(offset + 1) * 2) };
    // The number of the style comes first.
    let mut rest = page.get(from + 2..(from + length).min(page.len())).unwrap_or_default();
    while rest.len() > 2 {
        let code = short(rest, 0);
        rest = &rest[2..];
        let length = match code >> 13 {
            0 | 1 => 1,
            2 | 4 | 5 => 2,
            3 => 4,
            7 => 3,
            _ if code == 0xD608 => usize::from(short(rest, 0)) + 1,
            _ => rest.first().map_or(0, |size| usize::from(*size)) + 1,
        };
        let (operand, behind) = rest.split_at(length.min(rest.len()));
        found.push((code, operand));
        rest = behind;
    }
    found
}

pub(super) fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two))
}

pub(super) fn long(bytes: &[u8], at: usize) -> usize {
    let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four));
    usize::try_from(number).unwrap_or(usize::MAX)
}
