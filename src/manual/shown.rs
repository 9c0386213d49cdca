//! Shows pages of the manual on a terminal: Markdown without its marks, in lines of its width.

use std::fmt::Write as _;

/// Blanks in front of further lines of a paragraph of a list, and of a row of a table.
const INDENT: usize = 4;

/// The text of a page for a terminal. `wrap` wraps a line, and indents further lines by some
/// blanks.
///
/// Lines of a paragraph are joined. A row of a table becomes a paragraph that begins with its first
/// cell. Links to pages become commands. Comments are left out.
pub fn for_terminal(text: &str, wrap: impl Fn(&str, usize) -> String) -> String {
    let (mut out, mut paragraph, mut is_code) = (String::new(), String::new(), false);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_fence = line.trim_start().starts_with("```");
        let begins =
            line.trim_start().starts_with("- ") || line.trim_start().split_once(". ").is_some_and(|(n, _)| n.parse::<u32>().is_ok());
        let is_plain = !is_code && !is_fence && !line.starts_with(['|', '#', '<']) && !line.is_empty();
        if !is_plain || begins {
            end(&mut out, &mut paragraph, &wrap);
        }
        if is_plain {
            let words = if begins { line } else { line.trim_start() };
            let separator = if paragraph.is_empty() { "" } else { " " };
            let _infallible = write!(paragraph, "{separator}{words}");
            continue;
        }
        match line {
            line if is_code && !is_fence => {
                let _infallible = writeln!(out, "    {line}");
            }
            _ if is_fence => is_code = !is_code,
            line if line.starts_with('|') => {
                let is_head = lines.peek().is_some_and(|next| next.starts_with("|---"));
                if !is_head && !line.starts_with("|---") {
                    let _infallible = writeln!(out, "{}", wrap(&row(&linked(line)), INDENT));
                }
            }
            line if line.starts_with('<') => {}
            line => {
                let _infallible = writeln!(out, "{}", linked(line));
            }
        }
    }
    end(&mut out, &mut paragraph, &wrap);
    out.trim_end().to_owned()
}

/// Writes the paragraph so far.
fn end(out: &mut String, paragraph: &mut String, wrap: &impl Fn(&str, usize) -> String) {
    if !paragraph.is_empty() {
        let first = paragraph.len() - paragraph.trim_start().len();
        let is_item = paragraph.trim_start().starts_with("- ");
        let _infallible = writeln!(out, "{}", wrap(&linked(paragraph), if is_item { first + 2 } else { first }));
        paragraph.clear();
    }
}

/// A row of a table as a line: `first cell: second cell; third cell`.
fn row(line: &str) -> String {
    // A bar inside of a cell is written `\|`.
    let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
    let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
    let rest: Vec<&str> = cells.iter().skip(1).map(String::as_str).filter(|cell| !cell.is_empty()).collect();
    let first = cells.first().map(String::as_str).unwrap_or_default();
    if rest.is_empty() { format!("  {first}") } else { format!("  {first}: {}", rest.join("; ")) }
}

/// A text with commands instead of links to other pages, and without other links.
fn linked(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, words, target, after)) = link(rest) {
        let topic = target.strip_suffix(".md").map_or_else(String::new, |topic| format!(" (docmill help {topic})"));
        let _infallible = write!(out, "{before}{words}{topic}");
        rest = after;
    }
    out + rest
}

/// The first link of a text: what is before it, its words, its target, and what follows.
fn link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let middle = text.find("](")?;
    let start = text[..middle].rfind('[')?;
    let (target, after) = text[middle + 2..].split_once(')')?;
    Some((&text[..start], &text[start + 1..middle], target, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manual::PAGES;

    #[test]
    fn paragraphs_are_joined_rows_become_paragraphs_and_links_commands() {
        let page = "# Title\n\nOne\ntwo ([money](money.md)).\n\n- an item\n  goes on\n- [a table](../x/)\n\n<!-- made -->\n| a | b | c |\n|---|---|---|\n\
            | `x` | y \\| z | |\n\n```sh\ndocmill   run\n```\n1. First.\n   More.\n";
        let shown = for_terminal(page, |line, indent| format!("{line}<{indent}>"));
        let lines: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "# Title",
                "One two (money (docmill help money)).<0>",
                "- an item goes on<2>",
                "- a table<2>",
                "  `x`: y | z<4>",
                "    docmill   run",
                "1. First. More.<0>",
            ]
        );
    }

    #[test]
    fn every_page_keeps_its_words() {
        for page in PAGES {
            let shown = for_terminal(page.text, |line, _| line.to_owned());
            assert!(shown.starts_with(page.text.lines().next().unwrap()) && shown.len() * 10 > page.text.len() * 8, "{}", page.topic);
            assert!(!shown.contains("](") && !shown.contains("```") && !shown.contains("<!--"), "{}", page.topic);
        }
    }
}
