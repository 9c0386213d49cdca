//! Tables as text (CSV, TSV), as one document.
//!
//! They become Markdown tables. Encoding and separator are detected. Lines before the table, as in
//! statements of banks, stay lines. A text that is no table despite its name stays as it is.

use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, encoding, table, verdict};
use crate::model::{Failure, FailureCode};

pub(super) const CSV: Reader = Reader { format: "csv", name: "a table (CSV)", recognises: is_csv, read };
pub(super) const TSV: Reader = Reader { format: "tsv", name: "a table (TSV)", recognises: is_tsv, read };

/// Separators. Of equally good ones, the first is taken: a comma may also be in numbers.
const SEPARATORS: [u8; 4] = *b"\t;|,";
/// Bytes that decide whether a file is text.
const START: usize = 64 * 1024;
/// Rows that decide about the separator.
const SAMPLE: usize = 200;
/// Per cent of the rows that must have the same number of cells.
const REGULAR: usize = 80;
/// Maximum rows before the header.
const PREAMBLE: usize = 30;

fn is_csv(bytes: &[u8], extension: &str) -> bool {
    extension == "csv" && is_text_of(bytes)
}

fn is_tsv(bytes: &[u8], extension: &str) -> bool {
    matches!(extension, "tsv" | "tab") && is_text_of(bytes)
}

/// Whether the bytes are text, and not a packed table.
fn is_text_of(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(START)];
    let is_wide = encoding::has_byte_order_mark(start) || encoding::utf16_without_mark(start).is_some();
    is_wide || !start.contains(&0) && !start.starts_with(b"\x1F\x8B") && !start.starts_with(b"\x28\xB5\x2F\xFD")
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    if let Some(what) = encoding::undecodable(bytes) {
        let message = format!("cannot read this encoding: {what}. Save the table as UTF-8, or exclude it");
        return Err(Failure::new(FailureCode::Undecodable, message));
    }
    let decoded = encoding::decode(bytes);
    let mut notes = decoded.notes();
    let (stated, text) = stated_separator(&decoded.text);
    if !quotes_close(text) {
        notes.push("a quotation mark is not closed; quotation marks are sent as they are".to_owned());
    }
    let text = match stated.or_else(|| separator(text)) {
        Some(separator) => as_table(text, separator).unwrap_or_else(|| text.to_owned()),
        None => text.to_owned(),
    };
    verdict::readable(CSV.name, Extract { pages: vec![Page::Text(text)], paged: false, notes })
}

/// The separator in a first line such as `sep=;`, which Excel writes, and the rest of the text.
fn stated_separator(text: &str) -> (Option<u8>, &str) {
    let line = text.lines().next().unwrap_or_default();
    let stated = line.trim_matches('"').strip_prefix("sep=").map(|rest| rest.trim_end_matches('\r').as_bytes());
    match stated {
        Some([separator]) => (Some(*separator), text[line.len()..].trim_start_matches(['\r', '\n'])),
        _ => (None, text),
    }
}

/// Whether quotation marks come in pairs. A single one would join all rows behind it.
fn quotes_close(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2)
}

fn rows(text: &str, separator: u8) -> impl Iterator<Item = Vec<String>> {
    let reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .quoting(quotes_close(text))
        .from_reader(text.as_bytes());
    let cell = |cell: &str| cell.trim().to_owned();
    reader.into_records().map_while(Result::ok).map(move |row| row.iter().map(cell).collect())
}

/// How regular a table is.
struct Regularity {
    /// The number of cells that most rows have.
    cells: usize,
    /// The number of these rows, and their per cent.
    rows: usize,
    share: usize,
}

fn regularity(text: &str, separator: u8) -> Regularity {
    let lengths: Vec<usize> = rows(text, separator).take(SAMPLE).map(|row| row.len()).collect();
    let count = |length: usize| lengths.iter().filter(|other| **other == length).count();
    let wide = lengths.iter().copied().filter(|length| *length > 1);
    let Some(common) = wide.max_by_key(|length| (count(*length), *length)) else {
        return Regularity { cells: 1, rows: 0, share: 0 };
    };
    // Lines before the table do not count.
    let first = lengths.iter().position(|length| *length == common).unwrap_or(0);
    let preamble = if first <= PREAMBLE && lengths[..first].iter().all(|length| *length < common) { first } else { 0 };
    let rows = count(common);
    Regularity { cells: common, rows, share: rows * 100 / (lengths.len() - preamble).max(1) }
}

/// The separator that divides the text into the most regular table; `None` if the text is no table.
fn separator(text: &str) -> Option<u8> {
    let rated = SEPARATORS.map(|separator| (regularity(text, separator), separator));
    let regular = rated.iter().filter(|(table, _)| table.share >= REGULAR && table.rows > 1);
    // The last of equal ones is the maximum.
    regular.rev().max_by_key(|(table, _)| table.rows).map(|(_, separator)| *separator)
}

/// The text as a Markdown table; `None` if it is only one row or column.
fn as_table(text: &str, separator: u8) -> Option<String> {
    let mut rows: Vec<Vec<String>> = rows(text, separator).filter(|row| row.iter().any(|cell| !cell.is_empty())).collect();
    let columns = regularity(text, separator).cells;
    let filled = |row: &Vec<String>| row.iter().filter(|cell| !cell.is_empty()).count();
    let begin = rows.iter().take(PREAMBLE + 1).position(|row| row.len() >= columns && filled(row) > columns / 2).unwrap_or(0);
    let before: Vec<String> = rows.drain(..begin).map(|row| row.join(" ").trim().to_owned()).collect();
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    // One long row must not widen all others beyond the size of the text.
    if width < 2 || rows.len() < 2 || rows.len().saturating_mul(width) > text.len().saturating_mul(4) {
        return None;
    }
    for row in &mut rows {
        row.resize(width, String::new());
    }
    let table = table::written(&rows);
    Some(if before.is_empty() { table } else { format!("{}\n\n{table}", before.join("\n")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> String {
        let (stated, text) = stated_separator(text);
        stated.or_else(|| separator(text)).and_then(|separator| as_table(text, separator)).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn the_separator_is_detected() {
        for text in [
            "a;b\n1,5;x\n2,5;y\n",
            "sep=;\r\na;b\r\n1,5;x\r\n2,5;y\r\n",
            "a\tb\n1,5\tx\n2,5\ty\n",
            "a|b\n1,5|x\n2,5|y",
            "a,b\n\"1,5\",x\n\"2,5\",y\n",
        ] {
            assert_eq!(read_text(text), "| a | b |\n| --- | --- |\n| 1,5 | x |\n| 2,5 | y |", "{text:?}");
        }
    }

    #[test]
    fn empty_cells_line_breaks_and_bars_keep_their_place() {
        let text = "date,debit,credit\n2026-01-01,,2500.00\n\n2026-01-02,10,\n\"a\nb\",x|y,\n";
        let table =
            "| date | debit | credit |\n| --- | --- | --- |\n| 2026-01-01 |  | 2500.00 |\n| 2026-01-02 | 10 |  |\n| a b | x\\|y |  |";
        assert_eq!(read_text(text), table);
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_joins_no_rows() {
        assert_eq!(read_text("a,b\n1,5\" disk\n2,3\n"), "| a | b |\n| --- | --- |\n| 1 | 5\" disk |\n| 2 | 3 |");
    }

    #[test]
    fn lines_before_the_table_stay_lines_and_other_texts_as_they_are() {
        let text = "Account 12\nJanuary\n\ndate;amount;text\n1.1.;5,00;rent\n2.1.;6,00;food\n";
        let table = "Account 12\nJanuary\n\n| date | amount | text |\n| --- | --- | --- |\n| 1.1. | 5,00 | rent |\n| 2.1. | 6,00 | food |";
        assert_eq!(read_text(text), table);
        for text in ["one column\nof words\n", "Dear all,\nthis is, as you see, a letter.\nBye", "a,b\n"] {
            assert_eq!(read_text(text), text);
        }
    }
}
