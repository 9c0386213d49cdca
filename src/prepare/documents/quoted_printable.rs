//! Decodes bytes that are written as ASCII: quoted-printable text, and hexadecimal digits.

/// Decodes quoted-printable text. Invalid escapes stay as they are.
pub(super) fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = line.trim_ascii_end();
        let (text, is_soft) = end.strip_suffix(b"=").map_or((end, false), |text| (text, true));
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            match escaped(after).filter(|_| *first == b'=') {
                Some(byte) => {
                    out.push(byte);
                    rest = &after[2..];
                }
                None => {
                    out.push(*first);
                    rest = after;
                }
            }
        }
        if !is_soft && line.ends_with(b"\n") {
            out.push(b'\n');
        }
    }
    out
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn escaped(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_keeps_invalid_escapes() {
        assert_eq!(quoted_printable(b"a=C3=A4 =\r\nb=\r\nc=zz = \r\nd"), "a\u{e4} bc=zz d".as_bytes());
    }
}
