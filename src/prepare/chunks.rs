//! Splits a text into chunks of a maximum number of tokens.
//!
//! The chunks in order are the text. A chunk ends at a section if possible, else at a paragraph, a
//! row, a sentence or a word. A heading stays with the text that follows it. A chunk that continues
//! a table begins with the table's section heading and header.

use super::text_tokens;
use std::ops::Range;
use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};

/// Maximum share of a chunk for a table header that is repeated.
const HEAD_SHARE: u64 = 4;
/// Number of tabs that makes a line the header of a sheet.
///
/// The line is below a heading, and the sheet is too wide for a Markdown table.
const TABS: usize = 10;
/// Bytes of a line for each token of a chunk above which the line is cut first.
const LINE_BYTES: u64 = 32;
/// Lines up to this many bytes are not cut first.
const LINE_LEAST: usize = 64 * 1024;
/// Bytes of a text for each token of a chunk above which the text is cut first. Such a text of
/// words makes over 200 chunks.
const WINDOW_BYTES: u64 = 1024;

/// Splits a text into chunks of at most `limit` tokens.
pub fn chunks(text: &str, limit: u64) -> Vec<String> {
    let tables: Vec<Table> =
        tables(text).into_iter().filter(|table| text_tokens::exact(&table.context(text)) <= limit / HEAD_SHARE).collect();
    let most = tables.iter().map(|table| text_tokens::exact(&table.context(text)) + 1).max().unwrap_or(0);
    let with_context = |chunk: Range<usize>| {
        let table = &tables[..tables.partition_point(|table| table.rows.start <= chunk.start)];
        let context = table.last().filter(|table| table.rows.contains(&chunk.start)).map(|table| table.context(text));
        context.unwrap_or_default() + &text[chunk]
    };
    ranges(text, limit - most).into_iter().map(with_context).collect()
}

/// The byte ranges of the chunks, without repeated headers.
fn ranges(text: &str, limit: u64) -> Vec<Range<usize>> {
    // Document readers write Markdown, and much plain text is Markdown as well.
    let markdown = text.lines().any(|line| line.starts_with('#'));
    let mut ranges: Vec<Range<usize>> = Vec::new();
    // Headings at the end of the previous chunk, which move to the next one.
    let mut headings = 0..0;
    for chunk in bare(text, limit, markdown) {
        let from = if headings.is_empty() { chunk.start } else { headings.start };
        let end = if chunk.end == text.len() { chunk.end } else { chunk.end - closing_headings(&text[from..chunk.end]) };
        let before = headings.len();
        headings = end..chunk.end;
        if end <= chunk.start {
            if text_tokens::exact(&text[from..chunk.end]) <= limit / 2 {
                headings = from..chunk.end;
            } else {
                headings = 0..0;
                ranges.push(from..chunk.end);
            }
        } else if before == 0 || text_tokens::exact(&text[from..end]) <= limit {
            ranges.push(from..end);
        } else {
            let room = limit - text_tokens::exact(&text[from..chunk.start]).min(limit - 1);
            let mut inner = bare(&text[chunk.start..end], room, markdown).into_iter();
            ranges.extend(inner.next().map(|first| from..chunk.start + first.end));
            ranges.extend(inner.map(|part| chunk.start + part.start..chunk.start + part.end));
        }
    }
    ranges.into_iter().flat_map(|range| within(text, range, limit)).collect()
}

/// Splits a chunk that is still too long.
///
/// The splitter assumes that a text never has fewer tokens than its beginning. Words of rare
/// letters may.
fn within(text: &str, chunk: Range<usize>, limit: u64) -> Vec<Range<usize>> {
    let (mut pieces, mut from) = (Vec::new(), chunk.start);
    while text_tokens::exact(&text[from..chunk.end]) > limit {
        let first = text[from..].chars().next().map_or(1, char::len_utf8);
        let mut end = chunk.end;
        while text_tokens::exact(&text[from..end]) > limit && end > from + first {
            let half = text.floor_char_boundary(from.midpoint(end)).max(from + first);
            end = text[from + first..half].rfind(char::is_whitespace).map_or(half, |at| from + first + at);
        }
        if end == chunk.end {
            break;
        }
        pieces.push(from..end);
        from = end;
    }
    pieces.push(from..chunk.end);
    pieces
}

/// Splits a text with the splitter library.
fn bare(text: &str, limit: u64, markdown: bool) -> Vec<Range<usize>> {
    let of_window = |window: Range<usize>| {
        let from = window.start;
        split(&text[window], limit, markdown).into_iter().map(move |range| from + range.start..from + range.end)
    };
    windows(text, limit).into_iter().flat_map(of_window).collect()
}

/// The text, cut where the splitter would take too long.
///
/// - In a line that is far longer than a chunk, the splitter looks for the end of a sentence up to
///   the end of the line, again for each chunk.
/// - For each chunk, it looks at every line and mark of the text.
fn windows(text: &str, limit: u64) -> Vec<Range<usize>> {
    let bytes = |each: u64| usize::try_from(limit.saturating_mul(each)).unwrap_or(usize::MAX);
    let (most, longest) = (bytes(WINDOW_BYTES), bytes(LINE_BYTES).max(LINE_LEAST));
    let (mut windows, mut from, mut at) = (Vec::new(), 0, 0);
    // The start of the last section or paragraph, and whether the line before is empty.
    let (mut border, mut is_after_empty) = (0, false);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if is_after_empty || line.starts_with('#') {
            border = at;
        }
        is_after_empty = line.trim().is_empty();
        if end - from > most && at > from {
            let cut = if border.saturating_sub(from) > most / 2 { border } else { at };
            windows.push(from..cut);
            from = cut;
        }
        while end - at > longest {
            let cut = text.floor_char_boundary(at + longest);
            let half = text.floor_char_boundary(at + longest / 2);
            let word = text[half..cut].rfind(' ').map_or(cut, |space| half + space + 1);
            windows.push(from..word);
            (from, at) = (word, word);
        }
        at = end;
    }
    windows.push(from..text.len());
    windows
}

fn split(text: &str, limit: u64, markdown: bool) -> Vec<Range<usize>> {
    let config = ChunkConfig::new(usize::try_from(limit).unwrap_or(usize::MAX).max(1)).with_sizer(Tokens { limit }).with_trim(false);
    let range = |(at, chunk): (usize, &str)| at..at + chunk.len();
    if markdown {
        MarkdownSplitter::new(config).chunk_indices(text).map(range).collect()
    } else {
        TextSplitter::new(config).chunk_indices(text).map(range).collect()
    }
}

/// The size of a chunk in tokens.
///
/// The splitter measures the whole remaining text for each chunk if the text has no borders. It
/// only compares the size with the limit, so counting stops above it. Time is then linear.
struct Tokens {
    limit: u64,
}

impl ChunkSizer for Tokens {
    fn size(&self, chunk: &str) -> usize {
        usize::try_from(text_tokens::at_most(chunk, self.limit)).unwrap_or(usize::MAX)
    }
}

/// Bytes of the headings at the end of a text. Empty lines among them count.
fn closing_headings(text: &str) -> usize {
    let (mut seen, mut headings) = (0, 0);
    for line in text.split_inclusive('\n').rev() {
        seen += line.len();
        if is_heading(line) {
            headings = seen;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    headings
}

/// Whether the line is a heading: `## Costs`, `[page 3]`.
fn is_heading(line: &str) -> bool {
    let line = line.trim_end();
    line.starts_with('#') && line.trim_start_matches('#').starts_with(' ') || line.starts_with("[page ") && line.ends_with(']')
}

/// A table in a text.
struct Table {
    heading: Range<usize>,
    head: Range<usize>,
    rows: Range<usize>,
}

impl Table {
    /// The heading and header that a continued table's chunk begins with.
    fn context(&self, text: &str) -> String {
        let heading = text[self.heading.clone()].trim_end();
        format!("{heading}{}{}", if heading.is_empty() { "" } else { "\n\n" }, &text[self.head.clone()])
    }
}

fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut heading, mut last) = (0..0, 0..0);
    let mut open = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let here = at..at + line.len();
        at = here.end;
        let above = &text[last.clone()];
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        match tables.last_mut().filter(|table| open && text[table.head.clone()].starts_with('|') == line.starts_with('|')) {
            Some(table) => table.rows.end = here.end,
            None => {
                let rule = line.starts_with('|') && above.starts_with('|') && last.end == here.start && is_rule(line);
                open = rule || is_heading(above) && line.matches('\t').count() >= TABS;
                if open {
                    let head = if rule { last.start } else { here.start }..here.end;
                    tables.push(Table { heading: heading.clone(), head, rows: here.end..here.end });
                }
            }
        }
        if is_heading(line) {
            heading = here.clone();
        }
        last = here;
    }
    tables
}

/// Whether the line is the rule below a header: `| --- | --- |`.
fn is_rule(line: &str) -> bool {
    line.contains("--") && line.trim_end().chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_continues_a_table_begins_with_its_header() {
        let rows: String = (0..60).map(|n| format!("| {n} | value of {n} |\n")).collect();
        let text = format!("Before it.\n\n## Costs\n\n| Item | Sum |\n| --- | --- |\n{rows}\n## Other\n\nBehind it.\n");
        let parts = chunks(&text, 80);
        assert!(parts.len() > 3);
        let head = "## Costs\n\n| Item | Sum |\n| --- | --- |\n";
        for part in &parts {
            assert!(text_tokens::exact(part) <= 80, "{part}");
            assert_eq!(part.matches("| Item |").count(), usize::from(part.contains("value of")), "{part}");
            assert_eq!(part.contains("value of"), part.contains(head), "{part}");
        }
        assert_eq!(parts.iter().map(|part| part.matches("value of").count()).sum::<usize>(), 60);
        // A header that would fill the chunks is not repeated.
        assert_eq!(chunks(&text, 20).concat(), text);
    }

    #[test]
    fn words_with_fewer_tokens_than_their_beginning_also_fit() {
        for (text, limit) in [("äuädägä.ueä.a# a a.ä.äbbdäää.", 9), ("äääääääää.ä", 3), ("漢字。", 1)] {
            let parts = chunks(text, limit);
            assert_eq!(parts.concat(), text);
            for part in parts {
                assert!(text_tokens::exact(&part) <= limit || part.chars().count() == 1, "{limit}: {part}");
            }
        }
    }

    #[test]
    fn long_texts_without_borders_are_split() {
        for piece in ["a", "ä", "漢", "!", " ", "\n", "word ", "a longer line of words without a full stop, "] {
            let text = piece.repeat(100_000 / piece.len());
            let parts = chunks(&text, 2000);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| text_tokens::exact(part) <= 2000), "{piece}");
        }
    }

    #[test]
    fn a_text_of_very_many_chunks_is_cut_first() {
        let pieces = ["# a\n", "\n", "word\n", "[", "> ", "| a |\n", "- x\n\n", "A sentence of words. "];
        for piece in pieces {
            let text = piece.repeat(1_000_000 / piece.len());
            let parts = windows(&text, 50);
            assert_eq!(parts.iter().map(|part| &text[part.clone()]).collect::<String>(), text);
            assert!(parts.iter().all(|part| part.len() <= (1024 * 50).max(LINE_LEAST)), "{piece:?}");
            // A text of fewer chunks is not cut, so that its calls stay the same.
            assert!(!piece.ends_with('\n') || windows(&text, 1000).len() == 1, "{piece:?}");
        }
        let text = "# One\n\nWords.\n".repeat(100_000);
        let begins_well = |part: &Range<usize>| text[part.clone()].starts_with("# One") || text[part.clone()].starts_with("Words.");
        assert!(windows(&text, 100).iter().all(begins_well));
        let text = "# a\n".repeat(10_000);
        assert_eq!(chunks(&text, 20).concat(), text);
    }

    #[test]
    fn chunks_of_wide_sheets_repeat_the_first_line() {
        let line = |name: &str| (0..12).map(|n| format!("{name}{n}\t")).collect::<String>() + "\n";
        let text = format!("## Wide\n\n{}{}", line("column"), line("x").repeat(20));
        let parts = chunks(&text, 200);
        assert!(parts.len() > 2 && parts.iter().all(|part| part.starts_with("## Wide\n\ncolumn0\t")), "{parts:?}");
    }

    #[test]
    fn headings_stay_with_the_text_that_follows() {
        let words = "Some words that say something about it. ".repeat(12);
        let sections: String = (1..6).map(|n| format!("# Section {n}\n\n## Of it\n\n{words}\n\n")).collect();
        let pages: String = (1..6).map(|n| format!("[page {n}]\n{words}\n\n")).collect();
        for text in [sections, pages] {
            for limit in [30, 50, 80, 110, 130] {
                let parts = chunks(&text, limit);
                assert_eq!(parts.concat(), text);
                for part in parts {
                    assert!(text_tokens::exact(&part) <= limit, "{limit}: {part}");
                    assert!(!is_heading(part.trim_end().lines().last().unwrap_or_default()), "{limit}: {part}");
                }
            }
        }
    }
}
