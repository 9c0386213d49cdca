//! Typed columns of results.

use super::{Row, RowStatus};
use serde::{Deserialize, Serialize};

/// A column of results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredColumn")]
pub struct Column {
    /// Its name, unique among the columns of a job.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether rows may have no value. Answers are always nullable, because documents can fail.
    pub nullable: bool,
    /// Unit of its values: `USD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Description of its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Type of the values of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text.
    String,
    /// A number without a fraction.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An ISO 8601 date: `2026-11-29`.
    Date,
    /// An ISO 8601 time: `14:30`, `14:30:05.5`, `14:30+01:00`. Seconds and offset are optional.
    Time,
    /// An ISO 8601 date and time, with `T` between them: `2026-11-29T14:30Z`. Without an
    /// offset it counts as UTC.
    DateTime,
    /// One of these texts.
    Enum(Vec<String>),
    /// A list of values of one type.
    List(Box<Self>),
    /// An object with these fields, in this order.
    Object(Vec<Column>),
    /// Any JSON value.
    Json,
}

/// A job and the columns of its results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobColumns {
    /// Name of the job.
    pub name: String,
    /// Digest of the job. Runs of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its own columns, between the columns that all jobs share.
    pub columns: Vec<Column>,
}

impl Column {
    /// A nullable column without unit and description.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self { name: name.into(), kind, nullable: true, unit: None, description: None }
    }

    fn described(self, description: &str) -> Self {
        Self { description: Some(description.to_owned()), ..self }
    }

    fn required(self) -> Self {
        Self { nullable: false, ..self }
    }

    fn in_unit(self, unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..self }
    }
}

/// A column as stored. Earlier versions of docmill stored only its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredColumn {
    Name(String),
    Typed {
        name: String,
        #[serde(rename = "type")]
        kind: ColumnType,
        nullable: bool,
        unit: Option<String>,
        description: Option<String>,
    },
}

impl From<StoredColumn> for Column {
    fn from(stored: StoredColumn) -> Self {
        match stored {
            StoredColumn::Name(name) => Self::new(name, ColumnType::Json),
            StoredColumn::Typed { name, kind, nullable, unit, description } => Self { name, kind, nullable, unit, description },
        }
    }
}

impl Row {
    /// The column of typed formats with values that other columns do not hold exactly.
    pub const EXACT_VALUES: &str = "exact_values";

    /// Columns of all jobs before the answers.
    pub fn first_columns() -> [Column; 3] {
        let status = RowStatus::ALL.map(|status| status.as_str().to_owned());
        [
            Column::new("index", ColumnType::Integer).required().described("position in input order, from 0"),
            Column::new("document", ColumnType::String).required().described("name of the document"),
            Column::new("status", ColumnType::Enum(status.into())).required().described("outcome of the document"),
        ]
    }

    /// Columns of all jobs after the answers.
    pub fn last_columns() -> [Column; 13] {
        let text = |name, description| Column::new(name, ColumnType::String).described(description);
        let count = |name, description| Column::new(name, ColumnType::Integer).required().described(description);
        let tokens = |name, description| count(name, description).in_unit("tokens");
        [
            text("provider", "provider that was asked").required(),
            text("model", "model that was requested").required(),
            text("failure_code", "code of the failure"),
            text("failure_message", "why something is missing"),
            text("input_note", "remark on the sent document"),
            text("repaired", "repairs made without asking again, separated by commas"),
            count("calls", "calls of the document"),
            count("attempts", "HTTP requests of its calls"),
            tokens("input_tokens", "input of all attempts, cached tokens included"),
            tokens("cached_tokens", "input that the provider read from its cache"),
            tokens("output_tokens", "output of all attempts"),
            Column::new("cost_usd", ColumnType::Number).in_unit("USD").described("cost of all attempts; no value if a price is unknown"),
            Column::new("seconds", ColumnType::Number).required().in_unit("s").described("time of all requests together"),
        ]
    }
}

impl JobColumns {
    /// Returns the columns of job `name`; empty if the job is missing.
    pub fn of(jobs: &[Self], name: &str) -> Self {
        jobs.iter().find(|job| job.name == name).cloned().unwrap_or_else(|| Self {
            name: name.to_owned(),
            digest: None,
            columns: Vec::new(),
        })
    }

    /// All columns of a row, in order.
    pub fn all(&self) -> impl Iterator<Item = Column> {
        Row::first_columns().into_iter().chain(self.columns.iter().cloned()).chain(Row::last_columns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_columns_survive_the_store() {
        let score = Column::new("score", ColumnType::Integer).in_unit("points").described("how good it is");
        let tags = Column::new("tags", ColumnType::List(Box::new(ColumnType::Enum(vec!["a".into(), "b".into()]))));
        let maker = Column::new("maker", ColumnType::Object(vec![Column::new("since", ColumnType::Date), tags.clone()]));
        let sent = Column::new("sent", ColumnType::DateTime);
        let job = JobColumns {
            name: "text".into(),
            digest: Some("ab".into()),
            columns: vec![score, tags, maker, sent, Column::new("detail", ColumnType::Json)],
        };
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<JobColumns>(&text).unwrap(), job, "{text}");
    }

    #[test]
    fn a_store_of_an_earlier_version_has_columns_of_any_type() {
        let job: JobColumns = serde_json::from_str(r#"{"name": "text", "columns": ["summary"]}"#).unwrap();
        assert_eq!(job.columns, [Column::new("summary", ColumnType::Json)]);
    }
}
