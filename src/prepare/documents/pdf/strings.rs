//! Text strings of PDF objects.

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use hayro::hayro_syntax::object::{Object, String as Text};

/// Characters for the bytes 0x80 to 0xA0, which differ from Latin-1.
const UPPER: &str = "•†‡…—–ƒ⁄‹›−‰„“”‘’‚™ﬁﬂŁŒŠŸŽıłœšž\u{FFFD}€";

/// Reads the characters of a text string or stream.
pub(super) fn words(object: &Object<'_>) -> Option<String> {
    match object {
        Object::String(text) => Some(decoded(Text::as_bytes(text))),
        Object::Stream(stream) => stream.decoded_data().ok().map(|text| decoded(&text)),
        _ => None,
    }
}

pub(super) fn decoded(text: &[u8]) -> String {
    match encoding_rs::Encoding::for_bom(text) {
        Some((encoding, _)) if [UTF_8, UTF_16BE, UTF_16LE].contains(&encoding) => encoding.decode(text).0.into_owned(),
        _ => text
            .iter()
            .map(|byte| byte.checked_sub(0x80).and_then(|at| UPPER.chars().nth(at.into())).unwrap_or(char::from(*byte)))
            .collect(),
    }
}
