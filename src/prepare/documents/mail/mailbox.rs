//! Divides a mailbox into its mails.

use std::borrow::Cow;

const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The mails of a mailbox, without the lines between them.
///
/// A mail begins with `From `, a sender and a date, after an empty line and before a header. Lines
/// of text can begin with `From ` too.
pub(super) fn mails(bytes: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut starts = Vec::new();
    let (mut at, mut after_gap, mut postmark) = (0, true, None);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(start) = postmark.take().filter(|_| is_header(line)) {
            starts.push((start, at));
        }
        if after_gap && line.starts_with(b"From ") && (at == 0 || is_postmark(line)) {
            postmark = Some(at);
        }
        after_gap = line.trim_ascii().is_empty();
        at += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(start, _)| *start).chain([bytes.len()]).collect();
    starts.into_iter().zip(ends).map(|((_, start), end)| unescaped(&bytes[start..end]))
}

fn is_header(line: &[u8]) -> bool {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
    (colon > 0 && line[..colon].iter().all(u8::is_ascii_graphic)) || line.starts_with(b">From ")
}

/// Whether a line has a month, a time and a year.
fn is_postmark(line: &[u8]) -> bool {
    let words = || line.split(u8::is_ascii_whitespace);
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let is_time = |word: &[u8]| word.contains(&b':') && word.split(|byte| *byte == b':').all(|part| part.len() <= 2 && digits(part));
    let is_year = |word: &[u8]| word.len() == 4 && digits(word);
    words().any(is_time) && words().any(is_year) && words().any(|word| MONTHS.contains(&word))
}

/// A mail in which lines that begin with `From ` are no longer marked by `>`.
fn unescaped(mail: &[u8]) -> Cow<'_, [u8]> {
    let is_marked =
        |line: &[u8]| line.starts_with(b">") && line[line.iter().take_while(|byte| **byte == b'>').count()..].starts_with(b"From ");
    let lines = || mail.split_inclusive(|byte| *byte == b'\n');
    if !lines().any(is_marked) {
        return Cow::Borrowed(mail);
    }
    Cow::Owned(lines().flat_map(|line| if is_marked(line) { &line[1..] } else { line }).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_that_begins_with_from_divides_nothing() {
        let box_ = b"From a@b Mon Jan  1 00:00:00 2024\nSubject: one\n\nHello,\n\nFrom my point of view\nit: is right.\n\n\
            From - Tue Jan 02 10:00:00 2024\r\nSubject: two\r\n\r\n>From here\n>>From there\n\nFrom May to 10:30 in 2024\nthat was all\n\n\
            From u at h.org  Wed May 17 09:05:00 +0200 2024\nSubject: three\n\nx";
        let mails: Vec<String> = mails(box_).map(|mail| String::from_utf8(mail.into_owned()).unwrap()).collect();
        assert_eq!(mails.len(), 3, "{mails:?}");
        assert!(mails[0].ends_with("From my point of view\nit: is right.\n\n"), "{mails:?}");
        assert!(mails[1].contains("\nFrom here\n>From there\n\nFrom May to 10:30 in 2024\nthat was all"), "{mails:?}");
        assert_eq!(mails[2], "Subject: three\n\nx");
    }
}
