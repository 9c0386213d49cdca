//! Names files that consist of text but are made for programs: pages for printers, pixels and bytes.
//!
//! They would cost many tokens and tell a model nothing. The first lines decide. SVG images are not
//! among them, because their source has the words of the image.

const POSTSCRIPT: &str = "PostScript";
const PIXELS: &str = "image of a text format (PPM, XPM)";
const HEX: &str = "memory image (Intel HEX, S-records)";
const ENCODED: &str = "encoded file (uuencode, yEnc, BinHex)";
const PRINTER: &str = "data for a printer";

/// Bytes that are looked at, and the lines of them that must fit.
const HEAD: usize = 4096;
const LINES: usize = 8;

/// Names the kind of a file that is text for programs.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let starts = |signature: &[u8]| head.starts_with(signature);
    if starts(b"%!PS") || starts(b"\x04%!PS") || starts(b"\xC5\xD0\xD3\xC6") || starts(b"%!FontType") {
        return Some(POSTSCRIPT);
    }
    if starts(b"\x1B%-12345X") {
        return Some(PRINTER);
    }
    if starts(b"/* XPM */") || is_net_pbm(head) {
        return Some(PIXELS);
    }
    let lines: Vec<&[u8]> = whole_lines(head, bytes.len()).take(LINES).collect();
    let all = |is_one: fn(&[u8]) -> bool| lines.len() > 1 && lines.iter().all(|line| is_one(line));
    if all(is_intel_hex) || all(is_s_record) {
        return Some(HEX);
    }
    (is_uuencoded(&lines) || starts(b"=ybegin ") || starts(b"(This file must be converted with BinHex")).then_some(ENCODED)
}

/// The lines of the first bytes of a file, without one that they cut.
fn whole_lines(head: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    let end = if head.len() < length { head.iter().rposition(|byte| *byte == b'\n').unwrap_or(0) } else { head.len() };
    head[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty())
}

/// Whether this is a PBM, PGM or PPM image: its kind, comments, two sizes, and then nothing but numbers,
/// or bytes that are not text.
fn is_net_pbm(head: &[u8]) -> bool {
    let [b'P', kind @ b'1'..=b'6', rest @ ..] = head else { return false };
    let is_comment = |line: &&[u8]| line.is_empty() || line.starts_with(b"#");
    let is_numbers = |line: &[u8]| line.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace());
    let mut lines = rest.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !is_comment(line));
    let is_raw = || head.iter().any(|byte| *byte < b'\t') || std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some());
    rest.first().is_some_and(u8::is_ascii_whitespace)
        && lines.next().is_some_and(|size| size.iter().any(u8::is_ascii_whitespace) && is_numbers(size))
        && if *kind <= b'3' { lines.all(is_numbers) } else { is_raw() }
}

fn is_hex(digits: &[u8]) -> bool {
    digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
}

/// The value of two hexadecimal digits.
fn value(digits: Option<&[u8]>) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok()
}

/// Whether a line is a colon, the number of its bytes, an address, a kind, the bytes and a check sum.
fn is_intel_hex(line: &[u8]) -> bool {
    line.strip_prefix(b":").is_some_and(|rest| is_hex(rest) && value(rest.get(..2)).is_some_and(|bytes| rest.len() == 2 * bytes + 10))
}

/// Whether a line is a kind of S-record, the number of its bytes, and these.
fn is_s_record(line: &[u8]) -> bool {
    let [b'S', b'0'..=b'9', rest @ ..] = line else { return false };
    is_hex(rest) && value(rest.get(..2)).is_some_and(|bytes| rest.len() == 2 * bytes + 2)
}

/// Whether a file begins with `begin 644 NAME` and lines that are as long as their first sign says.
fn is_uuencoded(lines: &[&[u8]]) -> bool {
    let Some((first, rest)) = lines.split_first() else { return false };
    let is_begin = first
        .strip_prefix(b"begin ")
        .is_some_and(|rest| rest.len() > 4 && rest[3] == b' ' && rest[..3].iter().all(|digit| matches!(digit, b'0'..=b'7')));
    let fits = |line: &&[u8]| {
        let bytes = usize::from(line[0].wrapping_sub(b' ') & 63);
        // Spaces at the end of a line may be lost.
        line.len() <= bytes.div_ceil(3) * 4 + 2 && line.iter().all(|byte| matches!(byte, b' '..=b'`'))
    };
    is_begin && rest.first().is_some_and(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_programs_is_recognised() {
        for (text, kind) in [
            (&b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 3 2\n"[..], Some(POSTSCRIPT)),
            (b"\x04%!PS\n", Some(POSTSCRIPT)),
            (b"\x1B%-12345X@PJL\n", Some(PRINTER)),
            (b"P3\n# made by hand\n3 2\n255\n255 0 0\n", Some(PIXELS)),
            (b"/* XPM */\nstatic char *x[] = {", Some(PIXELS)),
            (b":10010000214601360121470136007EFE09D2190140\n:00000001FF\n", Some(HEX)),
            (b"S00600004844521B\r\nS9030000FC\r\n", Some(HEX)),
            (b"begin 644 cat.txt\n#0V%T\n`\nend\n", Some(ENCODED)),
            (b"=ybegin line=128 size=3 name=a\n", Some(ENCODED)),
            (b"P1 is the first priority\n", None),
            (b"P2\nThe second one\n", None),
            (b"P1 100 200\nP2 150 260\nP3 7 9\n", None),
            (b"P1 2024 10\nMinutes of the meeting\n", None),
            (b"P6 12 20\nThe sixth one\n", None),
            (b"begin 2024 BUDGET\n1 ROOF 300\n", None),
            (b"begin 100 days of work\nwith this\n", None),
            (b":) nice\n:( not nice\n", None),
            (b"%! is no comment", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg'><text>Words</text></svg>", None),
        ] {
            assert_eq!(name(text), kind, "{}", String::from_utf8_lossy(text));
        }
    }
}
