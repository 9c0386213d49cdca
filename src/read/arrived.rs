//! Documents of an input that is watched: found by path, and looked up by name.

use super::filter::{IGNORE_FILE, is_hidden};
use super::path_names::printable;
use super::roots::{Root, RootKind, Roots};
use crate::model::Place;
use std::path::{Path, PathBuf};

impl Root {
    /// The name of the document at `path` below this input.
    pub(super) fn name_of(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.path).unwrap_or(path);
        let relative = printable(relative.as_os_str());
        match (self.prefix.is_empty(), relative.is_empty()) {
            (true, _) => relative,
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}/{relative}", self.prefix),
        }
    }
}

impl Roots {
    /// The local directories among the inputs.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().filter(|root| matches!(root.kind, RootKind::Directory(_))).map(|root| root.path.as_path())
    }

    /// Whether all inputs are remote.
    pub fn are_remote(&self) -> bool {
        self.inputs.iter().all(|root| root.remote().is_some())
    }

    /// The first input that cannot be watched, because it is not a directory or a prefix.
    pub fn not_watchable(&self) -> Option<&Path> {
        let can = |root: &&Root| match &root.kind {
            RootKind::Directory(_) => true,
            RootKind::Remote(remote, _) => remote.single().is_none(),
            _ => false,
        };
        self.inputs.iter().find(|root| !can(root)).map(|root| root.path.as_path())
    }

    /// The document at `path`, if a walk would find it there. Blocks.
    pub fn document_at(&self, path: &Path) -> Option<String> {
        self.inputs.iter().find_map(|root| {
            let RootKind::Directory(filter) = &root.kind else { return None };
            let relative = path.strip_prefix(&root.path).ok()?;
            if relative.iter().any(|part| is_hidden(part.as_encoded_bytes())) {
                return None;
            }
            let metadata = std::fs::symlink_metadata(path).ok()?;
            let is_document = metadata.is_file() || (metadata.is_symlink() && path.is_file() && filter.links.follows(path));
            // The directory itself is above all others, and not excluded.
            let above: Vec<&Path> = relative.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).collect();
            let is_walked = |above: &&Path| !filter.is_output(&root.path.join(above)) && filter.enters(&root.path, above);
            (is_document && above.iter().all(is_walked) && filter.takes(&root.path, relative)).then(|| root.name_of(path))
        })
    }

    /// The path of the document called `name`, whether or not it exists. `None` for remote documents.
    pub fn path_of(&self, name: &str) -> Option<PathBuf> {
        if let Place::File(path) = self.locate(name)? { Some(path) } else { None }
    }

    /// Whether ignore files exclude a directory above `path`.
    pub fn passes_by(&self, path: &Path) -> bool {
        self.inputs.iter().any(|root| {
            let RootKind::Directory(filter) = &root.kind else { return false };
            let Ok(relative) = path.strip_prefix(&root.path) else { return false };
            let mut above = relative.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
            above.any(|above| !filter.enters(&root.path, above))
        })
    }

    /// Whether this is a file with patterns to exclude.
    pub fn is_ignore_file(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == IGNORE_FILE)
    }

    /// Forgets the ignore files read so far, because they may have changed.
    pub fn forget_ignore_files(&self) {
        for root in self.inputs.iter() {
            if let RootKind::Directory(filter) = &root.kind {
                filter.forget_ignore_files();
            }
        }
    }
}
