//! A directory as storage, local or on a network disk.

use super::names::PLAN;
use super::storage::{Storage, StorageError};
use bytes::Bytes;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::NamedTempFile;

/// Start of the names of files that are being written.
const UNFINISHED: &str = ".docmill-";

/// A directory.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
    /// Whether the plan must be there before anything is written. A directory whose disk was taken away
    /// would otherwise be made again, empty.
    is_planned: Arc<AtomicBool>,
}

impl Directory {
    /// The storage below `root`, which may not exist yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), is_planned: Arc::default() }
    }

    /// From now on, nothing is written unless the plan is there.
    pub fn planned(&self) {
        self.is_planned.store(true, Ordering::Relaxed);
    }

    /// Copies a file into the storage. Replaces an object of an attempt that has died.
    pub async fn upload(&self, key: &str, file: &Path) -> Result<(), StorageError> {
        let from = file.to_owned();
        self.with(key, move |to| {
            let mut copy = begin(to)?;
            io::copy(&mut File::open(&from)?, &mut copy)?;
            publish(copy, to)
        })
        .await
    }

    /// Copies an object to a file.
    pub async fn download(&self, key: &str, file: &Path) -> Result<(), StorageError> {
        let to = file.to_owned();
        self.with(key, move |from| fs::copy(from, &to).map(drop)).await
    }

    /// Removes an object.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        self.with(key, |path| fs::remove_file(path)).await
    }

    /// Runs blocking work on the path of a key.
    async fn with<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (path, plan) = (self.root.join(key), self.root.join(PLAN));
        let is_planned = self.is_planned.load(Ordering::Relaxed);
        let work = move |path: &Path| {
            if is_planned && !plan.exists() {
                return Err(io::Error::new(ErrorKind::NotFound, "the shared run has disappeared; its disk may have been unmounted"));
            }
            work(path)
        };
        let (shown, done) = (path.clone(), tokio::task::spawn_blocking(move || work(&path)).await);
        done.map_err(io::Error::other).flatten().map_err(|why| StorageError::new(shown.display(), why))
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.display().fmt(f)
    }
}

impl Storage for Directory {
    async fn create(&self, key: &str, content: Bytes) -> Result<bool, StorageError> {
        self.with(key, move |path| {
            let mut file = begin(path)?;
            file.write_all(&content)?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(path) {
                Ok(_) => sync_directory(path).map(|()| true),
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error.error),
            }
        })
        .await
    }

    async fn replace(&self, key: &str, content: Bytes) -> Result<(), StorageError> {
        self.with(key, move |path| {
            let mut file = begin(path)?;
            file.write_all(&content)?;
            file.persist(path).map(drop).map_err(|error| error.error)
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        self.with(key, |path| match fs::read(path) {
            Ok(content) => Ok(Some(content.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn list(&self, directory: &str) -> Result<Vec<String>, StorageError> {
        self.with(directory, |path| {
            let entries = match fs::read_dir(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut names = Vec::new();
            for entry in entries {
                names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with(UNFINISHED)));
            }
            names.sort();
            Ok(names)
        })
        .await
    }
}

/// Begins a file that will have this path.
fn begin(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)
}

/// Gives a complete file its path, durably.
fn publish(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
