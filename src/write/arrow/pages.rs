//! Keeps the pages of an open row group on disk, so that memory does not grow with its rows.

use bytes::Bytes;
use parking_lot::Mutex;
use parquet::arrow::arrow_writer::{PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use parquet::errors::Result;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

/// Begins a temporary file for each row group. Its columns share the file.
#[derive(Debug)]
pub(super) struct PagesOnDisk {
    directory: PathBuf,
    file: Mutex<Option<Arc<Mutex<File>>>>,
}

/// Pages of one column of a row group.
struct Pages {
    file: Arc<Mutex<File>>,
    /// Start and length of each page.
    places: Vec<(u64, usize)>,
}

impl PagesOnDisk {
    /// Puts temporary files into `directory`. The system deletes them if the process dies.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, file: Mutex::new(None) }
    }
}

impl PageStoreFactory for PagesOnDisk {
    fn create(&self, args: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        let mut current = self.file.lock();
        let file = match current.take() {
            Some(file) if args.column_index() > 0 => file,
            _ => {
                let place = &self.directory;
                let no_file = |e: io::Error| io::Error::new(e.kind(), format!("no temporary file in {}: {e}", place.display()));
                Arc::new(Mutex::new(tempfile::tempfile_in(place).map_err(no_file)?))
            }
        };
        *current = Some(Arc::clone(&file));
        Ok(Box::new(Pages { file, places: Vec::new() }))
    }
}

impl PageStore for Pages {
    fn put(&mut self, page: Bytes) -> Result<PageKey> {
        let mut file = self.file.lock();
        let start = file.seek(SeekFrom::End(0))?;
        file.write_all(&page)?;
        self.places.push((start, page.len()));
        Ok(PageKey::new(self.places.len() as u64 - 1))
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        let (start, length) = self.places[usize::try_from(key.get())?];
        let mut page = vec![0; length];
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut page)?;
        Ok(page.into())
    }
}
