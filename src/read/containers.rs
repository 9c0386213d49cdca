//! Containers: files that hold documents.
//!
//! An archive is read like a directory: its files are documents, and the archive is not. A mail or a
//! PDF document stays a document, and the files attached to it come after it. A confined process
//! lists the members ([`super::unpacker`]). Their contents go to a temporary file when the first of
//! them is read ([`super::spool`]).

use super::environment::InputEnvironment;
use super::filter::{Filter, is_hidden};
use super::members::{Listed, Members};
use super::settings::{Archives, Attachments, InputSettings};
use super::spool::Spools;
use super::unpacker::Unpacker;
use crate::model::Stamp;
use crate::prepare::is_archive_name;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that decide whether a file may have attachments.
const BEGINNING: u64 = 2048;
/// Extensions of documents without attachments.
const PLAIN: [&str; 22] = [
    "bmp", "csv", "doc", "docx", "gif", "heic", "htm", "html", "jpeg", "jpg", "json", "md", "odt", "png", "ppt", "pptx", "rtf", "tif",
    "tiff", "webp", "xls", "xlsx",
];

/// How the containers of a run are read.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// Whether any file may be a container.
    pub reads: bool,
    archives: bool,
    /// Whether archives that are named as inputs are read.
    named: bool,
    /// The rules for members of files that are named as inputs.
    filter: Option<Filter>,
    pub unpacker: Unpacker,
    pub spools: Spools,
    /// The members of the container that was asked for last.
    listed: Mutex<Option<Arc<Listing>>>,
}

/// All members of a container.
#[derive(Debug)]
pub(super) struct Listing {
    container: PathBuf,
    stamp: Stamp,
    archives: bool,
    members: HashMap<String, Listed>,
}

impl Listing {
    pub fn member(&self, name: &str) -> Option<&Listed> {
        self.members.get(name)
    }
}

/// Why a member is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Hidden,
    Pattern,
    SizeOrDate,
}

impl Containers {
    /// `files` are the files that are named as inputs.
    pub fn new<'p>(
        settings: &InputSettings,
        environment: &InputEnvironment,
        mut files: impl Iterator<Item = &'p Path>,
    ) -> Result<Self, String> {
        let (attachments, archives) = (settings.attachments == Attachments::Read, settings.archives == Archives::Read);
        let named = settings.archives != Archives::Refuse;
        let reads = attachments || archives || named && files.any(|path| is_archive_name(&path.to_string_lossy()));
        let filter = reads.then(|| Filter::new(settings, environment, PathBuf::new(), None)).transpose()?;
        let bytes = settings.max_unpacked_mb.saturating_mul(1_000_000);
        let unpacker = Unpacker::new(attachments, settings.max_members, bytes);
        Ok(Self { reads, archives, named, filter, unpacker, ..Self::default() })
    }

    /// Whether archives are divided, in a file that is or is not named as an input.
    pub fn divides_archives(&self, is_named: bool) -> bool {
        self.archives || self.named && is_named
    }

    /// Whether the file may be an archive that is read like a directory, by its name.
    pub fn may_be_archive(&self, path: &Path, is_named: bool) -> bool {
        self.divides_archives(is_named) && is_archive_name(&path.to_string_lossy())
    }

    /// Whether the file may be a document with attachments.
    pub fn may_have_attachments(&self, path: &Path) -> bool {
        if !self.unpacker.attachments || !path.is_file() {
            return false;
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "eml" | "mbox" | "mbx" | "msg" | "pdf" => true,
            plain if PLAIN.contains(&plain) || is_archive_name(&format!("x.{plain}")) => false,
            // Mail programs keep mails in files with other names.
            _ => {
                let mut start = Vec::new();
                let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut start));
                read.is_ok() && (looks_like_mail(&start) || start.starts_with(b"%PDF-"))
            }
        }
    }

    /// Begins to list the members of a file. The error is that of the file system.
    pub fn members(&self, path: &Path, is_named: bool) -> std::io::Result<Members> {
        Members::list(&self.unpacker, path, self.divides_archives(is_named))
    }

    /// All members of a container, from memory if they were listed last.
    pub fn listing(&self, path: &Path, is_named: bool) -> Option<Arc<Listing>> {
        let archives = self.divides_archives(is_named);
        let stamp = super::stamp::stamp_of(path)?;
        let mut last = self.listed.lock();
        let is_last = |listing: &&Arc<Listing>| listing.container == path && listing.stamp == stamp && listing.archives == archives;
        if let Some(listing) = last.as_ref().filter(is_last) {
            return Some(Arc::clone(listing));
        }
        let members = self.members(path, is_named).ok()?.map(|listed| (listed.member.name.clone(), listed)).collect();
        let listing = Arc::new(Listing { container: path.to_owned(), stamp, archives, members });
        *last = Some(Arc::clone(&listing));
        Some(listing)
    }

    /// Why a member is no document; `None` if it is one. `at` is the place of its container below the
    /// directory with this filter. Members of other inputs have the rules of the settings.
    pub fn passes(&self, at: Option<(&Filter, &Path, &Path)>, listed: &Listed) -> Option<Passed> {
        let name = listed.member.name.replace('#', "/");
        let parts = || name.split('/');
        if parts().any(|part| is_hidden(part.as_bytes()) || part == "__MACOSX") {
            return Some(Passed::Hidden);
        }
        let (filter, excluded, below) = match (at, &self.filter) {
            (Some((filter, root, relative)), _) => {
                let below = relative.join(&name);
                (filter, filter.excludes(root, &below), below)
            }
            (None, Some(filter)) => {
                let below = Path::new(listed.member.container.file_name().unwrap_or_default()).join(&name);
                (filter, filter.excludes_by_pattern(&below), below)
            }
            (None, None) => return None,
        };
        // Who selects mails wants their attachments.
        if excluded || !listed.attached && !filter.includes(&below) {
            return Some(Passed::Pattern);
        }
        (!filter.takes_stamp(listed.member.stamp)).then_some(Passed::SizeOrDate)
    }
}

/// Whether a file begins like a mail or a mailbox: with a header.
fn looks_like_mail(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
    line.starts_with(b"From ") || (colon > 1 && line[..colon].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
}
