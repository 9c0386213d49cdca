//! Types of columns in PostgreSQL, and values as text of COPY.
//!
//! No value is changed silently. A column starts with the type of its job. If a value does not fit,
//! the column gets a wider type: `numeric` for numbers, `text` for dates and times. Only the character
//! NUL is replaced by U+FFFD, because no PostgreSQL text can hold it.

use crate::model::{Column, ColumnType};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Bigint,
    Double,
    Numeric,
    Boolean,
    Date,
    Time,
    Timestamp,
    Jsonb,
    Bytea,
    TextArray,
    BigintArray,
    DoubleArray,
    NumericArray,
    BooleanArray,
}

/// A value that its column cannot hold, which needs this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misfit(pub Type);

/// The largest integer below which doubles hold all integers.
const EXACT: u64 = 1 << 53;

/// Longest name in bytes.
const NAME: usize = 63;

impl Type {
    const ALL: [Self; 15] = [
        Self::Text,
        Self::Bigint,
        Self::Double,
        Self::Numeric,
        Self::Boolean,
        Self::Date,
        Self::Time,
        Self::Timestamp,
        Self::Jsonb,
        Self::Bytea,
        Self::TextArray,
        Self::BigintArray,
        Self::DoubleArray,
        Self::NumericArray,
        Self::BooleanArray,
    ];

    /// The type of a result column.
    pub fn of(column: &Column) -> Self {
        match &column.kind {
            ColumnType::String | ColumnType::Enum(_) => Self::Text,
            ColumnType::Integer => Self::Bigint,
            // Amounts of money are decimal numbers.
            ColumnType::Number if column.unit.as_deref() == Some("USD") => Self::Numeric,
            ColumnType::Number => Self::Double,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date,
            ColumnType::Time => Self::Time,
            ColumnType::DateTime => Self::Timestamp,
            ColumnType::List(items) => match **items {
                ColumnType::String | ColumnType::Enum(_) | ColumnType::Date | ColumnType::Time | ColumnType::DateTime => Self::TextArray,
                ColumnType::Integer => Self::BigintArray,
                ColumnType::Number => Self::DoubleArray,
                ColumnType::Boolean => Self::BooleanArray,
                ColumnType::List(_) | ColumnType::Object(_) | ColumnType::Json => Self::Jsonb,
            },
            // Columns of tables that the settings keep are mostly text.
            ColumnType::Json => Self::Text,
            ColumnType::Object(_) => Self::Jsonb,
        }
    }

    /// Its name, as PostgreSQL shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bigint => "bigint",
            Self::Double => "double precision",
            Self::Numeric => "numeric",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::Jsonb => "jsonb",
            Self::Bytea => "bytea",
            Self::TextArray => "text[]",
            Self::BigintArray => "bigint[]",
            Self::DoubleArray => "double precision[]",
            Self::NumericArray => "numeric[]",
            Self::BooleanArray => "boolean[]",
        }
    }

    /// The type with this name.
    pub fn named(name: &str) -> Option<Self> {
        if name == "character varying" {
            return Some(Self::Text);
        }
        Self::ALL.into_iter().find(|own| own.name() == name)
    }

    /// Whether a column of this type holds all values of a column of type `other`.
    pub fn holds(self, other: Self) -> bool {
        let is_wider = match self {
            Self::Numeric => matches!(other, Self::Bigint | Self::Double),
            Self::NumericArray => matches!(other, Self::BigintArray | Self::DoubleArray),
            Self::Text | Self::Jsonb => other != Self::Bytea,
            _ => false,
        };
        is_wider || self == other
    }

    /// Adds a value as text of COPY.
    pub fn copy(self, value: &Value, line: &mut String) -> Result<(), Misfit> {
        match (self, value) {
            (_, Value::Null) => line.push_str("\\N"),
            (Self::Jsonb, value) => escaped(&json(value), line),
            (Self::TextArray | Self::BigintArray | Self::DoubleArray | Self::NumericArray | Self::BooleanArray, Value::Array(items)) => {
                let mut list = String::from("{");
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        list.push(',');
                    }
                    self.item(item, &mut list)?;
                }
                list.push('}');
                escaped(&list, line);
            }
            (_, value) => escaped(&self.plain(value)?, line),
        }
        Ok(())
    }

    /// Adds an item of a list.
    fn item(self, item: &Value, list: &mut String) -> Result<(), Misfit> {
        if item.is_null() {
            list.push_str("NULL");
            return Ok(());
        }
        let (of_items, wider) = match self {
            Self::BigintArray => (Self::Bigint, Self::NumericArray),
            Self::DoubleArray => (Self::Double, Self::NumericArray),
            Self::NumericArray => (Self::Numeric, Self::Jsonb),
            Self::BooleanArray => (Self::Boolean, Self::Jsonb),
            _ => (Self::Text, Self::Jsonb),
        };
        let text = of_items.plain(item).map_err(|_| Misfit(wider))?;
        list.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                list.push('\\');
            }
            list.push(c);
        }
        list.push('"');
        Ok(())
    }

    /// A value as text of its type.
    fn plain(self, value: &Value) -> Result<Cow<'_, str>, Misfit> {
        Ok(match (self, value) {
            (Self::Text, Value::String(text)) => without_nul(text),
            (Self::Text, other) => Cow::Owned(json(other)),
            (Self::Boolean, Value::Bool(value)) => Cow::Borrowed(if *value { "t" } else { "f" }),
            (Self::Bigint, Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Cow::Owned(integer.to_string()),
                // A whole number that is written as 5.0.
                (None, Some(float)) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT as f64 => {
                    Cow::Owned(format!("{float:.0}"))
                }
                _ => return Err(Misfit(Self::Numeric)),
            },
            (Self::Double, Value::Number(number)) => {
                if number.is_f64() || number.as_i64().is_some_and(|integer| integer.unsigned_abs() <= EXACT) {
                    Cow::Owned(number.to_string())
                } else {
                    return Err(Misfit(Self::Numeric));
                }
            }
            (Self::Numeric, Value::Number(number)) => Cow::Owned(number.to_string()),
            // Sums of money are computed as decimal text.
            (Self::Numeric, Value::String(decimal)) if decimal.bytes().all(|b| b.is_ascii_digit() || b == b'.') => Cow::Borrowed(decimal),
            (Self::Bytea, Value::String(hex)) => Cow::Owned(format!("\\x{hex}")),
            (Self::Date, Value::String(text)) if fits_date(text) => Cow::Borrowed(text),
            (Self::Time, Value::String(text)) if fits_time(text) => Cow::Borrowed(text),
            (Self::Timestamp, Value::String(text))
                if without_utc(text).split_once('T').is_some_and(|(date, time)| fits_date(date) && fits_time(time)) =>
            {
                Cow::Borrowed(without_utc(text))
            }
            (Self::Bigint | Self::Double | Self::Numeric | Self::Boolean, _) => return Err(Misfit(Self::Text)),
            (Self::Date | Self::Time | Self::Timestamp, _) => return Err(Misfit(Self::Text)),
            // Lists that are no lists.
            _ => return Err(Misfit(Self::Jsonb)),
        })
    }
}

/// PostgreSQL has no year 0.
fn fits_date(text: &str) -> bool {
    !text.starts_with("0000")
}

/// A date and time without `Z`. The times of a column are in UTC.
fn without_utc(text: &str) -> &str {
    text.strip_suffix('Z').unwrap_or(text)
}

/// Whether a time has neither an offset, which its column would lose, nor more digits than
/// microseconds, nor a leap second.
fn fits_time(text: &str) -> bool {
    let has_offset = text.contains(['Z', '+', '-']);
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    !has_offset && digits <= 6 && text.split(':').nth(2).is_none_or(|seconds| !seconds.starts_with("60"))
}

/// JSON without NUL characters.
fn json(value: &Value) -> String {
    let text = value.to_string();
    if text.contains("\\u0000") { replaced(value).to_string() } else { text }
}

/// Replaces NUL characters in all texts.
fn replaced(value: &Value) -> Value {
    match value {
        Value::String(text) => without_nul(text).into(),
        Value::Array(items) => items.iter().map(replaced).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (without_nul(key).into_owned(), replaced(value))).collect(),
        other => other.clone(),
    }
}

pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Adds text with the escapes of COPY.
pub(super) fn escaped(text: &str, line: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c => line.push(c),
        }
    }
}

/// The key of a document. Names that an index of PostgreSQL cannot hold are shortened, and end with
/// their digest.
pub(super) fn key(document: &str) -> Cow<'_, str> {
    const LONGEST: usize = 2000;
    if document.len() <= LONGEST && !document.contains('\0') {
        return Cow::Borrowed(document);
    }
    let mut end = document.len().min(LONGEST);
    while !document.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…{}", without_nul(&document[..end]), blake3::hash(document.as_bytes()).to_hex()))
}

/// A name that PostgreSQL does not cut.
pub(super) fn shortened(name: &str) -> String {
    if name.len() <= NAME {
        return name.to_owned();
    }
    let mut end = NAME - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = name[..end].to_owned();
    let _infallible = write!(short, "_{}", &blake3::hash(name.as_bytes()).to_hex()[..8]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn copied(kind: Type, value: &Value) -> Result<String, Type> {
        let mut line = String::new();
        kind.copy(value, &mut line).map(|()| line).map_err(|Misfit(wider)| wider)
    }

    #[test]
    fn a_value_that_does_not_fit_names_a_wider_type() {
        let ok = |text: &str| Ok(text.to_owned());
        for (kind, value, expected) in [
            (Type::Bigint, json!(i64::MIN), ok("-9223372036854775808")),
            (Type::Bigint, json!(u64::MAX), Err(Type::Numeric)),
            (Type::Bigint, json!(5.0), ok("5")),
            (Type::Bigint, json!(1e30), Err(Type::Numeric)),
            (Type::Numeric, json!(u64::MAX), ok("18446744073709551615")),
            (Type::Numeric, json!("0.000000000012"), ok("0.000000000012")),
            (Type::Double, json!(0.1), ok("0.1")),
            (Type::Double, json!(9_007_199_254_740_993_i64), Err(Type::Numeric)),
            (Type::Text, json!("a\tb\\c\nd\re\0"), ok("a\\tb\\\\c\\nd\\re\u{fffd}")),
            (Type::Text, json!(""), ok("")),
            (Type::Text, Value::Null, ok("\\N")),
            (Type::Text, json!("\\N"), ok("\\\\N")),
            (Type::Boolean, json!(true), ok("t")),
            (Type::Date, json!("2026-02-28"), ok("2026-02-28")),
            (Type::Date, json!("0000-01-01"), Err(Type::Text)),
            (Type::Time, json!("14:30"), ok("14:30")),
            (Type::Time, json!("14:30+01:00"), Err(Type::Text)),
            (Type::Time, json!("14:30:60"), Err(Type::Text)),
            (Type::Time, json!("14:30:05.1234567"), Err(Type::Text)),
            (Type::Timestamp, json!("2026-02-28T14:30:05.25"), ok("2026-02-28T14:30:05.25")),
            (Type::Timestamp, json!("2026-02-28T14:30Z"), ok("2026-02-28T14:30")),
            (Type::Timestamp, json!("2026-02-28T14:30+01:00"), Err(Type::Text)),
            (Type::TextArray, json!(["a", null, "b\"\\,{}"]), ok("{\"a\",NULL,\"b\\\\\"\\\\\\\\,{}\"}")),
            (Type::BigintArray, json!([1, u64::MAX]), Err(Type::NumericArray)),
            (Type::BigintArray, json!([]), ok("{}")),
            (Type::Jsonb, json!({"a": "\0\n"}), ok("{\"a\":\"\u{fffd}\\\\n\"}")),
        ] {
            assert_eq!(copied(kind, &value), expected, "{kind:?} {value}");
        }
    }

    #[test]
    fn names_that_postgres_would_cut_stay_different() {
        let (one, other) = (shortened(&"ü".repeat(40)), shortened(&format!("{}x", "ü".repeat(40))));
        assert!(one.len() <= NAME && other.len() <= NAME && one != other, "{one} {other}");
        assert_eq!(shortened("plain"), "plain");
        assert_eq!(key("a/b.txt"), "a/b.txt");
        let (one, other) = ("x".repeat(3000), format!("{}y", "x".repeat(2999)));
        assert!(key(&one) != key(&other) && key(&one).len() < 2200 && key("a\0") != key("b\0"));
    }
}
