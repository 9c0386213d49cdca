//! Facts about this machine: limits of the process, memory, file systems.

use std::io;
use std::path::Path;

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Where the data is.
    pub kind: Kind,
}

/// Where the data of a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On a disk, as far as is known.
    Local,
    /// On another machine.
    Network(&'static str),
    /// In memory.
    Memory,
}

/// File systems that are not on a local disk, by their number in Linux.
#[cfg(target_os = "linux")]
const KINDS: [(u64, Kind); 9] = [
    (0x6969, Kind::Network("NFS")),
    (0x517b, Kind::Network("SMB")),
    (0xff53_4d42, Kind::Network("CIFS")),
    (0xfe53_4d42, Kind::Network("SMB")),
    (0x00c3_6400, Kind::Network("Ceph")),
    (0x5346_414f, Kind::Network("AFS")),
    (0x0102_1997, Kind::Network("9P")),
    (0x0102_1994, Kind::Memory),
    (0x8584_58f6, Kind::Memory),
];

/// The file system of a path.
#[cfg(unix)]
pub fn file_system(path: &Path) -> io::Result<FileSystem> {
    let room = rustix::fs::statvfs(path)?;
    Ok(FileSystem { free: room.f_bavail.saturating_mul(room.f_frsize), kind: kind(path) })
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> Kind {
    let Ok(found) = rustix::fs::statfs(path) else { return Kind::Local };
    // The type of the field differs between processors.
    let number = u64::try_from(i128::from(found.f_type) & 0xffff_ffff).unwrap_or_default();
    KINDS.iter().find(|(known, _)| *known == number).map_or(Kind::Local, |(_, kind)| *kind)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn kind(_: &Path) -> Kind {
    Kind::Local
}

/// The file system of a path.
#[cfg(not(unix))]
pub fn file_system(_: &Path) -> io::Result<FileSystem> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Maximum number of open files of this process; `None` without a limit.
#[cfg(unix)]
pub fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// The largest file that this process may write; `None` without a limit.
#[cfg(unix)]
pub fn largest_file() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// Maximum number of open files of this process; `None` without a limit.
#[cfg(not(unix))]
pub fn open_files() -> Option<u64> {
    None
}

/// The largest file that this process may write; `None` without a limit.
#[cfg(not(unix))]
pub fn largest_file() -> Option<u64> {
    None
}

/// Memory that this process can still use, in bytes; `None` if unknown.
///
/// A container may have less than the machine.
pub fn available_memory() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.split_whitespace().next()?.parse::<u64>().ok()? * 1024;
    let container = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    Some(container.map_or(machine, |(most, used)| machine.min(most.saturating_sub(used))))
}
