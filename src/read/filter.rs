//! Which files of a directory are documents.

use super::settings::InputSettings;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::{Path, PathBuf};

/// File in an input directory that lists patterns to leave out.
pub(super) const IGNORE_FILE: &str = ".docmillignore";

/// Name of the run store, by which output directories are known.
const STORE: &str = "docmill.db";

/// The rules of one input directory.
#[derive(Debug)]
pub(super) struct Filter {
    include: GlobSet,
    exclude: GlobSet,
    output: Option<PathBuf>,
}

impl Filter {
    /// The rules for `root`: those of the settings, and those of its ignore file. `output` is never walked.
    pub fn new(root: &Path, settings: &InputSettings, output: Option<PathBuf>) -> Result<Self, String> {
        let file = root.join(IGNORE_FILE);
        let text =
            if file.is_file() { std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))? } else { String::new() };
        Self::with_ignored(&text, settings, output)
    }

    /// The rules of the settings, and those of the text of an ignore file.
    pub fn with_ignored(text: &str, settings: &InputSettings, output: Option<PathBuf>) -> Result<Self, String> {
        let mut exclude = settings.exclude.clone();
        exclude.extend(text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(ToOwned::to_owned));
        Ok(Self { include: patterns("input.include", &settings.include)?, exclude: patterns("input.exclude", &exclude)?, output })
    }

    /// Whether a file at `relative` is a document by pattern.
    pub fn takes(&self, relative: &Path) -> bool {
        self.include.is_match(relative) && !self.exclude.is_match(relative)
    }

    /// Whether docmill writes, or has written, its results here.
    pub fn is_output(&self, directory: &Path) -> bool {
        directory.join(STORE).is_file()
            || self.output.as_deref().is_some_and(|output| std::fs::canonicalize(directory).is_ok_and(|d| d == output))
    }
}

fn patterns(key: &str, list: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in list {
        let glob: Glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(|e| format!("{key}: {e}"))?;
        set.add(glob);
    }
    set.build().map_err(|e| format!("{key}: {e}"))
}

/// Hidden files, files that desktops and editors leave behind, and the run store.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"~$") || matches!(name, b"Thumbs.db" | b"desktop.ini") || name.starts_with(STORE.as_bytes())
}
