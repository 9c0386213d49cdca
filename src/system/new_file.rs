//! New files and their permissions.

use std::io;
use std::path::Path;
use tempfile::{Builder, NamedTempFile};

/// Creates a hidden file beside `name`, which replaces `name` when it is complete.
///
/// A rename is atomic only within a file system. The file gets the permissions of an existing file
/// of the name. Otherwise the permission mask of the process decides.
pub fn beside(name: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(name.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    if let Ok(existing) = std::fs::symlink_metadata(name)
        && existing.is_file()
    {
        file.as_file().set_permissions(existing.permissions())?;
    }
    Ok(file)
}

/// Makes new files of this process private to its user. Returns the mask of the user.
#[cfg(unix)]
pub fn make_new_files_private() -> u32 {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO).as_raw_mode()
}

/// Gives new files of this process the permissions of the user's mask.
#[cfg(unix)]
pub fn set_permission_mask(mask: u32) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
}

/// Makes new files of this process private to its user, if the system knows such permissions.
#[cfg(not(unix))]
pub fn make_new_files_private() -> u32 {
    0
}

/// Gives new files of this process the permissions of the user's mask.
#[cfg(not(unix))]
pub fn set_permission_mask(_: u32) {}
