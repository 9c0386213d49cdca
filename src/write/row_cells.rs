//! The cells of a row, before a format gives them a form.

use crate::model::{Money, Row, Totals};
use serde_json::Value;
use std::borrow::Cow;

/// A cell of a row.
pub(super) enum RowCell<'r> {
    Null,
    Text(Cow<'r, str>),
    Count(u64),
    Seconds(f64),
    Usd(Money),
    /// An answer, or a value of a table.
    Value(&'r Value),
}

impl<'r> RowCell<'r> {
    fn text(text: &'r str) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(Cow::Borrowed(text)) }
    }

    /// The cell of one of the job's own columns.
    pub fn of(row: &'r Row, column: &str) -> Self {
        row.columns.get(column).or_else(|| row.answers.get(column)).map_or(Self::Null, Self::Value)
    }
}

/// Cells of [`Row::first_columns`].
pub(super) fn first(row: &Row) -> [RowCell<'_>; 3] {
    [RowCell::Count(row.index), RowCell::Text(Cow::Borrowed(&row.document)), RowCell::text(row.status.as_str())]
}

/// Cells of [`Row::last_columns`].
pub(super) fn last(row: &Row) -> [RowCell<'_>; 13] {
    let mut totals = Totals::default();
    totals.add(row);
    let repaired = row.repaired();
    [
        RowCell::Text(Cow::Borrowed(&row.provider)),
        RowCell::Text(Cow::Borrowed(&row.model)),
        row.failure.as_ref().map_or(RowCell::Null, |failure| RowCell::text(failure.code.as_str())),
        row.failure.as_ref().map_or(RowCell::Null, |failure| RowCell::text(&failure.message)),
        row.note().map_or(RowCell::Null, |note| RowCell::Text(Cow::Owned(note))),
        if repaired.is_empty() { RowCell::Null } else { RowCell::Text(Cow::Owned(repaired)) },
        RowCell::Count(totals.calls),
        RowCell::Count(totals.attempts),
        RowCell::Count(totals.tokens.input()),
        RowCell::Count(totals.tokens.cache_read),
        RowCell::Count(totals.tokens.output),
        // An empty cell means an unknown price; a free call costs 0.
        totals.cost.exact().map_or(RowCell::Null, RowCell::Usd),
        RowCell::Seconds(totals.shown_seconds()),
    ]
}
