//! The sheet that sums the results up.

use super::cells::{Cells, Style};
use super::parts;
use crate::model::{ColumnType, RowStatus, Totals};
use crate::write::row_cells::RowCell;
use std::borrow::Cow;

/// Columns of the sheet, with their widths.
const WIDTHS: [u32; 2] = [28, 90];

/// The XML of the sheet. `notes` say what the workbook cannot hold.
pub(super) fn sheet(job: &str, totals: &Totals, notes: &[String]) -> String {
    let text = |text: &str| RowCell::Text(Cow::Owned(text.to_owned()));
    let mut lines = vec![("job".to_owned(), text(job)), ("documents".to_owned(), RowCell::Count(totals.tally.rows()))];
    for status in RowStatus::ALL {
        lines.push((status.as_str().to_owned(), RowCell::Count(totals.tally.count(status))));
    }
    for (code, count) in totals.tally.failures.iter().chain(&totals.tally.skips) {
        lines.push((format!("of these {code}"), RowCell::Count(*count)));
    }
    lines.extend([
        ("calls".to_owned(), RowCell::Count(totals.calls)),
        ("calls without an answer".to_owned(), RowCell::Count(totals.failed_calls)),
        ("HTTP requests".to_owned(), RowCell::Count(totals.attempts)),
        ("input tokens".to_owned(), RowCell::Count(totals.tokens.input())),
        ("of these cached".to_owned(), RowCell::Count(totals.tokens.cache_read)),
        ("output tokens".to_owned(), RowCell::Count(totals.tokens.output)),
        ("cost".to_owned(), text(&totals.cost.to_string())),
        ("seconds of all requests".to_owned(), RowCell::Seconds(totals.shown_seconds())),
    ]);
    lines.extend(notes.iter().map(|note| ("note".to_owned(), text(note))));
    let mut cells = Cells::new(WIDTHS.len());
    let mut xml = parts::sheet_begin(&WIDTHS, 0, false);
    cells.begin();
    cells.text(0, "what", Style::Header);
    cells.text(1, "value", Style::Header);
    xml.push_str(cells.end());
    for (name, value) in lines {
        cells.begin();
        cells.text(0, &name, Style::Plain);
        cells.cell(1, &value, &ColumnType::String);
        xml.push_str(cells.end());
    }
    xml.push_str(&parts::sheet_end(None, &[], "", false));
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded() {
        let xml = sheet("j", &Totals { call_seconds: 7.457_272_000_000_006, ..Totals::default() }, &[]);
        assert!(xml.contains(">7.457<"), "{xml}");
    }
}
