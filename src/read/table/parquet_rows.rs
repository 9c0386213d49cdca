//! Rows of Parquet files, which a confined process decodes.
//!
//! The process writes lines of JSON: first the names of the columns, then the values of each row. A
//! text instead of values says why a row cannot be read.

use super::{Fields, MAX_ROW_BYTES, Rows, as_text};
use crate::read::decoder::{Decoder, Format};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use parquet::basic::{Compression, ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader as _, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// The name of the format for the process.
pub(in crate::read) const PARQUET: &str = "parquet";
/// Rows for which the process may use the CPU time of [`FORMAT`].
const PIECE: usize = 256;
const FORMAT: Format =
    Format { name: "a Parquet table", seconds: 60, advice: "Write the table with smaller pages and rows, or save it as CSV" };

/// The moment from which dates and times are counted.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// A day or moment after all others, as databases write it.
const INFINITY: &str = "infinity";
/// What stands for the value of a column with intervals.
const NOT_READ: &str = "[interval: docmill does not read this type]";

/// The rows of a file.
pub(super) fn rows(path: &Path) -> Result<Rows, String> {
    let decoder = File::open(path).and_then(|file| Decoder::of_table(PARQUET, FORMAT, file));
    received(decoder.map_err(|e| e.to_string())?)
}

/// The rows that a process writes.
fn received(from: impl Read + Send + 'static) -> Result<Rows, String> {
    let mut lines = BufReader::with_capacity(1 << 16, from);
    let mut line = Vec::new();
    let mut next = move || -> Result<Option<Result<Vec<Value>, String>>, String> {
        line.clear();
        // A line has one byte more than the largest row.
        (&mut lines).take(MAX_ROW_BYTES + 1).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        // Values may be nested deeper than this process accepts.
        let invalid = |e: serde_json::Error| format!("a value cannot be read: {e}");
        Ok(match line.first() {
            None => None,
            Some(b'"') => Some(Err(serde_json::from_slice(&line).unwrap_or_else(invalid))),
            Some(_) => Some(serde_json::from_slice(&line).map_err(invalid)),
        })
    };
    let names = next()?.unwrap_or_else(|| Ok(Vec::new()))?;
    let names: Vec<Arc<str>> = names.iter().map(|name| as_text(name).into()).collect();
    let mut ended = false;
    let fields = move |values: Vec<Value>| -> Fields { names.iter().map(Arc::clone).zip(values).collect() };
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = next().transpose()?;
        ended = row.is_err();
        Some(row.map_err(|what| format!("{what}. docmill does not read the rest of the table")).flatten().map(&fields))
    })))
}

/// Writes the names of the columns, and the rows. Calls `renew` before each piece.
pub(in crate::read) fn write(
    file: impl ChunkReader + 'static,
    out: &mut impl Write,
    renew: &dyn Fn() -> io::Result<()>,
) -> Result<(), String> {
    renew().map_err(|e| e.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|e| e.to_string())?;
    let mut columns = reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    // Checked here, because otherwise every row would fail.
    let codec = columns.find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    });
    if let Some(codec) = codec {
        return Err(format!(
            "docmill does not support {codec} compression. Write the table with Zstandard, Snappy, GZIP or no compression"
        ));
    }
    let schema = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
    let mut put = |line: Value| -> io::Result<()> {
        let mut line = serde_json::to_vec(&line)?;
        if line.len() as u64 > MAX_ROW_BYTES {
            line = serde_json::to_vec(&format!("the row is longer than {} MB", MAX_ROW_BYTES / 1_000_000))?;
        }
        line.push(b'\n');
        out.write_all(&line)
    };
    let written = || -> io::Result<()> {
        put(schema.get_fields().iter().map(|field| Value::from(field.name())).collect())?;
        let mut rows = RowIter::from_file_into(Box::new(reader));
        let fields = schema.get_fields();
        let are_read: Vec<bool> = fields.iter().map(|field| !has_intervals(field)).collect();
        if are_read.contains(&false) {
            let others = fields.iter().zip(&are_read).filter(|(_, is_read)| **is_read).map(|(field, _)| Arc::clone(field)).collect();
            let projection = Type::group_type_builder(schema.name()).with_fields(others).build().map_err(io::Error::other)?;
            rows = rows.project(Some(projection)).map_err(io::Error::other)?;
        }
        let values = |row: Row| {
            let mut read = row.get_column_iter();
            let mut next = |kind| read.next().map_or(Value::Null, |(_, field)| value(field, Some(kind)));
            fields.iter().zip(&are_read).map(|(kind, is_read)| if *is_read { next(kind) } else { NOT_READ.into() }).collect()
        };
        loop {
            renew()?;
            for _ in 0..PIECE {
                // The library panics on types that it does not support, and on damage.
                let row = catch_unwind(AssertUnwindSafe(|| Some(rows.next()?.map(&values).map_err(io::Error::other))));
                let damaged = || io::Error::other("the file is damaged, or has a type that docmill does not support");
                match row.unwrap_or_else(|_| Some(Err(damaged()))) {
                    Some(row) => put(row?)?,
                    None => return Ok(()),
                }
            }
        }
    };
    written().map_err(|e| e.to_string())
}

/// A value in its usual notation.
///
/// The library's own conversion is not used, because it has these faults:
///
/// - It panics on times out of range.
/// - It shows times without a zone as numbers.
/// - It adds zones that the file does not have.
/// - It shows digits beyond the precision of a float.
fn value(field: &Field, kind: Option<&TypePtr>) -> Value {
    let logical = kind.and_then(|kind| kind.get_basic_info().logical_type_ref());
    match (field, logical) {
        (Field::Long(n) | Field::TimestampMicros(n) | Field::TimestampMillis(n), Some(LogicalType::Timestamp(written))) => {
            moment(*n, written.unit, written.is_adjusted_to_u_t_c)
        }
        // Only the oldest timestamp type (INT96) has no zone and no logical type.
        (Field::TimestampMillis(n), None) => moment(*n, TimeUnit::MILLIS, !kind.is_some_and(is_int96)),
        (Field::TimestampMicros(n), None) => moment(*n, TimeUnit::MICROS, true),
        (Field::Int(n), Some(LogicalType::Time(written))) => time_of_day(i64::from(*n), written.unit),
        (Field::Long(n), Some(LogicalType::Time(written))) => time_of_day(*n, written.unit),
        (Field::TimeMillis(n), _) => time_of_day(i64::from(*n), TimeUnit::MILLIS),
        (Field::TimeMicros(n), _) => time_of_day(*n, TimeUnit::MICROS),
        (Field::Date(i32::MAX), _) => INFINITY.into(),
        (Field::Date(n), _) if *n == -i32::MAX => format!("-{INFINITY}").into(),
        (Field::Date(n), _) => {
            let day = EPOCH.checked_add(SignedDuration::from_hours(24 * i64::from(*n)));
            day.map_or_else(|_| (*n).into(), |day| day.date().to_string().into())
        }
        (Field::Bytes(bytes), Some(LogicalType::Uuid)) if bytes.len() == 16 => uuid(bytes.data()),
        // Older programs write text as plain bytes.
        (Field::Bytes(bytes), _) => match std::str::from_utf8(bytes.data()) {
            Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => text.into(),
            _ => field.to_json_value(),
        },
        // The library writes whole decimals with a trailing point.
        (Field::Decimal(_), _) => as_text(&field.to_json_value()).trim_end_matches('.').into(),
        (Field::Float(n), _) if !n.is_finite() => not_finite(f64::from(*n)),
        (Field::Double(n), _) if !n.is_finite() => not_finite(*n),
        // The conversion to a double would add digits.
        (Field::Float(n), _) => serde_json::from_str(&n.to_string()).unwrap_or_default(),
        (Field::Group(row), _) => {
            let kinds = kind.map_or(&[][..], |kind| inside(kind));
            let named = |name: &str| kinds.iter().find(|kind| kind.name() == name);
            row.get_column_iter().map(|(name, field)| (name.clone(), value(field, named(name)))).collect()
        }
        (Field::ListInternal(list), _) => {
            let element = kind.and_then(|kind| inside(kind).first()).map(|repeated| match inside(repeated) {
                [element] => element,
                _ => repeated,
            });
            list.elements().iter().map(|field| value(field, element)).collect()
        }
        (Field::MapInternal(map), _) => {
            let pair = kind.and_then(|kind| inside(kind).first()).map_or(&[][..], |pair| inside(pair));
            map.entries().iter().map(|(key, field)| (as_text(&value(key, pair.first())), value(field, pair.get(1)))).collect()
        }
        (other, _) => other.to_json_value(),
    }
}

/// A number that JSON lacks, as a word. Programs write these words into JSON.
fn not_finite(number: f64) -> Value {
    let word = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    word.into()
}

/// The types of the fields of a group.
fn inside(kind: &TypePtr) -> &[TypePtr] {
    if kind.is_group() { kind.get_fields() } else { &[] }
}

fn is_int96(kind: &TypePtr) -> bool {
    !kind.is_group() && kind.get_physical_type() == PhysicalType::INT96
}

/// The timestamp, with the zone if it is UTC. Returns the number unchanged if it is out of range.
fn moment(number: i64, unit: TimeUnit, utc: bool) -> Value {
    let (since, form) = match unit {
        TimeUnit::MILLIS => (SignedDuration::from_millis(number), "%F %T%.3f"),
        TimeUnit::MICROS => (SignedDuration::from_micros(number), "%F %T%.6f"),
        TimeUnit::NANOS => (SignedDuration::from_nanos(number), "%F %T%.9f"),
    };
    let zone = if utc { " +00:00" } else { "" };
    match (EPOCH.checked_add(since), number) {
        (Ok(time), _) => format!("{}{zone}", time.strftime(form)).into(),
        (Err(_), i64::MAX) => INFINITY.into(),
        (Err(_), number) if number == -i64::MAX => format!("-{INFINITY}").into(),
        (Err(_), number) => number.into(),
    }
}

/// Whether a column contains intervals. The library panics on their type.
fn has_intervals(kind: &TypePtr) -> bool {
    if kind.is_group() {
        return kind.get_fields().iter().any(has_intervals);
    }
    kind.get_basic_info().converted_type() == ConvertedType::INTERVAL
}

/// The time of day. Returns the number unchanged if it is out of range.
fn time_of_day(number: i64, unit: TimeUnit) -> Value {
    let (a_second, digits) = match unit {
        TimeUnit::MILLIS => (1_000, 3),
        TimeUnit::MICROS => (1_000_000, 6),
        TimeUnit::NANOS => (1_000_000_000, 9),
    };
    let (seconds, part) = (number.div_euclid(a_second), number.rem_euclid(a_second));
    // The end of a day is a time too.
    if !(0..86_400).contains(&seconds) && (seconds, part) != (86_400, 0) {
        return number.into();
    }
    format!("{:02}:{:02}:{:02}.{part:0digits$}", seconds / 3600, seconds / 60 % 60, seconds % 60).into()
}

fn uuid(bytes: &[u8]) -> Value {
    let hyphen = |at: usize| if [4, 6, 8, 10].contains(&at) { "-" } else { "" };
    bytes.iter().enumerate().map(|(at, byte)| format!("{}{byte:02x}", hyphen(at))).collect::<String>().into()
}

#[cfg(test)]
mod tests;
