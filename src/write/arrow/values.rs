//! Collects the values of one column.

use crate::model::{Column, ColumnType, Money};
use crate::write::moment::{self, Clock};
use crate::write::row_cells::RowCell;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, DictionaryArray, ListArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Precision of money. Its scale is that of [`Money::pico`].
const PRECISION: u8 = 38;
const SCALE: i8 = 12;
/// Time zone of dates with times.
const UTC: &str = "UTC";

/// The values of one column.
pub(super) enum Values {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    DateTime(TimestampMicrosecondBuilder),
    Usd(Decimal128Builder),
    Enum(Choices),
    List(Box<Lists>),
    Object(Objects),
    /// Text as it is, and other values as JSON.
    Json(StringBuilder),
}

/// Values out of a closed list.
pub(super) struct Choices {
    all: Arc<StringArray>,
    places: HashMap<String, i32>,
    chosen: Int32Builder,
}

/// Lists of values.
pub(super) struct Lists {
    item: FieldRef,
    items: Values,
    offsets: Vec<i32>,
    valid: Vec<bool>,
}

/// Objects with the same fields.
pub(super) struct Objects {
    fields: Fields,
    values: Vec<Values>,
    valid: Vec<bool>,
}

impl Values {
    /// No values yet.
    pub fn new(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::String => Self::Text(StringBuilder::new()),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Number => Self::Number(Float64Builder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::Time => Self::Time(Time64MicrosecondBuilder::new()),
            ColumnType::DateTime => Self::DateTime(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            ColumnType::Enum(values) => Self::Enum(Choices {
                all: Arc::new(values.iter().map(Some).collect()),
                places: values.iter().cloned().zip(0..).collect(),
                chosen: Int32Builder::new(),
            }),
            ColumnType::List(kind) => {
                let items = Self::new(kind);
                let item = Arc::new(Field::new("element", items.data_type(), true));
                Self::List(Box::new(Lists { item, items, offsets: vec![0], valid: Vec::new() }))
            }
            // A format may have no objects without fields.
            ColumnType::Object(columns) if columns.is_empty() => Self::Json(StringBuilder::new()),
            ColumnType::Object(columns) => {
                let values: Vec<Self> = columns.iter().map(|column| Self::new(&column.kind)).collect();
                let fields = columns.iter().zip(&values).map(|(column, values)| field(column, values)).collect();
                Self::Object(Objects { fields, values, valid: Vec::new() })
            }
            ColumnType::Json => Self::Json(StringBuilder::new()),
        }
    }

    /// No values yet of a column of rows.
    pub fn of(column: &Column) -> Self {
        if column.unit.as_deref() == Some("USD") && column.name == "cost_usd" {
            Self::Usd(Decimal128Builder::new().with_data_type(DataType::Decimal128(PRECISION, SCALE)))
        } else {
            Self::new(&column.kind)
        }
    }

    pub fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) | Self::Json(_) => DataType::Utf8,
            Self::Integer(_) => DataType::Int64,
            Self::Number(_) => DataType::Float64,
            Self::Boolean(_) => DataType::Boolean,
            Self::Date(_) => DataType::Date32,
            Self::Time(_) => DataType::Time64(TimeUnit::Microsecond),
            Self::DateTime(_) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Usd(_) => DataType::Decimal128(PRECISION, SCALE),
            Self::Enum(_) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Self::List(lists) => DataType::List(Arc::clone(&lists.item)),
            Self::Object(objects) => DataType::Struct(objects.fields.clone()),
        }
    }

    /// Adds a cell. Returns whether the column holds it exactly.
    pub fn push_cell(&mut self, cell: &RowCell<'_>) -> bool {
        match (self, cell) {
            (values, RowCell::Value(value)) => return values.push(value),
            (Self::Text(to), RowCell::Text(text)) => to.append_value(text),
            (Self::Enum(to), RowCell::Text(text)) => return to.push(text),
            (Self::Integer(to), RowCell::Count(count)) => {
                let count = i64::try_from(*count).ok();
                to.append_option(count);
                return count.is_some();
            }
            (Self::Number(to), RowCell::Seconds(seconds)) => to.append_value(*seconds),
            (Self::Usd(to), RowCell::Usd(money)) => to.append_value(i128::from(Money::pico(*money))),
            (values, _) => values.push_null(),
        }
        true
    }

    /// Adds a value. Returns whether the column holds it exactly; if not, it gets the nearest value
    /// or null.
    pub fn push(&mut self, value: &Value) -> bool {
        match (self, value) {
            (values, Value::Null) => values.push_null(),
            (Self::Text(to) | Self::Json(to), Value::String(text)) => to.append_value(text),
            (Self::Json(to), value) => to.append_value(value.to_string()),
            (Self::Enum(to), Value::String(text)) => return to.push(text),
            (Self::Boolean(to), Value::Bool(value)) => to.append_value(*value),
            (Self::Integer(to), Value::Number(number)) => {
                let whole = whole(number);
                to.append_option(whole);
                return whole.is_some();
            }
            (Self::Number(to), Value::Number(number)) => {
                to.append_option(number.as_f64());
                return is_exact(number);
            }
            (Self::Date(to), Value::String(text)) => {
                let date = moment::date(text);
                to.append_option(date);
                return date.is_some();
            }
            (Self::Time(to), Value::String(text)) => return clock(moment::time(text), |micros| to.append_option(micros)),
            (Self::DateTime(to), Value::String(text)) => return clock(moment::date_time(text), |micros| to.append_option(micros)),
            (Self::List(to), Value::Array(items)) => return to.push(items),
            (Self::Object(to), Value::Object(fields)) => return to.push(fields),
            (values, _) => {
                values.push_null();
                return false;
            }
        }
        true
    }

    pub fn push_null(&mut self) {
        match self {
            Self::Text(to) | Self::Json(to) => to.append_null(),
            Self::Integer(to) => to.append_null(),
            Self::Number(to) => to.append_null(),
            Self::Boolean(to) => to.append_null(),
            Self::Date(to) => to.append_null(),
            Self::Time(to) => to.append_null(),
            Self::DateTime(to) => to.append_null(),
            Self::Usd(to) => to.append_null(),
            Self::Enum(to) => to.chosen.append_null(),
            Self::List(to) => {
                to.offsets.extend(to.offsets.last().copied());
                to.valid.push(false);
            }
            Self::Object(to) => {
                to.values.iter_mut().for_each(Self::push_null);
                to.valid.push(false);
            }
        }
    }

    /// Takes the values.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(from) | Self::Json(from) => Arc::new(from.finish()),
            Self::Integer(from) => Arc::new(from.finish()),
            Self::Number(from) => Arc::new(from.finish()),
            Self::Boolean(from) => Arc::new(from.finish()),
            Self::Date(from) => Arc::new(from.finish()),
            Self::Time(from) => Arc::new(from.finish()),
            Self::DateTime(from) => Arc::new(from.finish()),
            Self::Usd(from) => Arc::new(from.finish()),
            Self::Enum(from) => Arc::new(DictionaryArray::try_new(from.chosen.finish(), Arc::clone(&from.all) as ArrayRef)?),
            Self::List(from) => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut from.offsets, vec![0])));
                let valid = NullBuffer::from(std::mem::take(&mut from.valid));
                Arc::new(ListArray::try_new(Arc::clone(&from.item), offsets, from.items.finish()?, Some(valid))?)
            }
            Self::Object(from) => {
                let values = from.values.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                let valid = NullBuffer::from(std::mem::take(&mut from.valid));
                Arc::new(StructArray::try_new(from.fields.clone(), values, Some(valid))?)
            }
        })
    }
}

impl Choices {
    fn push(&mut self, text: &str) -> bool {
        let place = self.places.get(text).copied();
        self.chosen.append_option(place);
        place.is_some()
    }
}

impl Lists {
    fn push(&mut self, items: &[Value]) -> bool {
        let mut is_exact = true;
        for item in items {
            is_exact &= self.items.push(item);
        }
        // A batch has far fewer items, because its rows are read from a bounded amount of text.
        let end = self.offsets.last().copied().unwrap_or_default();
        self.offsets.push(end.saturating_add(i32::try_from(items.len()).unwrap_or(i32::MAX)));
        self.valid.push(true);
        is_exact
    }
}

impl Objects {
    fn push(&mut self, object: &Map<String, Value>) -> bool {
        let mut is_exact = object.keys().all(|key| self.fields.find(key).is_some());
        for (field, values) in self.fields.iter().zip(&mut self.values) {
            is_exact &= values.push(object.get(field.name()).unwrap_or(&Value::Null));
        }
        self.valid.push(true);
        is_exact
    }
}

/// A field with unit and description.
pub(super) fn field(column: &Column, values: &Values) -> Field {
    let told = [("unit", &column.unit), ("description", &column.description)];
    let told = told.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?)));
    Field::new(&column.name, values.data_type(), column.nullable).with_metadata(told.collect::<HashMap<_, _>>())
}

fn clock(clock: Option<Clock>, mut append: impl FnMut(Option<i64>)) -> bool {
    append(clock.map(|clock| clock.micros));
    clock.is_some_and(|clock| clock.is_exact)
}

/// A number as a whole number of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "fractions and large numbers are excluded")]
pub(crate) fn whole(number: &Number) -> Option<i64> {
    const FIRST_BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let of_float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < FIRST_BEYOND).map(|float| float as i64);
    number.as_i64().or_else(|| if number.is_f64() { of_float() } else { None })
}

/// Whether a float holds a number exactly.
#[expect(clippy::cast_possible_truncation, reason = "an i128 holds every whole number of JSON")]
pub(crate) fn is_exact(number: &Number) -> bool {
    number.as_i128().is_none_or(|whole| number.as_f64().is_some_and(|float| float as i128 == whole))
}
