//! Copies finished results to object storage.
//!
//! docmill copies result files first and summaries last, so that a summary implies complete
//! results. It does not copy the run store. An object appears completely or not at all. An object
//! with the same digest is not sent again.

use super::files::SUMMARY;
use super::hashed::Hashed;
use super::settings::{Format, OutputSettings};
use crate::model::Digest;
use crate::remote::{Address, Client, Service};
use object_store::path::Path as Key;
use object_store::{Attribute, Attributes, Error, GetOptions, ObjectStoreExt as _, Result as StoreResult, WriteMultipart};
use std::io;
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, BufReader};

/// Size of the parts of large files, in bytes. Files up to this size take one request.
const PART: usize = 8 << 20;

/// Maximum number of parts of one file in flight.
const PARTS: usize = 4;

/// Metadata key of the digest. Entity tags differ by service and size, so docmill does not compare
/// them.
const DIGEST: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("blake3"));

/// Destination of the copies.
#[derive(Debug)]
pub struct CopyTo {
    /// The configured address.
    pub address: Address,
    client: Client,
}

/// A result file could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("{from}: cannot copy to {to}: {why}")]
pub struct CopyError {
    from: String,
    to: String,
    why: String,
}

impl CopyTo {
    /// Opens the configured destination; `None` if copies are off. Sends nothing. The error
    /// describes the fault of the setting.
    pub fn open(settings: &OutputSettings, variables: &[(String, String)]) -> Result<Option<Self>, String> {
        if settings.copy_to.is_empty() {
            return Ok(None);
        }
        let address = Address::parse(&settings.copy_to).transpose()?;
        let Some(address) = address.filter(|address| address.service != Service::Web) else {
            return Err("invalid address of copies; expected s3://BUCKET/PREFIX, gs:// or az://".into());
        };
        let client = Client::new(&address, variables).map_err(|why| format!("cannot reach {}: {why}", address.shown))?;
        Ok(Some(Self { address, client }))
    }

    /// Copies the changed result files of these jobs. Returns the addresses of the jobs with files.
    pub async fn copy(&self, settings: &OutputSettings, jobs: &[&str]) -> Result<Vec<String>, CopyError> {
        let there = |job: &str, name: &str| settings.dir.join(job).join(name).is_file();
        let files = jobs.iter().flat_map(|job| Format::ALL.map(|format| (*job, format.file_name())));
        let summaries = jobs.iter().map(|job| (*job, SUMMARY));
        let mut copied = Vec::new();
        for (job, name) in files.chain(summaries).filter(|(job, name)| there(job, name)) {
            self.copy_one(&settings.dir, job, name).await?;
            let directory = format!("{}/{job}", self.address.shown);
            if !copied.contains(&directory) {
                copied.push(directory);
            }
        }
        Ok(copied)
    }

    async fn copy_one(&self, directory: &Path, job: &str, name: &str) -> Result<(), CopyError> {
        let from = directory.join(job).join(name);
        let to = format!("{}/{job}/{name}", self.address.shown);
        let error = |why: String| CopyError { from: from.display().to_string(), to: to.clone(), why };
        let key = self.address.join(&format!("{job}/{name}")).ok_or_else(|| error("the path is not a valid object key".into()))?;
        self.put_changed(&from, &key).await.map_err(|failed| match failed {
            Failed::Here(why) => error(why.to_string()),
            Failed::There(why) => error(self.client.trouble(&why).text().to_owned()),
        })
    }

    async fn put_changed(&self, from: &Path, key: &Key) -> Result<(), Failed> {
        let (size, digest) = digest(from).await?;
        let digest = Attributes::from_iter([(DIGEST, digest.to_string())]);
        if self.is_there(key, size, &digest).await {
            return Ok(());
        }
        let file = BufReader::with_capacity(1 << 16, File::open(from).await?);
        if size <= PART as u64 { self.put(file, key, digest).await } else { self.put_parts(file, key, digest).await }
    }

    /// Whether the object has this size and digest. Without read permission the function returns
    /// `false`, and the file is sent.
    async fn is_there(&self, key: &Key, size: u64, digest: &Attributes) -> bool {
        let looked = self.client.store().get_opts(key, GetOptions::new().with_head(true)).await;
        looked.is_ok_and(|there| there.meta.size == size && there.attributes.get(&DIGEST) == digest.get(&DIGEST))
    }

    async fn put(&self, mut file: BufReader<File>, key: &Key, digest: Attributes) -> Result<(), Failed> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await?;
        self.client.store().put_opts(key, bytes.into(), digest.into()).await?;
        Ok(())
    }

    async fn put_parts(&self, file: BufReader<File>, key: &Key, digest: Attributes) -> Result<(), Failed> {
        let store = self.client.store();
        let upload = match store.put_multipart_opts(key, digest.into()).await {
            // Azure accepts no metadata with parts, so large files are sent each time.
            Err(Error::NotSupported { .. }) => store.put_multipart(key).await?,
            upload => upload?,
        };
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        match send(file, &mut parts).await {
            Ok(()) => parts.finish().await.map(drop).map_err(Failed::There),
            Err(failed) => {
                // Remaining parts would cost money. The first error is reported.
                let _kept: StoreResult<()> = parts.abort().await;
                Err(failed)
            }
        }
    }
}

async fn digest(file: &Path) -> io::Result<(u64, Digest)> {
    let file = std::fs::File::open(file)?;
    tokio::task::spawn_blocking(move || Hashed::file(file)).await.map_err(io::Error::other)?
}

async fn send(mut file: BufReader<File>, parts: &mut WriteMultipart) -> Result<(), Failed> {
    let mut piece = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut piece).await?;
        if n == 0 {
            return Ok(());
        }
        parts.wait_for_capacity(PARTS).await?;
        parts.write(&piece[..n]);
    }
}

/// The side that failed.
enum Failed {
    Here(io::Error),
    There(Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Here(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::There(error)
    }
}
