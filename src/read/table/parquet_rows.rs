//! Rows of Parquet files.

use super::{Rows, as_text};
use jiff::Timestamp;
use parquet::basic::{Compression, LogicalType, TimeUnit};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub(super) fn rows(path: &Path) -> Result<Rows, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|e| e.to_string())?;
    let mut columns = reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    // Found out by reading, it would be every row's failure.
    let codec = columns.find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    });
    if let Some(codec) = codec {
        return Err(format!(
            "it is compressed with {codec}, which docmill does not read: write it with Zstandard, Snappy, GZIP or nothing"
        ));
    }
    let schema = reader.metadata().file_metadata().schema_descr().root_schema();
    let counts_nanoseconds: Vec<bool> =
        schema.get_fields().iter().map(|field| is_in_nanoseconds(field.get_basic_info().logical_type_ref())).collect();
    let mut ended = false;
    let mut rows = reader.into_iter();
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        // The library panics where it meets types that it does not know, and damage.
        let row = catch_unwind(AssertUnwindSafe(|| {
            let fields = |row: Row| {
                row.get_column_iter()
                    .zip(&counts_nanoseconds)
                    .map(|((name, field), nanoseconds)| (name.as_str().into(), value(field, *nanoseconds)))
                    .collect()
            };
            Some(rows.next()?.map(fields).map_err(|e| e.to_string()))
        }));
        let row = row.unwrap_or_else(|_| Some(Err("it is damaged, or has a type that docmill does not read".into())))?;
        ended = row.is_err();
        Some(row.map_err(|what| format!("{what}; what follows it in the table is left out")))
    })))
}

fn is_in_nanoseconds(kind: Option<&LogicalType>) -> bool {
    matches!(kind, Some(LogicalType::Timestamp(timestamp)) if timestamp.unit == TimeUnit::NANOS)
}

/// A value as people write it. The library has its own way, which panics at times that are no dates, takes nanoseconds for
/// numbers, and shows digits that a short number does not have.
fn value(field: &Field, nanoseconds: bool) -> Value {
    match field {
        Field::Long(n) if nanoseconds => moment(Timestamp::from_nanosecond(i128::from(*n)), "%F %T%.9f +00:00", *n),
        Field::TimestampMicros(n) => moment(Timestamp::from_microsecond(*n), "%F %T%.6f +00:00", *n),
        Field::TimestampMillis(n) => moment(Timestamp::from_millisecond(*n), "%F %T%.3f +00:00", *n),
        Field::Date(days) => moment(Timestamp::from_second(i64::from(*days) * 86_400), "%F", i64::from(*days)),
        // What is no number in JSON is null, as it is of longer ones.
        Field::Float(n) => serde_json::from_str(&n.to_string()).unwrap_or_default(),
        Field::Group(row) => row.get_column_iter().map(|(name, field)| (name.clone(), value(field, false))).collect(),
        Field::ListInternal(list) => list.elements().iter().map(|field| value(field, false)).collect(),
        Field::MapInternal(map) => map.entries().iter().map(|(key, field)| (as_text(&value(key, false)), value(field, false))).collect(),
        other => other.to_json_value(),
    }
}

/// The moment in this form, or the number if there is no such moment.
fn moment(time: Result<Timestamp, jiff::Error>, form: &str, number: i64) -> Value {
    time.map_or_else(|_| number.into(), |time| time.strftime(form).to_string().into())
}
