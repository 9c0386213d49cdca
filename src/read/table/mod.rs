//! Tables: each row is a document.
//!
//! Rows stream, however large the table is. The content decides the format. A row that cannot be
//! read is a failed document, and the others continue. A row is identified by its content, so rows
//! may move (see [`Table::holds`]).

mod csv_rows;
mod json_rows;
mod json_text;
mod line;
mod names;
pub(super) mod parquet_rows;
mod quotes;
mod repeats;

pub(super) use line::{missing_columns, row_of_line};
pub use names::is_table_name;
pub use names::is_workbook_name;

use super::compressed::{Packed, Source};
use super::record::{RowColumns, is_made_up};
use super::sheet;
use super::text::{SAMPLE, Text, not_text};
use crate::model::{Digest, Failure, FailureCode, Place, Stamp, TableRow, UNNAMED_ROW};
use parking_lot::Mutex;
use repeats::{Repeats, SharedIds, mark};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::{Arc, OnceLock};

/// The largest row, in bytes. A few rows are in memory before the memory budget counts them.
const MAX_ROW_BYTES: u64 = 16_000_000;

/// The names and values of a row, in table order.
type Fields = Vec<(Arc<str>, Value)>;
/// Rows. The error of a row describes the fault and its position.
type Rows = Box<dyn Iterator<Item = Result<Fields, String>> + Send>;

/// The roles of columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    /// The column with the text of the document; `None`: all columns.
    pub text: Option<String>,
    /// The column with the id of the row; `None`: its number.
    pub id: Option<String>,
    /// Columns that are copied to the results.
    pub keep: Vec<String>,
    /// Columns that templates use; `None`: all columns.
    pub used: Option<Vec<String>>,
}

/// An open table whose format is known.
#[derive(Debug)]
pub(super) struct Table {
    source: Source,
    form: Form,
    columns: Columns,
    /// The columns of the first rows.
    names: BTreeSet<Arc<str>>,
    /// For a workbook: its sheets. docmill reads the first one.
    sheets: Vec<String>,
    /// The stamp of the file.
    stamp: Option<String>,
    /// Hashes of name and content of all rows, computed when first needed.
    present: OnceLock<HashSet<u64>>,
    /// Marks of the names of all rows.
    row_names: OnceLock<HashSet<u64>>,
    /// Ids that occur more than once.
    repeats: Arc<Mutex<Repeats>>,
    /// Ids that other tables have too; `None` if there are no such tables.
    shared: Option<Arc<SharedIds>>,
}

/// The format of a table.
#[derive(Debug, Clone, Copy)]
enum Form {
    Delimited {
        text: Text,
        delimiter: u8,
    },
    JsonLines {
        text: Text,
    },
    /// An array of objects, or objects over several lines.
    Json {
        text: Text,
    },
    /// Rows of a workbook as JSON lines.
    Sheet,
    Parquet,
}

impl Table {
    /// Opens the table called `given`; `-` is standard input.
    ///
    /// A run reads its input more than once, so standard input is saved in a temporary file first.
    pub fn open(given: &str, columns: &Columns) -> Result<Self, String> {
        let (file, sheet) = sheet::file_and_sheet(given);
        let source = Source::open(file).map_err(|e| format!("table {given}: {e}"))?;
        let stamp = stamp_of(source.packed.path());
        if let Some(rows) = sheet::rows(source.packed.path(), sheet, columns.id.as_deref()).map_err(|e| format!("table {given}: {e}"))? {
            return Self::checked(given, Source::temporary(rows.file), Form::Sheet, columns, rows.sheets, stamp);
        }
        let say = |e: io::Error| format!("table {given}: {e}");
        let sample = source.packed.sample(SAMPLE).map_err(say)?;
        if sample.is_empty() {
            return Err(format!("table {given} is empty"));
        }
        let form = Form::of(&sample, &source.packed).map_err(|what| format!("table {given}: {what}"))?;
        Self::checked(given, source, form, columns, Vec::new(), stamp)
    }

    /// Builds the table and checks its columns.
    fn checked(
        given: &str,
        source: Source,
        form: Form,
        columns: &Columns,
        sheets: Vec<String>,
        stamp: Option<String>,
    ) -> Result<Self, String> {
        let mut table = Self {
            source,
            form,
            columns: columns.clone(),
            names: BTreeSet::new(),
            present: OnceLock::new(),
            row_names: OnceLock::new(),
            repeats: Arc::default(),
            shared: None,
            sheets,
            stamp,
        };
        table.check(given)?;
        Ok(table)
    }

    /// Reads the first rows and checks that the configured columns exist.
    fn check(&mut self, given: &str) -> Result<(), String> {
        let rows = self.rows().map_err(|e| format!("table {given}: {e}"))?;
        // Unreadable rows have no columns to check. They become failed documents later.
        let mut sound = rows.take(100).filter_map(Result::ok);
        let Some(first) = sound.next() else { return Ok(()) };
        self.names = sound.chain([first.clone()]).flatten().map(|(name, _)| name).collect();
        let there: Vec<&str> = first.iter().map(|(name, _)| &**name).collect();
        if let Some((at, twice)) = there.iter().enumerate().find(|(at, name)| there[..*at].contains(name)) {
            return Err(format!("table {given}: column {} has the same name as another column: \"{twice}\". Rename one", at + 1));
        }
        let Columns { text, id, keep, used } = &self.columns;
        let others = id.iter().chain(keep).chain(used.as_deref().unwrap_or_default());
        // A JSON object may lack fields of others, so only the text column must be in the first
        // row.
        let is_json = matches!(self.form, Form::JsonLines { .. } | Form::Json { .. });
        let mut asked = text.iter().chain(others.filter(|_| !is_json));
        match asked.find(|name| !there.contains(&name.as_str())) {
            Some(missing) => Err(format!("table {given} has no column \"{missing}\"; expected one of {}", there.join(", "))),
            None => Ok(()),
        }
    }

    /// Whether the first rows are well-formed and have several columns.
    pub fn is_regular(&self) -> bool {
        let sound = || self.rows().is_ok_and(|rows| rows.take(100).all(|row| row.is_ok()));
        (self.names.len() > 1 || !matches!(self.form, Form::Delimited { .. })) && sound()
    }

    /// A digest of the columns, if rows have ids. Tables with equal digests share ids.
    pub fn known_by_ids(&self) -> Option<String> {
        let id = self.columns.id.as_ref()?;
        Some(Digest::of(format!("{id:?} {:?}", self.names).as_bytes()).to_string()[..16].to_owned())
    }

    /// The columns that make rows documents.
    pub fn read_by(&self) -> RowColumns {
        RowColumns { id: self.columns.id.clone(), text: self.columns.text.clone() }
    }

    /// Shares ids with other tables of the same columns. `number` identifies this table.
    pub fn share_ids(&mut self, number: usize, first: Arc<repeats::FirstTables>) {
        self.shared = Some(Arc::new(SharedIds::new(number, first)));
    }

    /// Notes on repeated ids among the rows read so far. Covers this table, and tables that share
    /// its ids.
    pub fn repeated_ids(&self, given: &str) -> Vec<String> {
        let own = self.repeats.lock().in_one_table(given);
        own.into_iter().chain(self.shared.as_ref().and_then(|shared| shared.repeats(given))).collect()
    }

    /// The stamp of the file.
    pub fn stamp(&self) -> Option<String> {
        self.stamp.clone()
    }

    /// A note on the sheet that is read. `None` if the workbook has only one, or the user named it.
    pub fn note(&self, given: &str) -> Option<String> {
        let [first, others @ ..] = &*self.sheets else { return None };
        let names = others.join(", ");
        (!others.is_empty() && sheet::file_and_sheet(given).1.is_none()).then(|| {
            format!("{given}: docmill reads only sheet {first}. The others are {names}: --rows '{given}#{}' reads one of them", others[0])
        })
    }

    fn rows(&self) -> Result<Rows, String> {
        match self.form {
            Form::Delimited { text, delimiter } => csv_rows::rows(&self.source.packed, text, delimiter),
            Form::JsonLines { text } => json_rows::rows(&self.source.packed, text),
            Form::Json { text } => json_rows::objects(&self.source.packed, text),
            Form::Sheet => json_rows::rows(&self.source.packed, Text::UTF_8),
            Form::Parquet => parquet_rows::rows(self.source.packed.path()),
        }
    }

    /// All rows as documents with the names `prefix#id`.
    pub fn documents(&self, prefix: &str) -> impl Iterator<Item = (String, Place, Option<Failure>)> + Send + use<> {
        let rows = self.rows().unwrap_or_else(|e| Box::new(std::iter::once(Err(e))));
        let (columns, prefix) = (self.columns.clone(), prefix.to_owned());
        let (mut seen, mut repeated, repeats) = (HashMap::new(), 0, Arc::clone(&self.repeats));
        let (shared, mut elsewhere) = (self.shared.clone(), 0);
        rows.zip(1_u64..).map(move |(row, number)| match row {
            Ok(fields) => {
                let (id, name) = columns.id_of(&fields, number, &mut seen);
                if let Some(shared) = &shared
                    && !is_made_up(&id)
                    && shared.is_elsewhere(&id)
                {
                    elsewhere += 1;
                    shared.note(elsewhere, id.clone());
                }
                if id != name {
                    repeated += 1;
                    repeats.lock().note(repeated, id);
                }
                let name = format!("{prefix}#{name}");
                (name, Place::Row(Box::new(columns.row(fields))), None)
            }
            Err(what) => {
                let name = format!("{prefix}#{}", columns.id_of(&Vec::new(), number, &mut seen).1);
                let failure = Failure::new(FailureCode::Undecodable, format!("cannot read this row: {prefix}: {what}"));
                (name, Place::Row(Box::new(columns.row(Vec::new()))), Some(failure))
            }
        })
    }

    /// One item per row. The iterator may be dropped early.
    pub fn count(&self) -> impl Iterator<Item = ()> {
        self.rows().into_iter().flatten().map(|_| ())
    }

    /// The reason why the table has no rows.
    pub fn without_rows(&self) -> &'static str {
        match self.form {
            Form::Delimited { .. } => "the table has no rows (its first line names the columns)",
            Form::Sheet => "the sheet has no rows (its first row names the columns)",
            Form::JsonLines { .. } | Form::Json { .. } => "the table has no JSON objects",
            Form::Parquet => "the table has no rows",
        }
    }

    /// Whether a row called `name` has this content. The first call reads the whole table.
    pub fn holds(&self, prefix: &str, name: &str, digest: Digest) -> bool {
        let all = || {
            let rows =
                self.documents(prefix).filter_map(|(name, place, _)| if let Place::Row(row) = place { Some((name, row)) } else { None });
            rows.flat_map(|(name, row)| [Some(row.digest), row.typed_digest].into_iter().flatten().map(move |digest| mark(&name, digest)))
                .collect()
        };
        self.present.get_or_init(all).contains(&mark(name, digest))
    }

    /// Whether there is a row called `name`. The first call reads the whole table.
    pub fn has_row(&self, prefix: &str, name: &str) -> bool {
        let all = || self.documents(prefix).map(|(name, _, _)| mark(&name, Digest([0; 32]))).collect();
        self.row_names.get_or_init(all).contains(&mark(name, Digest([0; 32])))
    }
}

fn stamp_of(path: &std::path::Path) -> Option<String> {
    super::stamp::stamp_of(path).map(|stamp| format!("{} {} {}", stamp.size, stamp.modified_ns, stamp.changed_ns))
}

impl Form {
    fn of(sample: &[u8], file: &Packed) -> Result<Self, String> {
        if sample.starts_with(b"PAR1") && !file.is_packed() {
            return Ok(Self::Parquet);
        }
        if let Some(what) = not_text(sample) {
            return Err(format!("this is {what}, not a table. Save it as CSV, TSV, JSON, Parquet or a workbook"));
        }
        let text = Text::of(file, sample).map_err(|e| e.to_string())?;
        let beginning = text.beginning(sample);
        let beginning = beginning.trim_start();
        if json_text::is_array(beginning) || json_text::is_over_lines(beginning) {
            return Ok(Self::Json { text });
        }
        if beginning.starts_with('{') {
            return Ok(Self::JsonLines { text });
        }
        let by_name = ["tsv", "tab"].contains(&&*file.extension());
        let header = beginning.split(['\n', '\r']).next().unwrap_or_default();
        let outside_quotes = || header.split('"').step_by(2);
        let times = |delimiter: &u8| outside_quotes().flat_map(str::bytes).filter(|byte| byte == delimiter).count();
        // If counts are equal, the last delimiter wins.
        let most = [b'|', b';', b'\t', b','].into_iter().max_by_key(times);
        Ok(Self::Delimited { text, delimiter: if by_name { b'\t' } else { most.unwrap_or(b',') } })
    }
}

impl Columns {
    /// The id and the name of a row. The name of a repeated id gets a number appended.
    fn id_of(&self, fields: &Fields, number: u64, seen: &mut HashMap<u64, u32>) -> (String, String) {
        // Row numbers never repeat.
        let Some(column) = &self.id else { return (number.to_string(), number.to_string()) };
        let id = fields.iter().find(|(name, _)| **name == **column).map(|(_, value)| as_id(value)).unwrap_or_default();
        let id = if id.is_empty() { format!("{UNNAMED_ROW}{number})") } else { id };
        let hash = |name: &str| mark(name, Digest([0; 32]));
        let mut name = id.clone();
        // A generated name may equal another row's id.
        while let Some(times) = seen.get(&hash(&name)).copied() {
            let times = if name == id { times + 1 } else { seen.get(&hash(&id)).copied().unwrap_or(times) + 1 };
            seen.insert(hash(&id), times);
            name = format!("{id}~{times}");
        }
        seen.insert(hash(&name), 1);
        (id, name)
    }

    fn row(&self, fields: Fields) -> TableRow {
        let text = match &self.text {
            Some(column) => fields.iter().find(|(name, _)| **name == **column).map(|(_, value)| as_text(value)).unwrap_or_default(),
            None => {
                let filled = fields.iter().filter(|(_, value)| !matches!(value, Value::Null));
                filled.fold(String::new(), |text, (name, value)| text + name + ": " + &as_text(value) + "\n")
            }
        };
        let is_used = |name: &str| self.used.as_ref().is_none_or(|used| used.iter().any(|column| column == name));
        let mut hashes: [blake3::Hasher; 4] = std::array::from_fn(|_| blake3::Hasher::new());
        for hash in &mut hashes {
            hash.update(text.as_bytes());
        }
        let [mut content, mut typed, mut whole, mut typed_whole] = hashes;
        let mut columns = Map::new();
        for (name, value) in fields {
            let written = format!("\0{name}\0{value}");
            let is_kept = self.keep.iter().any(|column| **column == *name);
            let is_passed_on = is_used(&name) || is_kept;
            let is_id = value.is_number() && self.id.as_deref() == Some(&*name);
            let plain = format!("\0{name}\0{}", Value::String(if is_id { as_id(&value) } else { as_text(&value) }));
            // Another version of the table may write a number as text. Only results that keep the
            // column show the difference.
            whole.update(if is_kept { written.as_bytes() } else { plain.as_bytes() });
            typed_whole.update(if is_id && !is_passed_on { plain.as_bytes() } else { written.as_bytes() });
            if is_used(&name) {
                content.update(format!("\0{name}\0{}", Value::String(as_text(&value))).as_bytes());
                typed.update(written.as_bytes());
            }
            if is_passed_on {
                columns.insert((*name).to_owned(), value);
            }
        }
        let text = text.into_bytes();
        let [stamp, typed_stamp] = [whole, typed_whole].map(|hash| stamp(text.len() as u64, hash.finalize().as_bytes()));
        let [digest, typed] = [content, typed].map(|hash| Digest(*hash.finalize().as_bytes()));
        TableRow {
            text,
            columns,
            digest,
            typed_digest: (typed != digest).then_some(typed),
            stamp,
            typed_stamp: (typed_stamp != stamp).then_some(typed_stamp),
        }
    }
}

fn stamp(size: u64, hash: &[u8; 32]) -> Stamp {
    let (parts, _) = hash.as_chunks::<8>();
    Stamp { size, modified_ns: i64::from_le_bytes(parts[0]), changed_ns: i64::from_le_bytes(parts[1]) }
}

/// A value as an id.
///
/// Programs without nullable integers write integers as `3.0`, and others add blanks around them.
fn as_id(value: &Value) -> String {
    let text = as_text(value);
    let whole = text.split_once('.').filter(|(_, fraction)| value.is_number() && fraction.bytes().all(|digit| digit == b'0'));
    whole.map_or_else(|| text.trim(), |(whole, _)| whole).to_owned()
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
