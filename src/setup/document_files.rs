//! The files of documents, for links and pictures in results.

use crate::engine::pictures;
use crate::model::Picture;
use crate::prepare::PrepareSettings;
use crate::read::{InputRecord, file_of};
use crate::write::{DocumentFiles, SmallPicture};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::fs::metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tokio::runtime::{Handle, Runtime};

/// Longest side of a picture, in pixels.
const EDGE: u32 = 160;
/// JPEG quality, from 1 to 100.
const QUALITY: u8 = 70;
/// CPU time for one picture, in seconds.
const SECONDS: u64 = 10;
/// Files whose pictures are kept, because `docmill watch` writes its results again and again.
const KEPT: usize = 1000;

/// Finds the files of documents that these inputs have. Pictures are made as `settings` say, but small.
pub fn document_files(inputs: Vec<InputRecord>, settings: &PrepareSettings) -> DocumentFiles {
    let mut settings = settings.clone();
    settings.image.max_edge = EDGE;
    settings.image.jpeg_quality = QUALITY;
    settings.document_s = settings.document_s.min(SECONDS);
    let kept = Mutex::new(HashMap::new());
    DocumentFiles::new(move |name| file_of(name, &inputs), move |files| draw(files, &settings, &mut kept.lock()))
}

/// Size and time of a file, and its picture; `None` if it has none.
type Kept = HashMap<PathBuf, (Version, Option<SmallPicture>)>;
type Version = Option<(u64, SystemTime)>;

/// Makes small pictures. Blocks.
fn draw(files: Vec<(u64, PathBuf)>, settings: &PrepareSettings, kept: &mut Kept) -> Vec<(u64, SmallPicture)> {
    let versions: Vec<Version> = files.iter().map(|(_, path)| version(path)).collect();
    let is_kept = |path: &Path, version: &Version| kept.get(path).is_some_and(|(own, _)| own == version);
    let new = files.iter().zip(&versions).enumerate().filter(|(_, ((_, path), version))| !is_kept(path, version));
    let new: Vec<_> = new.map(|(at, ((_, path), _))| (at as u64, path.clone(), None)).collect();
    let is_new: Vec<usize> = new.iter().filter_map(|(at, ..)| usize::try_from(*at).ok()).collect();
    let mut drawn: HashMap<u64, SmallPicture> = block_on(pictures(new, settings.clone()).collect::<Vec<_>>())
        .iter()
        .filter_map(|(at, picture)| Some((*at, small(picture)?)))
        .collect();
    if kept.len() + is_new.len() > KEPT {
        let current: HashSet<&Path> = files.iter().map(|(_, path)| path.as_path()).collect();
        kept.retain(|path, _| current.contains(path.as_path()));
    }
    for at in is_new {
        kept.insert(files[at].1.clone(), (versions[at], drawn.remove(&(at as u64))));
    }
    files.into_iter().filter_map(|(number, path)| Some((number, kept.get(&path)?.1.clone()?))).collect()
}

fn version(path: &Path) -> Version {
    let file = metadata(path).ok()?;
    Some((file.len(), file.modified().ok()?))
}

fn block_on<T>(future: impl Future<Output = Vec<T>>) -> Vec<T> {
    match Handle::try_current() {
        Ok(runtime) => runtime.block_on(future),
        // Without a runtime there are no pictures. Results matter more.
        Err(_) => Runtime::new().map_or_else(|_| Vec::new(), |runtime| runtime.block_on(future)),
    }
}

fn small(picture: &Picture) -> Option<SmallPicture> {
    let Picture { media_type, width, height, .. } = *picture;
    let bytes = STANDARD.decode(&picture.base64).ok()?;
    matches!(media_type, "image/jpeg" | "image/png").then_some(SmallPicture { bytes, media_type, width, height })
}
