//! Which files of a directory are documents.

use super::settings::InputSettings;
use crate::model::Stamp;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use jiff::{Timestamp, Zoned};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// File in a directory that lists what to leave out of it, by the rules of `.gitignore`.
pub(super) const IGNORE_FILE: &str = ".docmillignore";

/// Name of the run store, by which output directories are known.
const STORE: &str = "docmill.db";

/// The rules of one input directory.
#[derive(Debug)]
pub(super) struct Filter {
    include: GlobSet,
    exclude: GlobSet,
    sizes: (u64, u64),
    newer_than: Option<SystemTime>,
    older_than: Option<SystemTime>,
    output: Option<PathBuf>,
    /// The ignore file of each directory that has one, and that others have none.
    ignored: Mutex<HashMap<PathBuf, Option<Arc<Gitignore>>>>,
    /// Of an input that is not on this machine: the ignore file at its top.
    ignored_elsewhere: Gitignore,
}

impl Filter {
    /// The rules of the settings. `output` is never walked.
    pub fn new(settings: &InputSettings, output: Option<PathBuf>) -> Result<Self, String> {
        Ok(Self {
            include: patterns("input.include", &settings.include)?,
            exclude: patterns("input.exclude", &settings.exclude)?,
            sizes: (settings.min_bytes, if settings.max_bytes == 0 { u64::MAX } else { settings.max_bytes }),
            newer_than: time("input.newer_than", &settings.newer_than)?,
            older_than: time("input.older_than", &settings.older_than)?,
            output,
            ignored: Mutex::default(),
            ignored_elsewhere: Gitignore::empty(),
        })
    }

    /// The rules for an input that is not on this machine, whose ignore file has this text.
    pub fn elsewhere(settings: &InputSettings, ignore_file: &str) -> Result<Self, String> {
        let mut ignored = GitignoreBuilder::new("");
        for line in ignore_file.lines() {
            ignored.add_line(None, line).map_err(|e| format!("{IGNORE_FILE}: {e}"))?;
        }
        let ignored_elsewhere = ignored.build().map_err(|e| format!("{IGNORE_FILE}: {e}"))?;
        Ok(Self { ignored_elsewhere, ..Self::new(settings, None)? })
    }

    /// Whether the object at `relative` is a document, by its name.
    pub fn takes_object(&self, relative: &Path) -> bool {
        self.matches(relative) && !self.ignored_elsewhere.matched_path_or_any_parents(relative, false).is_ignore()
    }

    /// Whether an object that looks like this is a document.
    pub fn takes_stamp(&self, stamp: Stamp) -> bool {
        let modified = UNIX_EPOCH.checked_add(Duration::from_nanos(u64::try_from(stamp.modified_ns).unwrap_or(0)));
        self.takes_look(stamp.size, modified)
    }

    /// Whether the file at `relative` below `root` is a document.
    pub fn takes(&self, root: &Path, relative: &Path) -> bool {
        self.takes_name(root, relative) && self.takes_size_and_date(&root.join(relative))
    }

    /// Whether it is one, by its name.
    pub fn takes_name(&self, root: &Path, relative: &Path) -> bool {
        self.matches(relative) && !self.ignores(root, relative, false)
    }

    fn matches(&self, relative: &Path) -> bool {
        self.include.is_match(relative) && !self.exclude.is_match(relative)
    }

    /// Whether there may be documents in the directory at `relative` below `root`.
    pub fn enters(&self, root: &Path, relative: &Path) -> bool {
        !self.ignores(root, relative, true)
    }

    /// Whether the file at `path` is one, by its size and date.
    pub fn takes_size_and_date(&self, path: &Path) -> bool {
        if self.sizes == (0, u64::MAX) && self.newer_than.is_none() && self.older_than.is_none() {
            return true;
        }
        // What is gone again will be found missing by whoever reads it.
        let Ok(metadata) = std::fs::metadata(path) else { return true };
        self.takes_look(metadata.len(), metadata.modified().ok())
    }

    fn takes_look(&self, size: u64, modified: Option<SystemTime>) -> bool {
        let newer = || self.newer_than.is_none_or(|time| modified.is_none_or(|modified| modified >= time));
        let older = || self.older_than.is_none_or(|time| modified.is_none_or(|modified| modified < time));
        (self.sizes.0..=self.sizes.1).contains(&size) && newer() && older()
    }

    /// The ignore file that is nearest has the last word. Directories above were entered, so they are not ignored.
    fn ignores(&self, root: &Path, relative: &Path, directory: bool) -> bool {
        let path = root.join(relative);
        relative.ancestors().skip(1).find_map(|above| {
            let rules = self.rules(&root.join(above))?;
            let verdict = rules.matched(&path, directory);
            (!verdict.is_none()).then(|| verdict.is_ignore())
        }) == Some(true)
    }

    fn rules(&self, directory: &Path) -> Option<Arc<Gitignore>> {
        let mut known = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rules) = known.get(directory) {
            return rules.clone();
        }
        let file = directory.join(IGNORE_FILE);
        let rules = file.is_file().then(|| Arc::new(Gitignore::new(&file).0));
        known.insert(directory.to_owned(), rules.clone());
        rules
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

/// A moment as people write it: a time, a date (its beginning, where the program runs), or how long ago.
fn time(key: &str, written: &str) -> Result<Option<SystemTime>, String> {
    if written.is_empty() {
        return Ok(None);
    }
    let now = Zoned::now();
    let date = || written.parse::<jiff::civil::Date>().ok()?.to_zoned(now.time_zone().clone()).ok().map(|zoned| zoned.timestamp());
    let ago = || now.checked_sub(written.parse::<jiff::Span>().ok()?.abs()).ok().map(|zoned| zoned.timestamp());
    let moment = written.parse::<Timestamp>().ok().or_else(date).or_else(ago);
    let message = || {
        format!(
            "{key} = \"{written}\" is neither a date (\"2026-11-01\"), nor a time (\"2026-11-01T08:00:00Z\"), nor an age (\"7d\", \"12h\")"
        )
    };
    moment.map(|moment| Some(SystemTime::from(moment))).ok_or_else(message)
}

/// Hidden files, files that desktops and editors leave behind, and the run store.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"~$") || matches!(name, b"Thumbs.db" | b"desktop.ini") || name.starts_with(STORE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_three_ways() {
        assert_eq!(time("k", ""), Ok(None));
        let at = |written: &str| time("k", written).unwrap().unwrap();
        assert_eq!(at("1970-01-01T00:00:10Z"), SystemTime::UNIX_EPOCH + Duration::from_secs(10));
        assert!(at("2026-11-01") < at("2026-11-02"));
        let ago = at("7d").elapsed().unwrap().as_secs();
        assert!((604_000..=606_000 + 7200).contains(&ago), "{ago}");
        assert!(time("input.newer_than", "soon").unwrap_err().contains("\"soon\""));
    }
}
