//! Decodes the text of a part of a mail.
//!
//! Programs declare encodings wrongly, leave out padding and append footers, so the bytes decide if
//! they contradict the declaration.

use super::encoding;
use super::quoted_printable::quoted_printable;
use crate::prepare::dos;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::Encoding;
use mail_parser::{MessagePart, MimeHeaders, PartType};

/// Padding of base64.
const PAD: u8 = b'=';

/// Base64 as programs write it, with or without padding.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// The text of a part.
#[derive(Debug, Default)]
pub(super) struct PartText {
    pub text: String,
    /// Whether the encoding was detected, because it is undeclared or declared wrongly.
    pub guessed: bool,
    /// Whether characters were replaced.
    pub damaged: bool,
    /// Whether base64 ends inside a group of digits.
    pub cut: bool,
}

impl PartText {
    /// Decodes a part. `raw` is the whole mail.
    pub fn of(part: &MessagePart<'_>, raw: &[u8]) -> Self {
        let charset = part.content_type().and_then(|kind| kind.attribute("charset"));
        let Some(bytes) = raw.get(part.offset_body as usize..part.offset_end as usize) else {
            let (PartType::Text(text) | PartType::Html(text)) = &part.body else { return Self::default() };
            return Self { text: text.clone().into_owned(), damaged: part.is_encoding_problem, ..Self::default() };
        };
        // The parser treats a part as plain if it cannot decode it, so the header decides.
        let transfer = part.content_transfer_encoding().unwrap_or_default().trim().to_ascii_lowercase();
        match transfer.as_str() {
            "base64" => {
                let Base64 { bytes, footer, cut } = base64(bytes);
                let (text, footer) = (Self::decode(&bytes, charset), Self::decode(footer, None));
                let parts = [text.text.as_str(), footer.text.trim()].into_iter().filter(|part| !part.is_empty());
                Self { text: parts.collect::<Vec<_>>().join("\n"), guessed: text.guessed, damaged: text.damaged || footer.damaged, cut }
            }
            "quoted-printable" => Self::decode(&quoted_printable(bytes), charset),
            _ => Self::decode(bytes, charset),
        }
    }

    fn decode(bytes: &[u8], charset: Option<&str>) -> Self {
        let charset = charset.map(|charset| charset.trim_matches(['"', '\'', ' ']).to_ascii_lowercase());
        if charset.as_deref().is_some_and(|charset| matches!(charset, "utf-7" | "unicode-1-1-utf-7" | "csunicode11utf7")) {
            return Self { text: utf7(bytes), ..Self::default() };
        }
        if let Some(text) =
            charset.as_deref().and_then(|charset| dos::decoded(charset, bytes)).filter(|_| std::str::from_utf8(bytes).is_err())
        {
            return Self { text, ..Self::default() };
        }
        let declared = charset.filter(|charset| charset != "us-ascii").and_then(|charset| Encoding::for_label(charset.as_bytes()));
        // Legacy text is almost never valid UTF-8 by chance.
        let is_utf8 = || declared.is_some_and(Encoding::is_single_byte) && !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok();
        let (found, guessed) = match declared.filter(|_| !is_utf8()) {
            Some(declared) => encoding::decode_declared(bytes, declared),
            None => (encoding::decode(bytes), !bytes.is_ascii()),
        };
        Self { guessed, damaged: found.damaged, text: found.text.into_owned(), cut: false }
    }
}

/// Base64, and what follows it, such as the footer of a mailing list.
struct Base64<'b> {
    bytes: Vec<u8>,
    footer: &'b [u8],
    /// Whether a single digit is left, which holds no byte.
    cut: bool,
}

fn base64(bytes: &[u8]) -> Base64<'_> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let (mut decoded, mut digits, mut is_padded, mut has_gap, mut at) = (Vec::new(), Vec::new(), false, false, 0);
    let mut cut = false;
    let mut flush = |digits: &mut Vec<u8>, decoded: &mut Vec<u8>| {
        let is_cut = digits.len() % 4 == 1;
        cut |= is_cut;
        digits.truncate(digits.len() - usize::from(is_cut));
        decoded.extend(LENIENT.decode(&*digits).unwrap_or_default());
        digits.clear();
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        let own: Vec<u8> = text.iter().copied().filter(is_digit).collect();
        let pads = text.iter().rev().take_while(|byte| **byte == PAD).count();
        let is_whole = own.len() + pads == text.len();
        // A long line with a few strange bytes was damaged on its way.
        let is_damaged = text.len() >= 40 && !text.contains(&b' ') && own.len() * 10 >= text.len() * 9;
        let goes_on = if has_gap || is_padded {
            is_whole && (own.len() + pads).is_multiple_of(4) && !(has_gap && is_padded)
        } else {
            is_whole || is_damaged
        };
        if text.is_empty() {
            has_gap |= !digits.is_empty() || is_padded;
        } else if goes_on {
            if is_padded {
                flush(&mut digits, &mut decoded);
            }
            digits.extend(own);
            is_padded = pads > 0;
        } else {
            break;
        }
        at += line.len();
    }
    flush(&mut digits, &mut decoded);
    Base64 { bytes: decoded, footer: &bytes[at..], cut }
}

/// Decodes UTF-7 (RFC 2152).
fn utf7(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('+');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '/')).unwrap_or(part.len());
        let (digits, rest) = part.split_at(end);
        if digits.is_empty() {
            out.push('+');
        }
        let units = LENIENT.decode(digits).unwrap_or_default();
        let units = units.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
        out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        out.push_str(rest.strip_prefix('-').unwrap_or(rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_ends_where_a_footer_begins() {
        let payload = LENIENT.encode("Payload text h\u{f6}re x");
        for (written, footer) in [
            (format!("{payload}\r\n"), ""),
            (format!("{}\r\n\r\n_____\r\nList", payload.trim_end_matches('=')), "_____\r\nList"),
            (format!("{payload}\r\n\r\n-- \r\nFooter of list"), "-- \r\nFooter of list"),
            (format!("{payload}\r\n\r\nFooter\r\n"), "Footer\r\n"),
            (format!("{}\r\n{}", &payload[..8], &payload[8..]), ""),
        ] {
            let found = base64(written.as_bytes());
            let text = String::from_utf8(found.bytes).unwrap();
            assert_eq!((text.as_str(), found.footer), ("Payload text h\u{f6}re x", footer.as_bytes()), "{written}");
            assert!(!found.cut, "{written}");
        }
        assert_eq!(base64(b"QQ==\r\nQg==\r\n").bytes, b"AB", "each line can have its padding");
        assert_eq!(base64(b"not base64 at all").footer, b"not base64 at all");
    }

    #[test]
    fn base64_that_ends_inside_a_group_is_cut() {
        let found = base64(b"U3VtIDc3IEVVU");
        assert_eq!((found.bytes.as_slice(), found.cut), (&b"Sum 77 EU"[..], true));
    }

    #[test]
    fn what_bytes_say_counts_more_than_what_is_declared() {
        let cases: [(&[u8], Option<&str>, &str, bool); 10] = [
            (b"Gr\x94\xE1e", Some("cp850"), "Gr\u{f6}\u{df}e", false),
            ("Gr\u{f6}\u{df}e".as_bytes(), Some("ibm850"), "Gr\u{f6}\u{df}e", true),
            (b"Gr\xF6\xDFe \x96 sch\xF6n f\xFCr alle", Some("utf-8"), "Gr\u{f6}\u{df}e \u{2013} sch\u{f6}n f\u{fc}r alle", true),
            ("Gr\u{f6}\u{df}e".as_bytes(), Some("iso-8859-1"), "Gr\u{f6}\u{df}e", true),
            (b"Gr\xF6\xDFe", Some("ISO-8859-1"), "Gr\u{f6}\u{df}e", false),
            (b"Gr\xF6\xDFe", Some("x-unknown"), "Gr\u{f6}\u{df}e", true),
            (b"Hi +AOQ- there, 1 +- 1", Some("unicode-1-1-utf-7"), "Hi \u{e4} there, 1 + 1", false),
            (b"+ZeVnLIqe-", Some("UTF-7"), "\u{65e5}\u{672c}\u{8a9e}", false),
            (b"plain", Some("x-unknown"), "plain", false),
            (b"\xB1\xB1\xBE\xA9", Some("gb2312"), "\u{5317}\u{4eac}", false),
        ];
        let mut damaged = b"\xB1\xB1\xBE\xA9".repeat(20);
        damaged.push(0xFF);
        let found = PartText::decode(&damaged, Some("gb2312"));
        assert!(found.text.starts_with("\u{5317}\u{4eac}") && found.damaged && !found.guessed, "damage is no other encoding");
        for (bytes, charset, text, guessed) in cases {
            let found = PartText::decode(bytes, charset);
            assert_eq!((found.text.as_str(), found.guessed, found.damaged), (text, guessed, false), "{charset:?}");
        }
    }
}
