//! Finds files that a process holds open for writing.
//!
//! A program may pause longer than `watch.settle_s` in the middle of a file. Linux tells which files
//! the processes of the same user hold open.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the last look at the processes counts.
const FRESH: Duration = Duration::from_millis(500);

/// Files that processes of this user hold open for writing.
#[derive(Debug, Default)]
pub(super) struct Writers {
    seen: Option<Instant>,
    /// Device and number of each file.
    open: HashSet<(u64, u64)>,
}

impl Writers {
    /// Whether a process holds the file at `path` open for writing, as far as this can be seen. Blocks.
    pub fn have(&mut self, path: &Path) -> bool {
        if self.seen.is_none_or(|seen| seen.elapsed() > FRESH) {
            self.open = open_for_writing();
            self.seen = Some(Instant::now());
        }
        !self.open.is_empty() && identity(path).is_some_and(|file| self.open.contains(&file))
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(target_os = "linux")]
fn open_for_writing() -> HashSet<(u64, u64)> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && name != own)
    });
    let of_process = |process: std::fs::DirEntry| {
        // Processes of other users cannot be looked at.
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let infos = process.path().join("fdinfo");
        files.filter(move |file| is_writing(&infos.join(file.file_name()))).filter_map(|file| {
            let is_file = std::fs::metadata(file.path()).is_ok_and(|file| file.is_file());
            is_file.then(|| identity(&file.path())).flatten()
        })
    };
    processes.flat_map(of_process).collect()
}

/// Whether a file descriptor is open for writing, by its entry in `fdinfo`.
#[cfg(target_os = "linux")]
fn is_writing(info: &Path) -> bool {
    let info = std::fs::read_to_string(info).unwrap_or_default();
    let flags = info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & 0o3 != 0)
}

#[cfg(not(target_os = "linux"))]
fn open_for_writing() -> HashSet<(u64, u64)> {
    HashSet::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_file_that_another_process_writes_is_found_until_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (written, read) = (dir.path().join("written"), dir.path().join("read"));
        std::fs::write(&written, "x").unwrap();
        std::fs::write(&read, "x").unwrap();
        let start = |redirection: &str, path: &Path| {
            let script = format!("exec 3{redirection}\"$0\"; echo open; exec cat");
            let mut child =
                Command::new("sh").args(["-c", &script]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = [0; 5];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
            child
        };
        let (mut writer, mut reader) = (start(">>", &written), start("<", &read));
        assert!(Writers::default().have(&written) && !Writers::default().have(&read));
        drop(writer.stdin.take());
        writer.wait().unwrap();
        assert!(!Writers::default().have(&written));
        drop(reader.stdin.take());
        reader.wait().unwrap();
    }
}
