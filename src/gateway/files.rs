//! Files of clients: inputs of batches, and their results.

use super::Gateway;
use super::error::ApiError;
use super::ledger::{AT_WORK, IdleFile, now_ms};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Purpose of the input of a batch.
pub const BATCH: &str = "batch";
/// Purpose of the results of a batch.
pub(super) const BATCH_OUTPUT: &str = "batch_output";

/// Shortest and longest lifetime of a file in seconds.
pub const LIFETIME_S: std::ops::RangeInclusive<i64> = 3600..=2_592_000;

const COLUMNS: &str = "id, owner, name, purpose, bytes, created_ms, expires_ms";

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Its id.
    pub id: String,
    /// Name of the key that owns it.
    pub owner: String,
    /// The name that the client gave.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it is removed.
    pub expires_ms: Option<i64>,
}

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Only objects behind this one.
    pub after: Option<String>,
    /// Maximum number of objects.
    pub limit: u32,
    /// Whether the oldest come first.
    pub ascending: bool,
}

/// Directory of the content of files.
#[derive(Debug, Clone)]
pub(super) struct Contents(PathBuf);

impl Contents {
    /// Creates the directory.
    pub fn create(root: &Path) -> io::Result<Self> {
        let directory = std::path::absolute(root)?.join("files");
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// Removes contents without a record, such as of uploads that a dead server left.
    pub fn remove_others(&self, connection: &Connection) -> rusqlite::Result<()> {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let known = connection.query_row("SELECT count(*) FROM files WHERE id = ?1", [name.to_str()], |row| row.get::<_, u64>(0))?;
            if known == 0 {
                // A file that stays takes room and does no other harm.
                let _stays = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// The content of a file.
    pub fn path(&self, id: &str) -> PathBuf {
        self.0.join(id)
    }

    /// A new file that is removed unless it is kept.
    pub fn stage(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.0)
    }

    /// Keeps a staged file under a new id, durably.
    pub fn keep(&self, staged: NamedTempFile) -> io::Result<(String, u64)> {
        let id = format!("file-{}", uuid::Uuid::now_v7().simple());
        staged.as_file().sync_all()?;
        let bytes = staged.as_file().metadata()?.len();
        staged.persist(self.path(&id)).map_err(|error| error.error)?;
        fs::File::open(&self.0)?.sync_all()?;
        Ok((id, bytes))
    }
}

impl FileRecord {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            owner: row.get(1)?,
            name: row.get(2)?,
            purpose: row.get(3)?,
            bytes: row.get(4)?,
            created_ms: row.get(5)?,
            expires_ms: row.get(6)?,
        })
    }

    pub(super) fn insert(&self, t: &Transaction<'_>) -> rusqlite::Result<()> {
        let sql = "INSERT INTO files (id, owner, name, purpose, bytes, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let Self { id, owner, name, purpose, bytes, created_ms, expires_ms } = self;
        t.execute(sql, params![id, owner, name, purpose, bytes, created_ms, expires_ms]).map(drop)
    }

    /// The file in OpenAI's form.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "file", "bytes": self.bytes, "created_at": self.created_ms / 1000,
            "expires_at": self.expires_ms.map(|ms| ms / 1000), "filename": self.name, "purpose": self.purpose,
            "status": "processed", "status_details": null,
        })
    }
}

impl Gateway {
    /// Begins an upload.
    pub fn stage(&self) -> io::Result<NamedTempFile> {
        self.contents.stage()
    }

    /// Keeps an upload.
    pub async fn keep(
        self: &Arc<Self>,
        owner: String,
        name: String,
        staged: NamedTempFile,
        lifetime_s: Option<i64>,
    ) -> Result<FileRecord, ApiError> {
        let contents = self.contents.clone();
        let kept = tokio::task::spawn_blocking(move || contents.keep(staged)).await.map_err(ApiError::internal)?;
        let (id, bytes) = kept?;
        let created_ms = now_ms();
        let expires_ms = lifetime_s.map(|seconds| created_ms + seconds.saturating_mul(1000));
        let file = FileRecord { id, owner, name, purpose: BATCH.to_owned(), bytes, created_ms, expires_ms };
        let record = file.clone();
        self.ledger.write(move |t| record.insert(t)).await?;
        Ok(file)
    }

    /// A file of an owner, and where its content is.
    pub async fn file(self: &Arc<Self>, owner: &str, id: &str) -> Result<(FileRecord, PathBuf), ApiError> {
        let (asked, path) = (id.to_owned(), self.contents.path(id));
        let found = self.read(move |connection| find(connection, &asked)).await?;
        let file = found.filter(|file| file.owner == owner && file.expires_ms.is_none_or(|ms| ms > now_ms()));
        file.map(|file| (file, path)).ok_or_else(|| ApiError::not_found(format!("No such File object: {id}")))
    }

    /// The files of an owner, and whether there are more.
    pub async fn files(self: &Arc<Self>, owner: String, purpose: Option<String>, page: Page) -> Result<(Vec<FileRecord>, bool), ApiError> {
        if let Some(after) = page.after.clone() {
            // A page may begin after a file that was removed meanwhile.
            let is_id = after.strip_prefix("file-").is_some_and(|id| !id.is_empty());
            if !is_id {
                return Err(ApiError::param("after", "invalid_value", "this is not the id of a file"));
            }
        }
        self.read(move |connection| {
            let (compare, order) = if page.ascending { (">", "ASC") } else { ("<", "DESC") };
            let sql = format!(
                "SELECT {COLUMNS} FROM files WHERE owner = ?1 AND (?2 IS NULL OR purpose = ?2) AND (?3 IS NULL OR id {compare} ?3)
                    AND (expires_ms IS NULL OR expires_ms > ?4) ORDER BY id {order} LIMIT ?5"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let files = statement.query_map(params![owner, purpose, page.after, now_ms(), page.limit + 1], FileRecord::read)?;
            let mut files: Vec<FileRecord> = files.collect::<rusqlite::Result<_>>()?;
            let more = files.len() > page.limit as usize;
            files.truncate(page.limit as usize);
            Ok((files, more))
        })
        .await
    }

    /// Removes a file of an owner, unless a batch is at work on it.
    pub async fn delete_file(self: &Arc<Self>, owner: &str, id: &str) -> Result<(), ApiError> {
        self.file(owner, id).await?;
        if self.remove_file(id).await? {
            return Ok(());
        }
        let message = "a batch is at work on the file. Cancel the batch, or wait until it has ended";
        Err(ApiError::new(409, "invalid_request_error", Some("file_in_use"), message))
    }

    /// Removes a file, unless a batch is at work on it. Returns whether it was removed.
    pub async fn remove_file(&self, id: &str) -> Result<bool, ApiError> {
        let asked = id.to_owned();
        let removed = self.ledger.write(move |t| {
            let sql = format!(
                "DELETE FROM files WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM batches WHERE input_file = ?1 AND state IN {AT_WORK})"
            );
            t.execute(&sql, [asked])
        });
        if removed.await? == 0 {
            return Ok(false);
        }
        self.remove_content(vec![id.to_owned()]).await?;
        Ok(true)
    }

    /// Files on which no batch is at work, the oldest first, and the size of all files in bytes. Blocks.
    pub fn idle_files(&self) -> Result<(Vec<IdleFile>, u64), ApiError> {
        let all = self.ledger.reader().query_row("SELECT ifnull(sum(bytes), 0) FROM files", (), |row| row.get(0))?;
        Ok((self.ledger.idle_files()?, all))
    }

    /// Removes the contents of files that have no record any more.
    pub(super) async fn remove_content(&self, ids: Vec<String>) -> Result<(), ApiError> {
        let contents = self.contents.clone();
        let removed = tokio::task::spawn_blocking(move || {
            ids.iter().try_for_each(|id| match fs::remove_file(contents.path(id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
        });
        Ok(removed.await.map_err(ApiError::internal)??)
    }

    /// Reads from the ledger.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let gateway = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || work(&gateway.ledger.reader()));
        Ok(read.await.map_err(ApiError::internal)??)
    }
}

/// A file by its id.
pub(super) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<FileRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM files WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], FileRecord::read).optional()
}
