//! The files of documents, for links and pictures in results.

use crate::engine::pictures;
use crate::model::Picture;
use crate::prepare::PrepareSettings;
use crate::read::{InputRecord, file_of};
use crate::write::{DocumentFiles, SmallPicture};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};

/// Longest side of a picture, in pixels.
const EDGE: u32 = 160;
/// JPEG quality, from 1 to 100.
const QUALITY: u8 = 70;
/// CPU time for one picture, in seconds.
const SECONDS: u64 = 10;

/// Finds the files of documents that these inputs have. Pictures are made as `settings` say, but small.
pub fn document_files(inputs: Vec<InputRecord>, settings: &PrepareSettings) -> DocumentFiles {
    let mut settings = settings.clone();
    settings.image.max_edge = EDGE;
    settings.image.jpeg_quality = QUALITY;
    settings.document_s = settings.document_s.min(SECONDS);
    DocumentFiles::new(move |name| file_of(name, &inputs), move |files| draw(files, settings.clone()))
}

/// Makes small pictures. Blocks.
fn draw(files: Vec<(u64, PathBuf)>, settings: PrepareSettings) -> Vec<(u64, SmallPicture)> {
    let files = files.into_iter().map(|(number, path)| (number, path, None)).collect();
    let small = |(number, picture): (u64, Arc<Picture>)| ready(small(&picture).map(|picture| (number, picture)));
    let drawn = pictures(files, settings).filter_map(small).collect();
    match Handle::try_current() {
        Ok(runtime) => runtime.block_on(drawn),
        // Without a runtime there are no pictures. Results matter more.
        Err(_) => Runtime::new().map_or_else(|_| Vec::new(), |runtime| runtime.block_on(drawn)),
    }
}

fn small(picture: &Picture) -> Option<SmallPicture> {
    let Picture { media_type, width, height, .. } = *picture;
    let bytes = STANDARD.decode(&picture.base64).ok()?;
    matches!(media_type, "image/jpeg" | "image/png").then_some(SmallPicture { bytes, media_type, width, height })
}
