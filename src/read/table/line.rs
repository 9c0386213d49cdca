//! A line of JSON as a row, without a table around it.

use super::{Columns, Text, as_id, json_rows};
use crate::model::TableRow;

/// The row of a line, with its id. The id is empty if the row has none. If the line is no object, its
/// row is empty.
pub(in crate::read) fn row_of_line(columns: &Columns, line: &[u8]) -> (Result<String, String>, TableRow) {
    match json_rows::fields(line, Text::UTF_8) {
        Ok(fields) => {
            let of_column = |column: &String| fields.iter().find(|(name, _)| **name == **column).map(|(_, value)| as_id(value));
            let id = columns.id.as_ref().and_then(of_column).unwrap_or_default();
            (Ok(id), columns.row(fields))
        }
        Err(what) => (Err(what), columns.row(Vec::new())),
    }
}

/// The columns of the settings that a line does not have.
pub(in crate::read) fn missing_columns(columns: &Columns, line: &[u8]) -> Vec<String> {
    let Ok(fields) = json_rows::fields(line, Text::UTF_8) else { return Vec::new() };
    let named = columns.text.iter().chain(&columns.id).chain(&columns.keep);
    named.filter(|column| fields.iter().all(|(name, _)| **name != ***column)).cloned().collect()
}
