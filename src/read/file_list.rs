//! A file that lists files: the documents are what it names, in its order.

use super::names::os_str;
use crate::model::{Failure, FailureCode};
use crate::remote::Address;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// A list that is there.
#[derive(Debug)]
pub(super) struct FileList {
    path: PathBuf,
    /// Keeps what came through standard input for as long as it is needed.
    _spooled: Option<TempPath>,
    /// What ends a name: a line feed, or a zero byte in what `find -print0` wrote.
    separator: u8,
}

/// Bytes that are looked at for a zero byte.
const SAMPLE: u64 = 64 * 1024;

impl FileList {
    /// The list in the file `given`; `-` is standard input.
    pub fn open(given: &str) -> Result<Self, String> {
        let (path, spooled) = super::rereadable(given).map_err(|e| format!("file list {given}: {e}"))?;
        let say = |e: io::Error| format!("file list {given}: {e}");
        let mut sample = Vec::new();
        File::open(&path).and_then(|file| file.take(SAMPLE).read_to_end(&mut sample)).map_err(say)?;
        let separator = if sample.contains(&0) { 0 } else { b'\n' };
        Ok(Self { path, _spooled: spooled, separator })
    }

    /// The paths, each once.
    pub fn distinct(&self) -> impl Iterator<Item = PathBuf> + Send + use<> {
        let mut seen = HashSet::new();
        // As many numbers as names: a list is written by somebody, and not endless.
        let hash = |path: &Path| blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes().first_chunk::<8>().copied();
        self.paths().filter(move |path| seen.insert(hash(path)))
    }

    /// The paths, as often as they are named. What cannot be read any more is the end of it.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> + Send + use<> {
        let separator = self.separator;
        let mut list = File::open(&self.path).map(BufReader::new).ok();
        std::iter::from_fn(move || {
            let list = list.as_mut()?;
            loop {
                let mut name = Vec::new();
                if list.read_until(separator, &mut name).ok()? == 0 {
                    return None;
                }
                while matches!(name.last(), Some(b'\n' | b'\r' | 0)) {
                    name.pop();
                }
                if !name.is_empty() {
                    return Some(path(&name));
                }
            }
        })
    }
}

/// Why there is no document at a path that a list names, if there is none.
pub(super) fn missing(path: &Path) -> Option<Failure> {
    let why = match std::fs::metadata(path) {
        _ if path.to_str().is_some_and(|path| Address::parse(path).is_some()) => "lists name files of this machine, and this is an address",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "the list names this, and there is no such file",
        Ok(metadata) if metadata.is_dir() => "this is a directory, and lists name files: give the directory as an input instead",
        _ => return None,
    };
    Some(Failure::new(FailureCode::Unreadable, why))
}

/// The path of this name, without the `./` that `find .` writes in front.
fn path(name: &[u8]) -> PathBuf {
    let name = os_str(name);
    let path = Path::new(&name);
    path.strip_prefix(".").unwrap_or(path).to_owned()
}
