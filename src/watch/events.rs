//! Events of the file system, as signals about files.

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};

/// What an event tells about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    /// It was created or written to.
    Changed(PathBuf),
    /// It was closed after writing, or renamed into place.
    Closed(PathBuf),
    /// Its times or permissions were set.
    Touched(PathBuf),
    /// It was removed or renamed.
    Gone(PathBuf),
    /// A directory appeared. Its files may have been written before it was watched.
    Directory,
    /// Events were lost, or some directories cannot be watched. Advice, if there is any.
    Lost(Option<String>),
}

impl Signal {
    /// The file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Changed(path) | Self::Closed(path) | Self::Touched(path) | Self::Gone(path) => Some(path),
            Self::Directory | Self::Lost(_) => None,
        }
    }
}

/// Watches directories until it is dropped.
pub(super) struct Events {
    _watcher: RecommendedWatcher,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Watches these directories. `each` gets the signals on a thread of the watcher.
    ///
    /// The error says why and what to do. Scans find everything without events too.
    pub fn of<'d>(directories: impl Iterator<Item = &'d Path>, each: impl Fn(Signal) + Send + 'static) -> Result<Self, String> {
        let directories: Vec<&Path> = directories.collect();
        let given: Vec<(PathBuf, PathBuf)> = directories.iter().flat_map(|given| real_names(given)).collect();
        let handle = move |event: notify::Result<Event>| match event {
            Ok(mut event) => {
                event.paths.iter_mut().for_each(|path| *path = as_given(path, &given));
                signals(event).into_iter().for_each(&each);
            }
            Err(error) => each(Signal::Lost(Some(advice(&error)))),
        };
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(handle, config).map_err(|error| advice(&error))?;
        for directory in directories {
            watcher.watch(directory, RecursiveMode::Recursive).map_err(|error| advice(&error))?;
        }
        Ok(Self { _watcher: watcher })
    }
}

/// The other names under which events may report a directory, each with the name that was given.
fn real_names(given: &Path) -> Vec<(PathBuf, PathBuf)> {
    let names = [std::path::absolute(given), std::fs::canonicalize(given)].into_iter().flatten();
    names.map(|name| (name, given.to_owned())).collect()
}

/// The path below a directory as it was given.
fn as_given(path: &Path, given: &[(PathBuf, PathBuf)]) -> PathBuf {
    let below = |(real, given): &(PathBuf, PathBuf)| Some(given.join(path.strip_prefix(real).ok()?));
    given.iter().find_map(below).unwrap_or_else(|| path.to_owned())
}

fn advice(error: &notify::Error) -> String {
    let is_full = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => error.raw_os_error() == Some(28),
        _ => false,
    };
    if is_full {
        "the system has no more watches for directories. Raise the limit with `sudo sysctl fs.inotify.max_user_watches=524288`".to_owned()
    } else if matches!(&error.kind, ErrorKind::Io(error) if error.raw_os_error() == Some(24)) {
        "the system has no more watchers. Raise the limit with `sudo sysctl fs.inotify.max_user_instances=1024`".to_owned()
    } else {
        error.to_string()
    }
}

fn signals(event: Event) -> Vec<Signal> {
    if event.need_rescan() {
        return vec![Signal::Lost(None)];
    }
    let mut paths = event.paths.into_iter();
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => paths.map(Signal::Closed).collect(),
        EventKind::Create(CreateKind::Folder) => vec![Signal::Directory],
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => paths.map(Signal::Gone).collect(),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => paths.flat_map(arrived).collect(),
        EventKind::Modify(ModifyKind::Name(_)) => {
            let from = paths.next().map(Signal::Gone);
            from.into_iter().chain(paths.flat_map(arrived)).collect()
        }
        // Programs set times and permissions after they have closed a file.
        EventKind::Modify(ModifyKind::Metadata(_)) => paths.map(Signal::Touched).collect(),
        EventKind::Access(_) | EventKind::Any | EventKind::Other => Vec::new(),
        EventKind::Create(_) | EventKind::Modify(_) => paths.map(Signal::Changed).collect(),
    }
}

/// What was renamed to `path`: a file, or a directory with files.
fn arrived(path: PathBuf) -> Vec<Signal> {
    if path.is_dir() { vec![Signal::Directory] } else { vec![Signal::Closed(path)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: EventKind, paths: &[&str]) -> Vec<Signal> {
        signals(paths.iter().fold(Event::new(kind), |event, path| event.add_path(path.into())))
    }

    #[test]
    fn a_file_is_closed_by_the_end_of_writing_and_by_a_rename() {
        let a = || PathBuf::from("/nowhere/a");
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert_eq!(of(closed, &["/nowhere/a"]), [Signal::Closed(a())]);
        assert_eq!(of(EventKind::Access(AccessKind::Close(AccessMode::Read)), &["/nowhere/a"]), []);
        let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        assert_eq!(of(both, &["/nowhere/b", "/nowhere/a"]), [Signal::Gone("/nowhere/b".into()), Signal::Closed(a())]);
        assert_eq!(of(EventKind::Modify(ModifyKind::Any), &["/nowhere/a"]), [Signal::Changed(a())]);
        assert_eq!(of(EventKind::Create(CreateKind::Folder), &["/nowhere/a"]), [Signal::Directory]);
    }

    #[test]
    fn an_overflow_of_the_queue_loses_events() {
        let event = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(signals(event), [Signal::Lost(None)]);
    }
}
