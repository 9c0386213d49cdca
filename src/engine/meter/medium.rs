//! Tells whether a directory is on a disk or in memory.

use std::path::Path;

/// Whether the files of a directory are in memory. `false` if the system does not tell.
#[cfg(target_os = "linux")]
pub fn is_memory(directory: &Path) -> bool {
    use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
    const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);
    statfs(directory).is_ok_and(|system| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&system.filesystem_type()))
}

#[cfg(not(target_os = "linux"))]
pub fn is_memory(_: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_memory_is_recognised() {
        let shared_memory = Path::new("/dev/shm");
        assert!(!shared_memory.exists() || is_memory(shared_memory));
        assert!(!is_memory(Path::new("/proc")) && !is_memory(Path::new("/nowhere")));
    }
}
