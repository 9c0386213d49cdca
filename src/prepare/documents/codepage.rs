//! Code pages by their Windows numbers.

use crate::prepare::dos;
use encoding_rs::{Encoding, WINDOWS_1252};
use std::borrow::Cow;

/// The encoding of a code page.
#[derive(Debug, Clone, Copy)]
pub(super) enum CodePage {
    Standard(&'static Encoding),
    /// The upper half of a code page of MS-DOS.
    Dos(&'static str),
}

impl Default for CodePage {
    fn default() -> Self {
        Self::Standard(WINDOWS_1252)
    }
}

impl CodePage {
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Standard(encoding) => encoding.decode_without_bom_handling(bytes).0,
            Self::Dos(page) => dos::decode(page, bytes).into(),
        }
    }
}

/// Finds the encoding of a code page such as 1252, 932 or 850.
pub(super) fn of_number(number: i32) -> Option<CodePage> {
    let label = match number {
        874 => "windows-874".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 | 1361 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        866 => "ibm866".to_owned(),
        10000 => "macintosh".to_owned(),
        20127 => "us-ascii".to_owned(),
        20866 => "koi8-r".to_owned(),
        20932 | 51932 => "euc-jp".to_owned(),
        21866 => "koi8-u".to_owned(),
        28591..=28605 => format!("iso-8859-{}", number - 28590),
        50220..=50222 => "iso-2022-jp".to_owned(),
        54936 => "gb18030".to_owned(),
        65001 => "utf-8".to_owned(),
        1250..=1258 => format!("windows-{number}"),
        _ => return dos::page(number).map(CodePage::Dos),
    };
    Encoding::for_label(label.as_bytes()).map(CodePage::Standard)
}

/// Finds the encoding of a font by its Windows character set number.
pub(super) fn of_charset(number: i32) -> Option<CodePage> {
    of_number(match number {
        77 => 10000,
        128 => 932,
        129 | 130 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        254 | 255 => 437,
        _ => return None,
    })
}
