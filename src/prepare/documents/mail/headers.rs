//! Headers with bytes that are neither ASCII nor UTF-8.
//!
//! Old programs write names and subjects in the encoding of the text. The parser would replace such
//! bytes, so they become UTF-8 before it reads the mail.

use super::encoding;
use encoding_rs::Encoding;
use std::borrow::Cow;
use std::collections::HashSet;

/// Maximum bytes of a parameter.
const LONGEST_VALUE: usize = 200;

/// A mail whose headers can be read.
pub(super) struct Headers<'m> {
    pub mail: Cow<'m, [u8]>,
    /// Whether the encoding of headers was detected.
    pub guessed: bool,
}

/// Converts the headers of a mail and of its parts to UTF-8.
pub(super) fn readable(mail: &[u8]) -> Headers<'_> {
    let mut headers = Headers { mail: Cow::Borrowed(mail), guessed: false };
    if mail.is_ascii() || std::str::from_utf8(mail).is_ok() {
        return headers;
    }
    let (boundaries, declared) = (boundaries(mail), charset(mail));
    let mut out = Vec::with_capacity(mail.len());
    // The headers that are being read begin here.
    let (mut start, mut at) = (Some(0), 0);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        let text = line.trim_ascii();
        match start {
            Some(from) if text.is_empty() || end == mail.len() => {
                let block = &mail[from..end];
                let (converted, guessed) = converted(block, declared);
                headers.guessed |= guessed;
                out.extend_from_slice(&converted);
                // The headers of an attached mail follow those of its part.
                start = is_attached_mail(block).then_some(end);
            }
            Some(_) => {}
            None => {
                out.extend_from_slice(line);
                start = text.strip_prefix(b"--").filter(|boundary| boundaries.contains(boundary)).map(|_| end);
            }
        }
        at = end;
    }
    headers.mail = Cow::Owned(out);
    headers
}

/// Headers in UTF-8, and whether their encoding was detected.
fn converted<'b>(block: &'b [u8], declared: Option<&'static Encoding>) -> (Cow<'b, [u8]>, bool) {
    if std::str::from_utf8(block).is_ok() {
        return (Cow::Borrowed(block), false);
    }
    let (found, guessed) = match declared {
        Some(declared) => encoding::decode_declared(block, declared),
        None => (encoding::decode(block), true),
    };
    (Cow::Owned(found.text.into_owned().into_bytes()), guessed)
}

/// The values of a parameter such as `charset` anywhere in a mail, without what is too long for one.
fn parameters<'m>(mail: &'m [u8], name: &[u8]) -> impl Iterator<Item = &'m [u8]> {
    let is_named = |at: &usize| at.checked_sub(name.len()).is_some_and(|from| mail[from..*at].eq_ignore_ascii_case(name));
    let places: Vec<usize> = memchr::memchr_iter(b'=', mail).filter(is_named).collect();
    places.into_iter().map(move |at| {
        let value = &mail[at + 1..mail.len().min(at + LONGEST_VALUE)];
        match value.strip_prefix(b"\"") {
            Some(quoted) => &quoted[..quoted.iter().position(|byte| matches!(byte, b'"' | b'\n')).unwrap_or(quoted.len())],
            None => &value[..value.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b';').unwrap_or(value.len())],
        }
    })
}

fn boundaries(mail: &[u8]) -> HashSet<&[u8]> {
    parameters(mail, b"boundary").filter(|boundary| !boundary.is_empty()).collect()
}

/// The first declared encoding other than UTF-8 in which headers are readable.
fn charset(mail: &[u8]) -> Option<&'static Encoding> {
    parameters(mail, b"charset")
        .filter_map(Encoding::for_label)
        .find(|encoding| *encoding != encoding_rs::UTF_8 && encoding.is_ascii_compatible())
}

fn is_attached_mail(block: &[u8]) -> bool {
    block.to_ascii_lowercase().windows(14).any(|words| words == b"message/rfc822")
}
