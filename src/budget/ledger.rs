//! The ledger of a budget service: what was granted, in a file that only grows.
//!
//! A grant is durable before its process learns of it. So a service that was killed never grants more
//! than the cap after its restart. When the file is opened, records of ended runs become one sum.

use super::purse::Record;
use crate::model::Money;
use crate::system::{beside, make_directory, make_durable, open_own};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The ledger, open for one service.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines that are durable.
    length: u64,
    /// Lines since the file was written anew.
    lines: u64,
    /// Records that could not be written yet.
    unwritten: Vec<Record>,
    _lock: File,
}

/// What a ledger holds.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Spent by runs that have ended.
    pub earlier: Money,
    /// Runs that may still spend.
    pub records: Vec<Record>,
    /// Whether a service has used the ledger before.
    pub is_old: bool,
}

impl Kept {
    /// Records of ended runs become one sum. A running service still knows them, so this is done when it
    /// begins, and never later.
    fn folded(self) -> Self {
        let (ended, records): (Vec<Record>, Vec<Record>) = self.records.into_iter().partition(|record| record.ended);
        let earlier = self.earlier + ended.iter().map(|record| record.granted - record.base).sum();
        Self { earlier, records, ..self }
    }
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The newest record of a run store.
    Spender(Record),
    /// The sum of records that were dropped.
    Earlier(Money),
}

/// The file in the directory of the service.
const NAME: &str = "ledger.jsonl";
/// Lines after which the file is written anew.
const LONG: u64 = if cfg!(test) { 8 } else { 100_000 };

impl Ledger {
    /// Opens the ledger in `directory`, or makes it. The error names the cause.
    pub fn open(directory: &Path) -> Result<(Self, Kept), String> {
        let path = directory.join(NAME);
        let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        make_directory(directory).map_err(|why| format!("{}: {why}", directory.display()))?;
        let lock = open_own(File::options().create(true).truncate(false).read(true).write(true), &directory.join("lock"));
        let lock = lock.map_err(|why| wrong(&why))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("{}: another budget service uses this directory. Stop it, or choose another one", directory.display()));
            }
            Err(TryLockError::Error(why)) => return Err(wrong(&why)),
        }
        let kept = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text).map_err(|why| wrong(&why))?.folded(),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(why) => return Err(wrong(&why)),
        };
        let (file, length) = rewrite(&path, &kept).map_err(|why| wrong(&why))?;
        Ok((Self { path, file, length, lines: 0, unwritten: Vec::new(), _lock: lock }, kept))
    }

    /// Makes records durable, with those for which it has failed before.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        self.unwritten.extend_from_slice(records);
        if self.unwritten.is_empty() {
            return Ok(());
        }
        if self.lines > LONG {
            let kept = read(&std::fs::read_to_string(&self.path)?).map_err(io::Error::other)?;
            (self.file, self.length) = rewrite(&self.path, &kept)?;
            self.lines = 0;
        }
        let mut text = Vec::new();
        for record in &self.unwritten {
            write_line(&mut text, &Line::Spender(record.clone()))?;
        }
        // A write that failed may have left a part of a line.
        self.file.set_len(self.length)?;
        self.file.write_all(&text)?;
        self.file.sync_data()?;
        self.length += text.len() as u64;
        self.lines += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }
}

fn write_line(to: &mut impl io::Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Reads a ledger. A line that a kill has cut off was never answered, so it does not count. The first
/// line is written before the file has its name, so it is always whole.
fn read(text: &str) -> Result<Kept, String> {
    if !text.contains('\n') {
        return Err("this is no ledger. Restore the file from a backup, or remove it to begin with nothing spent".to_owned());
    }
    let (mut newest, mut earlier) = (BTreeMap::new(), Money::ZERO);
    for (number, line) in text.split_inclusive('\n').enumerate().filter(|(_, line)| line.ends_with('\n')) {
        match serde_json::from_str(line).map_err(|why| format!("line {}: {why}. Restore the file from a backup", number + 1))? {
            Line::Spender(record) => drop(newest.insert(record.id.clone(), record)),
            Line::Earlier(sum) => earlier += sum,
        }
    }
    Ok(Kept { earlier, records: newest.into_values().collect(), is_old: true })
}

/// Writes the file anew, and opens it to append. Returns also its length.
fn rewrite(path: &Path, kept: &Kept) -> io::Result<(File, u64)> {
    let mut text = Vec::new();
    write_line(&mut text, &Line::Earlier(kept.earlier))?;
    for record in &kept.records {
        write_line(&mut text, &Line::Spender(record.clone()))?;
    }
    let mut new = beside(path, ".docmill-budget-")?;
    new.write_all(&text)?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    if let Some(directory) = path.parent() {
        make_durable(directory)?;
    }
    Ok((open_own(File::options().append(true), path)?, text.len() as u64))
}
