//! Joins encoded words of headers (RFC 2047).
//!
//! Many programs cut encoded words inside a character. Neighbours of one charset are therefore
//! decoded to bytes and joined before the bytes become text.

use super::charset::LENIENT;
use super::quoted_printable::escaped;
use base64::Engine as _;
use std::borrow::Cow;

/// An encoded word, such as `=?utf-8?B?w6Q=?=`.
struct Word<'b> {
    charset: &'b [u8],
    bytes: Vec<u8>,
    /// Its length as written.
    length: usize,
}

/// A mail in which adjacent encoded words of one charset are one word.
pub(super) fn join(mail: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut rest) = (Vec::new(), mail);
    while let Some(at) = rest.windows(2).position(|two| two == b"=?") {
        let Some(first) = Word::parse(&rest[at..]) else {
            out.extend_from_slice(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        out.extend_from_slice(&rest[..at]);
        let (mut bytes, mut end, mut is_joined) = (first.bytes, at + first.length, false);
        while let Some((gap, next)) = next_word(&rest[end..]).filter(|(_, next)| next.charset.eq_ignore_ascii_case(first.charset)) {
            bytes.extend(next.bytes);
            end += gap + next.length;
            is_joined = true;
        }
        if is_joined {
            out.extend([b"=?", first.charset, b"?B?", LENIENT.encode(bytes).as_bytes(), b"?="].concat());
        } else {
            out.extend_from_slice(&rest[at..end]);
        }
        rest = &rest[end..];
    }
    if out.is_empty() {
        return Cow::Borrowed(mail);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The encoded word behind white space. A line end belongs to it only if the next line is indented.
fn next_word(bytes: &[u8]) -> Option<(usize, Word<'_>)> {
    let gap = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let is_folded = gap > 0 && matches!(bytes[gap - 1], b' ' | b'\t') && bytes[..gap].split(|byte| *byte == b'\n').count() <= 2;
    if is_folded { Word::parse(&bytes[gap..]).map(|word| (gap, word)) } else { None }
}

impl<'b> Word<'b> {
    fn parse(bytes: &'b [u8]) -> Option<Self> {
        let mut parts = bytes.strip_prefix(b"=?")?.splitn(3, |byte| *byte == b'?');
        let (charset, method, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let end = rest.windows(2).position(|two| two == b"?=")?;
        let text = &rest[..end];
        if charset.is_empty() || !charset.iter().all(u8::is_ascii_graphic) || text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return None;
        }
        let bytes = match method {
            b"B" | b"b" => LENIENT.decode(text).ok()?,
            b"Q" | b"q" => unquoted(text),
            _ => return None,
        };
        Some(Self { charset, bytes, length: 2 + charset.len() + 1 + method.len() + 1 + end + 2 })
    }
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, escaped(after)) {
            (b'=', Some(byte)) => {
                out.push(byte);
                rest = &after[2..];
            }
            (b'_', _) => out.push(b' '),
            (other, _) => out.push(*other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_cut_a_character_are_joined() {
        let joined = |text: &str| String::from_utf8(join(text.as_bytes()).into_owned()).unwrap();
        assert_eq!(joined("Subject: =?UTF-8?B?ww==?=\r\n =?utf-8?q?=9Cber_x?= y"), "Subject: =?UTF-8?B?w5xiZXIgeA==?= y");
        for same in [
            "a =?utf-8?B?ww==?= b",
            "=?utf-8?B?ww==?= =?iso-8859-1?Q?x?=",
            "a =? b ?= c",
            "=?utf-8?B?ww==?=\r\nX: =?utf-8?B?ww==?=",
            "=?utf-8?X?ww==?= =?utf-8?X?ww==?=",
            "=?",
        ] {
            assert_eq!(joined(same), same);
        }
    }
}
