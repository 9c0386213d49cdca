//! Prepares pictures of image files without a run.

use super::isolation::Isolation;
use crate::model::{Content, ContentBlock, Digest, Picture};
use crate::prepare::{ImageLimits, PrepareSettings, Sniffed, prepare_extraction, sniff};
use futures::{Stream, StreamExt as _, stream};
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum size of a file, in bytes.
const MAX_FILE_BYTES: u64 = 40_000_000;

/// Pictures of image files, with the numbers of the files, in their order.
///
/// As in a run, confined processes decode the files, as many at a time as there are workers. A file
/// has no picture if it differs from its digest, if it has one, exceeds a limit or cannot be decoded.
pub fn pictures(files: Vec<(u64, PathBuf, Option<Digest>)>, settings: PrepareSettings) -> impl Stream<Item = (u64, Arc<Picture>)> {
    let limits = ImageLimits::openai();
    let workers = settings.parallelism();
    let isolation = Isolation::new(&settings, &limits).ok().map(Arc::new);
    let settings = Arc::new(settings);
    stream::iter(files)
        .map(move |(number, path, digest)| {
            let (isolation, settings) = (isolation.clone(), Arc::clone(&settings));
            async move { Some((number, picture(&path, digest, &*isolation?, &settings, &limits).await?)) }
        })
        .buffered(workers)
        .filter_map(ready)
}

async fn picture(
    path: &Path,
    digest: Option<Digest>,
    isolation: &Isolation,
    settings: &PrepareSettings,
    limits: &ImageLimits,
) -> Option<Arc<Picture>> {
    tokio::fs::metadata(path).await.ok().filter(|file| file.is_file() && file.len() <= MAX_FILE_BYTES)?;
    let bytes = tokio::fs::read(path).await.ok().filter(|bytes| digest.is_none_or(|digest| Digest::of(bytes) == digest))?;
    let sniffed = sniff(&bytes, "");
    if !matches!(sniffed, Sniffed::Image(_)) {
        return None;
    }
    let extracted = isolation.extract(isolation.slot().await, &bytes, sniffed).await.ok()?;
    let extraction = isolation.receive(extracted).await.ok()?;
    let Content(blocks) = prepare_extraction(extraction, &bytes, sniffed, settings, limits).ok()?.content;
    blocks.into_iter().find_map(|block| if let ContentBlock::Picture(picture) = block { Some(picture) } else { None })
}
