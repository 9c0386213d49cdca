//! Collects rows into batches of typed columns.

use super::schema::{columns, schema};
use super::values::Values;
use crate::model::{Column, JobColumns, Row, counted};
use crate::write::row_cells::{self, RowCell};
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Maximum rows of a batch.
const ROWS: usize = 4096;
/// Bytes of the rows as JSON after which a batch is full.
const BYTES: usize = 4 << 20;

/// Rows of one job as columns.
pub(super) struct Rows {
    pub schema: SchemaRef,
    columns: Vec<Column>,
    values: Vec<Values>,
    count: usize,
    bytes: usize,
    /// Values that their columns do not hold exactly.
    inexact: u64,
}

impl Rows {
    pub fn new(job: &JobColumns) -> Self {
        let columns = columns(job);
        let values: Vec<Values> = columns.iter().map(Values::of).collect();
        Self { schema: Arc::new(schema(job, &columns, &values)), columns, values, count: 0, bytes: 0, inexact: 0 }
    }

    /// Adds a row; `line` is the same row as JSON. Returns a batch if it is full.
    pub fn push(&mut self, row: &Row, line: &str) -> Result<Option<RecordBatch>, ArrowError> {
        let Some((exact_values, values)) = self.values.split_last_mut() else { return Ok(None) };
        let (first, last) = (row_cells::first(row), row_cells::last(row));
        let own = &self.columns[first.len()..values.len() - last.len()];
        let own = own.iter().map(|column| RowCell::of(row, &column.name));
        let mut inexact = Map::new();
        for ((cell, values), column) in first.into_iter().chain(own).chain(last).zip(values).zip(&self.columns) {
            if !values.push_cell(&cell) {
                inexact.insert(column.name.clone(), if let RowCell::Value(value) = cell { value.clone() } else { Value::Null });
            }
        }
        self.inexact += inexact.len() as u64;
        exact_values.push(&if inexact.is_empty() { Value::Null } else { Value::Object(inexact) });
        self.count += 1;
        self.bytes += line.len();
        if self.count >= ROWS || self.bytes >= BYTES { self.finish() } else { Ok(None) }
    }

    /// Takes the rows since the last batch.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.count == 0 {
            return Ok(None);
        }
        (self.count, self.bytes) = (0, 0);
        let columns = self.values.iter_mut().map(Values::finish).collect::<Result<_, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }

    /// A remark on values that their columns do not hold exactly.
    pub fn note(&self) -> Option<String> {
        let (count, them) = (counted(self.inexact, "value"), if self.inexact == 1 { "it" } else { "them" });
        let name = Row::EXACT_VALUES;
        (self.inexact > 0).then(|| format!("{count} beyond the types of the columns; the column {name} has {them}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ColumnType;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Int64Type, TimestampMicrosecondType};
    use serde_json::json;

    #[test]
    fn what_a_column_cannot_hold_is_in_the_last_column() {
        let object = ColumnType::Object(vec![Column::new("n", ColumnType::Integer)]);
        let kinds =
            [("n", ColumnType::Integer), ("at", ColumnType::DateTime), ("o", object), ("l", ColumnType::List(Box::new(ColumnType::Date)))];
        let columns = kinds.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
        let mut rows = Rows::new(&JobColumns { name: "j".into(), digest: None, columns });
        let answers = [
            json!({"n": 1, "at": "1970-01-01T00:00:01", "o": {"n": 2}, "l": ["1970-01-01", null]}),
            json!({"n": 1.5, "at": "1970-01-01T00:00:02-00:01", "o": {"n": 2, "m": 3}, "l": "text"}),
            json!({"n": u64::MAX, "at": 7, "o": [], "l": ["1970-02-30"]}),
            json!({}),
        ];
        for answers in &answers {
            let row = json!({"status": "ok", "job": "j", "provider": "p", "model": "m", "answers": answers, "calls": []});
            assert!(rows.push(&Row::read(0, "d", &row.to_string()).unwrap(), "").unwrap().is_none());
        }
        let batch = rows.finish().unwrap().unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        assert_eq!(column("n").as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None, None, None]);
        let at: Vec<_> = column("at").as_primitive::<TimestampMicrosecondType>().iter().collect();
        assert_eq!(at, [Some(1_000_000), Some(62_000_000), None, None]);
        let exact: Vec<_> = column(Row::EXACT_VALUES).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect();
        assert_eq!(exact, [None, Some(answers[1].to_string()), Some(answers[2].to_string()), None]);
        assert_eq!(rows.note().unwrap(), "8 values beyond the types of the columns; the column exact_values has them");
        assert!(rows.finish().unwrap().is_none());
    }
}
