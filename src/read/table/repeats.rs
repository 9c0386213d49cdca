//! Ids that occur more than once in a table or run.

use crate::model::Digest;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Ids that occurred before.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    rows: u64,
    /// The first of these ids.
    examples: Vec<String>,
}

/// Maximum number of examples in a note.
const EXAMPLES: usize = 3;

impl Repeats {
    /// Notes the `number`th row with an id that occurred before. A table may be read again: each
    /// number counts once.
    pub fn note(&mut self, number: u64, id: String) {
        self.rows = self.rows.max(number);
        if self.examples.len() < EXAMPLES && !self.examples.contains(&id) {
            self.examples.push(id);
        }
    }

    /// Describes ids that repeat within one table, for the user.
    pub fn in_one_table(&self, given: &str) -> Option<String> {
        let (have, example, examples) = self.parts()?;
        Some(format!(
            "table {given}: {have} an id that an earlier row has ({examples}). Each row is a document: the second is \
                called {example}~2. In a later table that you add, the second row with this id replaces {example}~2"
        ))
    }

    fn parts(&self) -> Option<(String, &str, String)> {
        let have = if self.rows == 1 { "1 row has".to_owned() } else { format!("{} rows have", self.rows) };
        Some((have, self.examples.first()?, self.examples.join(", ")))
    }
}

/// The table in which each id occurred first.
pub(in crate::read) type FirstTables = Mutex<HashMap<u64, usize>>;

/// Ids of a table that shares its columns with other tables.
#[derive(Debug)]
pub(super) struct SharedIds {
    table: usize,
    first: Arc<FirstTables>,
    repeats: Mutex<Repeats>,
}

impl SharedIds {
    pub fn new(table: usize, first: Arc<FirstTables>) -> Self {
        Self { table, first, repeats: Mutex::default() }
    }

    /// Whether another table has had this id before.
    pub fn is_elsewhere(&self, id: &str) -> bool {
        let mut first = self.first.lock();
        *first.entry(mark(id, Digest([0; 32]))).or_insert(self.table) != self.table
    }

    /// Notes the `number`th row whose id another table has.
    pub fn note(&self, number: u64, id: String) {
        self.repeats.lock().note(number, id);
    }

    /// Describes ids that other tables have too, for the user.
    pub fn repeats(&self, given: &str) -> Option<String> {
        let repeats = self.repeats.lock();
        let (have, _, examples) = repeats.parts()?;
        Some(format!(
            "table {given}: {have} an id that another table of this run has ({examples}). Each row is a document. If \
                they are versions of one row, run over the first table alone, and over each later one with --add"
        ))
    }
}

/// Hashes a name and a content to a number.
pub(super) fn mark(name: &str, digest: Digest) -> u64 {
    let mut hash = blake3::Hasher::new();
    hash.update(&digest.0).update(name.as_bytes());
    hash.finalize().as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
