//! Joins lines that a mail program broke (RFC 3676).

/// The line before a signature, which ends with a space of its own.
const SIGNATURE: &str = "-- ";

/// A text in which each line that ends with a space is joined with the next one of its quotation.
pub(super) fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    // The marks of the quotation whose last line goes on.
    let mut open: Option<&str> = None;
    for (at, line) in text.split('\n').enumerate() {
        let content = line.trim_start_matches('>');
        let marks = &line[..line.len() - content.len()];
        // Programs put a space before lines that would mean something else.
        let content = content.strip_prefix(' ').unwrap_or(content);
        let is_signature = content == SIGNATURE;
        if open != Some(marks) || is_signature || content.is_empty() {
            joined.push_str(if at > 0 { "\n" } else { "" });
            joined.push_str(marks);
            joined.push_str(if marks.is_empty() || content.is_empty() { "" } else { " " });
        }
        joined.push_str(content);
        open = Some(marks).filter(|_| content.ends_with(' ') && !is_signature);
    }
    joined
}
