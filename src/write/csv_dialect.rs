//! The form of CSV files.

use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The byte order mark.
pub(super) const BOM: &str = "\u{feff}";

/// The form of a CSV file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CsvDialect {
    /// Whether the file begins with a byte order mark.
    pub bom: bool,
    /// Separator of the cells.
    pub separator: Separator,
    /// Decimal mark of numbers.
    pub decimal: Decimal,
}

/// Separator of the cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Separator {
    /// `,`
    #[default]
    Comma,
    /// `;`, as spreadsheets of many countries expect.
    Semicolon,
    /// A tab.
    Tab,
}

/// Decimal mark of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Decimal {
    /// `.`
    #[default]
    Point,
    /// `,`
    Comma,
}

impl Separator {
    /// Names in the settings.
    pub const NAMES: [(&'static str, Self); 4] = [(",", Self::Comma), (";", Self::Semicolon), ("tab", Self::Tab), ("\t", Self::Tab)];
}

impl Decimal {
    /// Names in the settings.
    pub const NAMES: [(&'static str, Self); 2] = [(".", Self::Point), (",", Self::Comma)];
}

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, own)| own).ok_or_else(|| format!("unknown separator \"{text}\"; expected \",\", \";\" or \"tab\""))
    }
}

impl TryFrom<String> for Decimal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, own)| own).ok_or_else(|| format!("unknown decimal mark \"{text}\"; expected \".\" or \",\""))
    }
}

impl Separator {
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// The character.
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

impl CsvDialect {
    /// The dialect of an existing file. What the file does not show is as in `self`.
    pub(super) fn of_file(self, path: &Path) -> Self {
        self.read(path).unwrap_or(self)
    }

    fn read(self, path: &Path) -> io::Result<Self> {
        /// The name of the first column, which the first separator follows.
        const FIRST: &[u8] = b"index";
        /// The end of a row is a number with three decimals, and perhaps a quotation mark.
        const END: u64 = 7;
        let mut file = File::open(path)?;
        let mut begin = Vec::new();
        file.by_ref().take((BOM.len() + FIRST.len() + 1) as u64).read_to_end(&mut begin)?;
        let bom = begin.starts_with(BOM.as_bytes());
        let after = begin[if bom { BOM.len() } else { 0 }..].strip_prefix(FIRST).and_then(|rest| rest.first());
        let separator = Separator::ALL.into_iter().find(|own| Some(&own.byte()) == after).unwrap_or(self.separator);
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        let number = end.strip_suffix(b"\r\n").map(|end| end.strip_suffix(b"\"").unwrap_or(end)).unwrap_or_default();
        let decimal = match number {
            [.., b'.', a, b, c] if [a, b, c].into_iter().all(u8::is_ascii_digit) => Decimal::Point,
            [.., b',', a, b, c] if [a, b, c].into_iter().all(u8::is_ascii_digit) => Decimal::Comma,
            _ => self.decimal,
        };
        Ok(Self { bom, separator, decimal })
    }
}
