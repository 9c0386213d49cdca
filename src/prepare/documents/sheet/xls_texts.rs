//! Texts of XLS whose parts look different, in the table of shared texts.

use super::biff::wide;
use super::rich::Look;

/// A text, and the font of each part that has another: the position in UTF-16, and the font's number.
#[derive(Debug, Default)]
pub(super) struct RichText {
    pub text: String,
    pub runs: Vec<(usize, u16)>,
}

/// Reads the looks of a font record.
pub(super) fn look(font: &[u8]) -> Look {
    Look::of(super::biff::short(font, 2), super::biff::short(font, 8))
}

/// The font with this number, of fonts without the one that no file has.
pub(super) fn font(fonts: &[Look], number: u16) -> Look {
    let at = usize::from(number);
    fonts.get(if at > 4 { at - 1 } else { at }).copied().unwrap_or_default()
}

/// Reads runs of four bytes.
pub(super) fn runs(bytes: &[u8]) -> Vec<(usize, u16)> {
    bytes.chunks_exact(4).map(|run| (super::biff::short(run, 0).into(), super::biff::short(run, 2))).collect()
}

/// Reads the table of shared texts from its records. Texts without runs are empty.
pub(super) fn shared(records: &[&[u8]]) -> Vec<RichText> {
    let mut reader = Records { records, at: 8 };
    std::iter::from_fn(|| reader.text()).collect()
}

/// Bytes that go on over records.
struct Records<'r> {
    records: &'r [&'r [u8]],
    at: usize,
}

impl Records<'_> {
    /// The rest of the open record, which is not empty.
    fn rest(&mut self) -> Option<&[u8]> {
        while self.records.first()?.len() <= self.at {
            self.records = &self.records[1..];
            self.at = 0;
        }
        Some(&self.records[0][self.at..])
    }

    fn bytes(&mut self, mut count: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while count > 0 {
            let rest = self.rest()?;
            let part = &rest[..count.min(rest.len())];
            bytes.extend_from_slice(part);
            let length = part.len();
            (self.at, count) = (self.at + length, count - length);
        }
        Some(bytes)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.bytes(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn text(&mut self) -> Option<RichText> {
        let mut left = self.number(2)?;
        let mut flags = self.number(1)?;
        let count = if flags & 8 != 0 { self.number(2)? } else { 0 };
        let extra = if flags & 4 != 0 { self.number(4)? } else { 0 };
        let mut text = String::new();
        while left > 0 {
            // A record that continues a text begins with the width of its characters.
            if self.records.first()?.len() <= self.at {
                flags = self.number(1)?;
            }
            let width = 1 + (flags & 1);
            let units = left.min(self.rest()?.len() / width).max(1);
            let bytes = self.bytes(units * width)?;
            if width == 2 {
                text.push_str(&wide(&bytes, units));
            } else {
                text.extend(bytes.iter().map(|byte| char::from(*byte)));
            }
            left -= units;
        }
        let runs = runs(&self.bytes(count * 4)?);
        self.bytes(extra)?;
        Some(if runs.is_empty() { RichText::default() } else { RichText { text, runs } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_on_over_records() {
        let first = [&[0; 8][..], &[3, 0, 0], b"abc", &[4, 0, 8, 1, 0], b"10"].concat();
        let second = [&[1][..], &[b'6', 0, 0xB2, 0x03], &[2, 0]].concat();
        let third = [&[1, 0][..], &[2, 0, 1], &[b'x', 0]].concat();
        let fourth = [&[0][..], b"y"].concat();
        let texts = shared(&[&first, &second, &third, &fourth]);
        let texts: Vec<_> = texts.iter().map(|text| (&*text.text, text.runs.clone())).collect();
        assert_eq!(texts, [("", vec![]), ("106β", vec![(2, 1)]), ("", vec![])]);
    }
}
