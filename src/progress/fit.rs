//! Fits text into the width of a terminal. Wide characters count as two columns.

use console::{Term, measure_text_width, truncate_str};

/// Maximum width of a line, also on wider terminals.
const WIDEST: usize = 80;

/// The width for lines on stderr, in columns.
pub(super) fn width() -> usize {
    Term::stderr().size_checked().map_or(WIDEST, |(_, columns)| usize::from(columns).clamp(20, WIDEST))
}

/// The width for lines on stderr if it is a terminal. Logs have whole lines.
pub(super) fn terminal_width() -> Option<usize> {
    Term::stderr().is_term().then(width)
}

/// Wraps the lines of a text for stdout if it is a terminal. Files and pipes get whole lines.
pub fn wrapped_for_stdout(text: &str, indent: usize) -> String {
    wrapped_lines(text, indent, &Term::stdout())
}

/// Wraps the lines of a text for stderr if it is a terminal. Logs get whole lines.
pub fn wrapped_for_stderr(text: &str, indent: usize) -> String {
    wrapped_lines(text, indent, &Term::stderr())
}

fn wrapped_lines(text: &str, indent: usize, term: &Term) -> String {
    if !term.is_term() {
        return text.to_owned();
    }
    let width = term.size_checked().map_or(WIDEST, |(_, columns)| usize::from(columns).clamp(20, WIDEST));
    text.lines().map(|line| wrapped(line, indent, width)).collect::<Vec<_>>().join("\n")
}

/// Joins parts with commas, and leaves out the parts that do not fit.
pub(super) fn fitted(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let separator = if line.is_empty() { "" } else { ", " };
        if measure_text_width(&line) + separator.len() + measure_text_width(part) <= width {
            line += separator;
            line += part;
        }
    }
    line
}

/// Cuts a line with an ellipsis.
pub(super) fn cut(line: &str, width: usize) -> String {
    truncate_str(line, width, "…").into_owned()
}

/// Wraps a line between words. Further lines begin with `indent` blanks. A longer word, such as a
/// path, stays whole.
pub(super) fn wrapped(line: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    let first = line.len() - line.trim_start().len();
    for word in line[first..].split(' ') {
        let size = measure_text_width(word);
        if column == 0 {
            out.push_str(&line[..first]);
            column = first;
        } else if column + 1 + size > width && column > indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += size;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_fit_are_left_out() {
        let parts = ["27.5 calls/s", "", "32 in flight", "1 retry"].map(str::to_owned);
        assert_eq!(fitted(&parts, 80), "27.5 calls/s, 32 in flight, 1 retry");
        assert_eq!(fitted(&parts, 23), "27.5 calls/s, 1 retry");
        assert_eq!(fitted(&parts, 3), "");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("写真の写真", 6), "写真…");
        assert_eq!(wrapped("  a 写真 写真 b", 4, 9), "  a 写真\n    写真\n    b");
    }

    #[test]
    fn lines_are_wrapped_between_words_and_long_words_stay_whole() {
        let text = "         run  7 requests in 1 wave of 32, 0 retries";
        let lines = wrapped(text, 14, 40);
        assert!(
            lines.lines().all(|line| measure_text_width(line) <= 40)
                && lines.lines().nth(1).is_some_and(|line| line.starts_with("              ")),
            "{lines}"
        );
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(wrapped("see /a/very/long/path/that/is/wider/than/this", 2, 10), "see\n  /a/very/long/path/that/is/wider/than/this");
        assert_eq!(wrapped("", 2, 10), "");
    }
}
