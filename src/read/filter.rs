//! Selects the files of a directory that are documents.

use super::environment::InputEnvironment;
use super::links::Links;
use super::settings::{Grouping, InputSettings, Tables};
use super::table::{is_table_name, is_workbook_name};
use crate::model::Stamp;
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use jiff::{Timestamp, Zoned};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// File with patterns to exclude, in the syntax of `.gitignore`. It applies to its directory.
pub(super) const IGNORE_FILE: &str = ".docmillignore";

/// File name of the run store, which identifies output directories.
const STORE: &str = "docmill.db";

/// The selection rules of one input directory.
#[derive(Debug)]
pub(super) struct Filter {
    pub links: Links,
    /// Which files are one document.
    pub group: Grouping,
    include: GlobSet,
    exclude: GlobSet,
    sizes: (u64, u64),
    newer_than: Option<SystemTime>,
    older_than: Option<SystemTime>,
    output: Option<PathBuf>,
    /// Real paths of the settings and jobs of this run.
    own_files: Vec<PathBuf>,
    /// Whether tables are inputs of their own, and not documents of the directory.
    without_tables: bool,
    /// Tables that are documents all the same, because they have no rows to read, with the reason.
    /// `None` if the file is empty.
    without_rows: BTreeMap<PathBuf, Option<String>>,
    /// The ignore file of each directory looked at. `None` if the directory has no such file.
    ignored: Mutex<HashMap<PathBuf, Option<Arc<Gitignore>>>>,
    /// For a remote input: the ignore file at its top.
    ignored_elsewhere: Gitignore,
}

impl Filter {
    /// The rules of the settings for a directory with this real path. The directory `output` is
    /// never walked.
    pub fn new(
        settings: &InputSettings,
        environment: &InputEnvironment,
        directory: PathBuf,
        output: Option<PathBuf>,
    ) -> Result<Self, String> {
        let time = |key, written| time(key, written, &environment.now);
        Ok(Self {
            links: Links::new(settings.follow_links, directory),
            group: settings.group,
            include: patterns("input.include", &settings.include)?,
            exclude: patterns("input.exclude", &settings.exclude)?,
            sizes: (settings.min_bytes, if settings.max_bytes == 0 { u64::MAX } else { settings.max_bytes }),
            newer_than: time("input.newer_than", &settings.newer_than)?,
            older_than: time("input.older_than", &settings.older_than)?,
            output,
            own_files: settings.own_files.clone(),
            without_tables: settings.tables == Tables::Rows,
            without_rows: BTreeMap::new(),
            ignored: Mutex::default(),
            ignored_elsewhere: Gitignore::empty(),
        })
    }

    /// The rules for a remote input whose ignore file has this text.
    pub fn elsewhere(settings: &InputSettings, environment: &InputEnvironment, ignore_file: &str) -> Result<Self, String> {
        let mut ignored = GitignoreBuilder::new("");
        for line in ignore_file.lines() {
            ignored.add_line(None, line).map_err(|e| format!("{IGNORE_FILE}: invalid pattern: {e}"))?;
        }
        let ignored_elsewhere = ignored.build().map_err(|e| format!("{IGNORE_FILE}: invalid pattern: {e}"))?;
        Ok(Self { ignored_elsewhere, ..Self::new(settings, environment, PathBuf::new(), None)? })
    }

    /// Whether the name of the object at `relative` makes it a document.
    pub fn takes_object(&self, relative: &Path) -> bool {
        self.matches(relative) && !self.ignored_elsewhere.matched_path_or_any_parents(relative, false).is_ignore()
    }

    /// Whether size and time of an object make it a document.
    pub fn takes_stamp(&self, stamp: Stamp) -> bool {
        let modified = UNIX_EPOCH.checked_add(Duration::from_nanos(u64::try_from(stamp.modified_ns).unwrap_or(0)));
        self.takes_look(stamp.size, modified)
    }

    /// Whether the file at `relative` below `root` is a document.
    pub fn takes(&self, root: &Path, relative: &Path) -> bool {
        !self.has_rows(relative) && self.selects(root, relative)
    }

    /// Whether the rules select the file at `relative` below `root`.
    pub fn selects(&self, root: &Path, relative: &Path) -> bool {
        self.takes_name(root, relative) && self.takes_size_and_date(&root.join(relative))
    }

    /// Whether the file at this relative path is a table whose rows are documents.
    pub fn has_rows(&self, path: &Path) -> bool {
        let is_table = |name: &str| is_table_name(name) || is_workbook_name(name);
        self.without_tables && path.to_str().is_some_and(is_table) && !self.without_rows.contains_key(path)
    }

    /// Makes a table a document, because its rows cannot be read. `None`: it is empty.
    pub fn note_without_rows(&mut self, relative: PathBuf, why: Option<String>) {
        self.without_rows.insert(relative, why);
    }

    /// Why the rows of a table cannot be read.
    pub fn without_rows(&self, relative: &Path) -> Option<&str> {
        self.without_rows.get(relative)?.as_deref()
    }

    /// Whether the name of the file makes it a document.
    pub fn takes_name(&self, root: &Path, relative: &Path) -> bool {
        self.matches(relative) && !self.ignores(root, relative, false) && !self.is_own(&root.join(relative))
    }

    /// Whether this is the settings file or the job file of this run.
    pub fn is_own(&self, path: &Path) -> bool {
        let mut alike = self.own_files.iter().filter(|own| own.file_name() == path.file_name());
        alike.any(|own| std::fs::canonicalize(path).is_ok_and(|real| real == *own))
    }

    /// Whether a pattern of the settings excludes what is at `relative`.
    pub fn excludes_by_pattern(&self, relative: &Path) -> bool {
        self.exclude.is_match(relative)
    }

    /// Whether patterns exclude what is at `relative` below `root`. Patterns to include do not count.
    pub fn excludes(&self, root: &Path, relative: &Path) -> bool {
        self.excludes_by_pattern(relative) || self.ignores(root, relative, false)
    }

    /// Whether patterns include what is at `relative`.
    pub fn includes(&self, relative: &Path) -> bool {
        self.include.is_match(relative)
    }

    fn matches(&self, relative: &Path) -> bool {
        self.include.is_match(relative) && !self.exclude.is_match(relative)
    }

    /// Whether the walk enters the directory at `relative` below `root`.
    pub fn enters(&self, root: &Path, relative: &Path) -> bool {
        !self.ignores(root, relative, true)
    }

    /// Whether size and date make the file at `path` a document.
    pub fn takes_size_and_date(&self, path: &Path) -> bool {
        if self.sizes == (0, u64::MAX) && self.newer_than.is_none() && self.older_than.is_none() {
            return true;
        }
        // A file that vanished is reported when it is read.
        let Ok(metadata) = std::fs::metadata(path) else { return true };
        self.takes_look(metadata.len(), metadata.modified().ok())
    }

    fn takes_look(&self, size: u64, modified: Option<SystemTime>) -> bool {
        let newer = || self.newer_than.is_none_or(|time| modified.is_none_or(|modified| modified >= time));
        let older = || self.older_than.is_none_or(|time| modified.is_none_or(|modified| modified < time));
        (self.sizes.0..=self.sizes.1).contains(&size) && newer() && older()
    }

    /// Whether ignore files exclude the path. The nearest ignore file decides.
    ///
    /// Directories above were entered, so they are not ignored.
    fn ignores(&self, root: &Path, relative: &Path, directory: bool) -> bool {
        let path = root.join(relative);
        relative.ancestors().skip(1).find_map(|above| {
            let rules = self.rules(&root.join(above))?;
            let verdict = rules.matched(&path, directory);
            (!verdict.is_none()).then(|| verdict.is_ignore())
        }) == Some(true)
    }

    fn rules(&self, directory: &Path) -> Option<Arc<Gitignore>> {
        let mut known = self.ignored.lock();
        if let Some(rules) = known.get(directory) {
            return rules.clone();
        }
        let file = directory.join(IGNORE_FILE);
        let rules = file.is_file().then(|| Arc::new(Gitignore::new(&file).0));
        known.insert(directory.to_owned(), rules.clone());
        rules
    }

    /// Forgets the ignore files read so far, because they may have changed.
    pub fn forget_ignore_files(&self) {
        self.ignored.lock().clear();
    }

    /// Whether this is an output directory of this run or another one.
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

/// Parses a timestamp, a date or an age. A date means its beginning in local time.
fn time(key: &str, written: &str, now: &Zoned) -> Result<Option<SystemTime>, String> {
    if written.is_empty() {
        return Ok(None);
    }
    let date = || written.parse::<jiff::civil::Date>().ok()?.to_zoned(now.time_zone().clone()).ok().map(|zoned| zoned.timestamp());
    let ago = || now.checked_sub(written.parse::<jiff::Span>().ok()?.abs()).ok().map(|zoned| zoned.timestamp());
    let moment = written.parse::<Timestamp>().ok().or_else(date).or_else(ago);
    let message = || {
        format!(
            "unknown {key} \"{written}\"; expected a date (\"2026-11-01\"), a time (\"2026-11-01T08:00:00Z\") or an age (\"7d\", \"12h\")"
        )
    };
    moment.map(|moment| Some(SystemTime::from(moment))).ok_or_else(message)
}

/// Whether the walk always skips this file. This covers hidden files, leftovers of desktops and
/// editors, and the run store.
pub fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"~$") || matches!(name, b"Thumbs.db" | b"desktop.ini") || name.starts_with(STORE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_timestamps_dates_or_ages() {
        let now = Zoned::now();
        assert_eq!(time("k", "", &now), Ok(None));
        let at = |written: &str| time("k", written, &now).unwrap().unwrap();
        assert_eq!(at("1970-01-01T00:00:10Z"), SystemTime::UNIX_EPOCH + Duration::from_secs(10));
        assert!(at("2026-11-01") < at("2026-11-02"));
        let ago = at("7d").elapsed().unwrap().as_secs();
        assert!((604_000..=606_000 + 7200).contains(&ago), "{ago}");
        assert!(time("input.newer_than", "soon", &now).unwrap_err().contains("\"soon\""));
    }
}
