//! The schema of a job's results.

use super::values::{Values, field};
use crate::model::{Column, ColumnType, JobColumns, Row};
use arrow_schema::{Field, Schema};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Metadata key of the version of docmill.
pub(super) const VERSION: &str = "docmill.version";

/// The column of values that other columns do not hold exactly.
pub(super) fn exact_values() -> Column {
    Column {
        description: Some("JSON of the values that their columns do not hold exactly".to_owned()),
        ..Column::new(Row::EXACT_VALUES, ColumnType::Json)
    }
}

/// Every column of the table: all columns of a row, and [`exact_values`].
pub(super) fn columns(job: &JobColumns) -> Vec<Column> {
    job.all().chain([exact_values()]).collect()
}

/// The schema of columns that `values` are for.
pub(super) fn schema(job: &JobColumns, columns: &[Column], values: &[Values]) -> Schema {
    let fields: Vec<Field> = columns.iter().zip(values).map(|(column, values)| field(column, values)).collect();
    Schema::new_with_metadata(fields, metadata(job).into_iter().collect::<HashMap<_, _>>())
}

/// Metadata of the table. Not every reader shows that of fields, so it stands here too.
pub(super) fn metadata(job: &JobColumns) -> Vec<(String, String)> {
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let about = columns(job).into_iter().map(|column| {
        let told = [("unit", text(&column.unit)), ("description", text(&column.description))];
        let told: Map<String, Value> = told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        (column.name, Value::from(told))
    });
    let about: Map<String, Value> = about.collect();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let digest = job.digest.as_deref().map(|digest| pair("docmill.job_digest", digest));
    [pair(VERSION, env!("CARGO_PKG_VERSION")), pair("docmill.job", &job.name)]
        .into_iter()
        .chain(digest)
        .chain([pair("docmill.columns", &Value::from(about).to_string())])
        .collect()
}
