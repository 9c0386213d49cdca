//! The files of a submission on their way to the inputs of a run.

use super::directories::Input;
use super::problem::Problem;
use super::submission::{Submission, Text};
use crate::model::Kind;
use crate::prepare::{Sniffed, sniff};
use crate::read::is_hidden;
use crate::system::make_durable;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// A submission on its way. Dropping it removes its files.
#[derive(Debug)]
pub struct Staged {
    input: Input,
    /// Names of the documents, numbered as they came.
    names: BTreeMap<PathBuf, usize>,
    /// Hash of everything that was submitted.
    hash: blake3::Hasher,
    bytes: u64,
    /// Kinds of the uploaded files; `None` for a kind that shows only when the file is read.
    kinds: HashSet<Option<Kind>>,
}

/// Maximum number of documents that come with a submission.
const DOCUMENTS: usize = 100_000;
/// Maximum length of a name in bytes.
const NAME: usize = 1_000;
/// Maximum length of a part of a name in bytes.
const PART: usize = 200;

impl Staged {
    /// Begins with empty directories.
    pub fn begin(input: Input) -> io::Result<Self> {
        fs::create_dir_all(input.documents())?;
        Ok(Self { input, names: BTreeMap::new(), hash: blake3::Hasher::new(), bytes: 0, kinds: HashSet::new() })
    }

    /// The files so far.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Creates the file of a document with this name.
    pub fn create(&mut self, name: &str) -> Result<fs::File, Problem> {
        let relative = file_name(name)?;
        if self.names.len() >= DOCUMENTS {
            return Err(Problem::too_large(format!("a submission has at most {DOCUMENTS} documents. Submit several runs")));
        }
        if self.names.insert(relative.clone(), self.names.len()).is_some() {
            return Err(Problem::invalid(format!("two documents have the name {name}")));
        }
        self.hash.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        let path = self.input.documents().join(relative);
        let created = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::File::create_new(&path));
        created.map_err(|error| match error.kind() {
            // A name cannot be a directory and a file at the same time.
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Problem::invalid(format!("document {name}: another document has this name or lies below it"))
            }
            _ => error.into(),
        })
    }

    /// Looks at the beginning of an uploaded file.
    pub fn look(&mut self, name: &str, beginning: &[u8]) {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        self.kinds.insert(match sniff(beginning, &extension.to_lowercase()) {
            Sniffed::Image(_) => Some(Kind::Image),
            Sniffed::Text => Some(Kind::Text),
            Sniffed::Document(_) | Sniffed::Group | Sniffed::Unsupported(_) => None,
        });
    }

    /// Whether no document has come yet.
    pub fn has_no_files(&self) -> bool {
        self.names.is_empty()
    }

    /// The kind of all uploaded files, if they have the same.
    pub fn kind(&self) -> Option<Kind> {
        self.kinds.iter().next().copied().flatten().filter(|_| self.kinds.len() == 1)
    }

    /// Counts bytes of a document against the limit.
    pub fn count(&mut self, bytes: &[u8], most: u64) -> Result<(), Problem> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.bytes > most {
            return Err(Problem::too_large(format!("the submission is larger than {} MB (serve.max_upload_mb)", most / 1_000_000)));
        }
        Ok(())
    }

    /// Writes texts, rows and job file of a submission. `job` is a job file of the server.
    pub fn write(&mut self, submission: &Submission, job: Option<&str>) -> Result<(), Problem> {
        let files = self.names.len();
        for (at, text) in submission.texts.iter().enumerate() {
            let (name, text) = match text {
                Text::Plain(text) => (format!("text-{:06}.txt", at + 1), text),
                Text::Named { name, text } => (name.clone(), text),
            };
            self.create(&name)?.write_all(text.as_bytes())?;
        }
        self.write_order(files)?;
        if !submission.rows.is_empty() {
            let mut file = BufWriter::new(fs::File::create_new(self.input.rows())?);
            for row in &submission.rows {
                writeln!(file, "{}", row.line())?;
            }
            file.flush()?;
        }
        if let Some(job) = submission.job_file.as_deref().or(job) {
            fs::write(self.input.job(), job)?;
        }
        let whole = serde_json::to_vec(submission).map_err(io::Error::from)?;
        self.hash.update(&whole);
        if self.names.is_empty() && submission.rows.is_empty() && submission.addresses.is_empty() {
            return Err(Problem::invalid("the submission has no documents. Send texts, rows, addresses or files"));
        }
        Ok(())
    }

    /// Writes the list of the documents: texts, then the first `files` that came.
    fn write_order(&self, files: usize) -> io::Result<()> {
        let mut names: Vec<(&PathBuf, usize)> = self.names.iter().map(|(name, number)| (name, *number)).collect();
        names.sort_unstable_by_key(|(_, number)| (*number < files, *number));
        let mut list = BufWriter::new(fs::File::create_new(self.input.order())?);
        for (name, _) in names {
            // As in a directory.
            if name.iter().any(|part| is_hidden(part.as_encoded_bytes())) {
                continue;
            }
            // `./` keeps a first name from looking like a file format or a byte order mark.
            writeln!(list, "./{}", name.display())?;
        }
        list.flush()
    }

    /// Size of the documents in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hash of everything that was submitted.
    pub fn hash(&self) -> blake3::Hash {
        self.hash.finalize()
    }

    /// Moves the complete submission to its place, durably.
    pub fn keep(self, place: &Input) -> io::Result<()> {
        make_durable(self.input.directory())?;
        fs::rename(self.input.directory(), place.directory())?;
        place.directory().parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `keep` there is nothing to remove. What stays is removed at the next start.
        let _gone = tokio::task::block_in_place(|| fs::remove_dir_all(self.input.directory()));
    }
}

/// The relative path for a document with this name.
///
/// Refuses names that could lie outside a directory, and names that a walk of the directory leaves
/// out.
fn file_name(name: &str) -> Result<PathBuf, Problem> {
    let shown: String = name.chars().take(100).flat_map(char::escape_debug).collect();
    let wrong = |why: &str| Problem::invalid(format!("document \"{shown}\": {why}"));
    if name.is_empty() || name.len() > NAME {
        return Err(wrong("a name has 1 to 1,000 bytes"));
    }
    if name.chars().any(|c| c.is_control() || c == '\\') {
        return Err(wrong("a name has no control characters and no backslashes"));
    }
    for part in name.split('/') {
        if part.is_empty() || part.starts_with('.') || part.ends_with('~') {
            return Err(wrong("a name is a relative path, without .. and hidden parts"));
        }
        if part.len() > PART {
            return Err(wrong("a part of its name is longer than 200 bytes"));
        }
    }
    Ok(name.split('/').collect())
}

#[cfg(test)]
mod tests {
    use super::super::directories::Directories;
    use super::super::queue::RunId;
    use super::*;

    #[test]
    fn names_stay_inside_the_directory() {
        for name in ["a.txt", "b/c d/é.png", "..a".trim_start_matches('.'), "a..b", "C:x"] {
            assert!(file_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(201);
        for name in ["", "..", "../a", "a/../b", "/etc/passwd", "a//b", "a/", ".hidden", "a\\b", "a\0b", "a\nb", "./a", &long] {
            assert_eq!(file_name(name).unwrap_err().status, 422, "{name:?}");
        }
    }

    #[test]
    fn a_submission_is_complete_or_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories::create(root.path()).unwrap();
        let id = RunId::new();
        let text = |name: &str| Text::Named { name: name.into(), text: "t".into() };
        let submission = Submission { texts: vec![Text::Plain("a".into()), text("x/y.txt")], ..Submission::default() };
        let mut staged = Staged::begin(directories.incoming(&id)).unwrap();
        staged.write(&submission, None).unwrap();
        staged.keep(&directories.input(&id)).unwrap();
        let documents = directories.input(&id).documents();
        assert_eq!(fs::read_to_string(documents.join("text-000001.txt")).unwrap(), "a");
        assert_eq!(fs::read_to_string(documents.join("x/y.txt")).unwrap(), "t");

        for wrong in [vec![text("a"), text("a")], vec![text("a"), text("a/b")], vec![text("../x")], vec![]] {
            let mut staged = Staged::begin(directories.incoming(&RunId::new())).unwrap();
            assert_eq!(staged.write(&Submission { texts: wrong, ..Submission::default() }, None).unwrap_err().status, 422);
            drop(staged);
            assert_eq!(fs::read_dir(root.path().join("incoming")).unwrap().count(), 0);
        }
        let message =
            format!("{}/job.toml:1: no name; see {}", directories.input(&id).directory().display(), root.path().join("queue.db").display());
        assert_eq!(directories.without_places(&message), "job.toml:1: no name; see queue.db");
        directories.remove(&id).unwrap();
        assert!(directories.with_files().is_empty());
    }
}
