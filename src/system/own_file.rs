//! Opens files of docmill in directories where others may write.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file of docmill itself, such as a lock.
///
/// Refuses a link, anything but a regular file, and a file of another user: they could lead to a
/// file of this user, or mislead docmill. Files of root and of the directory's owner are accepted.
pub fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    let file = options.open(path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match foreign(&file.metadata()?, &std::fs::metadata(directory)?) {
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))),
        None => Ok(file),
    }
}

/// Makes a directory that only this user can read, and checks that it is so.
///
/// In a directory where everybody may write, another user may have made it before.
pub fn own_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)?;
    let parent_is_shared = |directory: &Path| directory.parent().is_some_and(is_shared);
    for directory in path.ancestors().filter(|directory| *directory == path || parent_is_shared(directory)) {
        if let Some(why) = not_private(&std::fs::symlink_metadata(directory)?, directory == path) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", directory.display())));
        }
    }
    Ok(())
}

/// Why a file does not belong to docmill; `None` if it may.
#[cfg(unix)]
fn foreign(file: &Metadata, directory: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let us = rustix::process::geteuid().as_raw();
    let others_write = directory.mode() & 0o022 != 0 || ![us, 0].contains(&directory.uid());
    // In a directory with the sticky bit, everybody may own files, and the owner means nothing.
    let owners = [us, 0, if directory.mode() & 0o1000 == 0 { directory.uid() } else { us }];
    if !file.is_file() {
        Some("is not a regular file. Remove it")
    } else if us != 0 && !owners.contains(&file.uid()) {
        Some("belongs to another user. Remove it, or choose another directory")
    } else if others_write && file.nlink() > 1 {
        Some("has a second name in a directory where others may write. Remove it")
    } else {
        None
    }
}

/// Why a directory is not private to this user; `None` if it is.
///
/// In a directory above with the sticky bit, others cannot rename what this user owns.
#[cfg(unix)]
fn not_private(directory: &Metadata, is_last: bool) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let is_sticky = directory.mode() & 0o1000 != 0;
    if !directory.is_dir() {
        Some("is not a directory")
    } else if directory.uid() != rustix::process::geteuid().as_raw() {
        Some("belongs to another user")
    } else if directory.mode() & 0o022 != 0 && (is_last || !is_sticky) {
        Some("may be changed by other users")
    } else {
        None
    }
}

/// Whether everybody may write to a directory.
#[cfg(unix)]
fn is_shared(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(directory).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)
}

#[cfg(not(unix))]
fn foreign(file: &Metadata, _: &Metadata) -> Option<&'static str> {
    (!file.is_file()).then_some("is not a regular file. Remove it")
}

#[cfg(not(unix))]
fn not_private(_: &Metadata, _: bool) -> Option<&'static str> {
    None
}

#[cfg(not(unix))]
fn is_shared(_: &Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn links_pipes_and_second_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| open_own(OpenOptions::new().create(true).truncate(false).read(true).write(true), &dir.path().join(name));
        open("file").unwrap();
        open("file").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        open("link").unwrap_err();
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(open("pipe").unwrap_err().to_string().contains("is not a regular file"));
        std::fs::hard_link(dir.path().join("file"), dir.path().join("second")).unwrap();
        open("second").unwrap();
        chmod(dir.path(), 0o1777);
        assert!(open("second").unwrap_err().to_string().contains("second name"));
    }

    #[test]
    fn a_directory_that_others_may_change_is_not_private() {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), 0o1777);
        let (first, inner) = (dir.path().join("docmill-me"), dir.path().join("docmill-me/docmill"));
        own_directory(&inner).unwrap();
        own_directory(&inner).unwrap();
        chmod(&first, 0o777);
        assert!(own_directory(&inner).unwrap_err().to_string().contains("docmill-me may be changed by other users"));
        chmod(&first, 0o700);
        chmod(&inner, 0o775);
        own_directory(&inner).unwrap_err();
        std::fs::remove_dir(&inner).unwrap();
        std::fs::remove_dir(&first).unwrap();
        std::fs::create_dir(dir.path().join("other")).unwrap();
        symlink("other", &first).unwrap();
        assert!(own_directory(&inner).unwrap_err().to_string().contains("docmill-me is not a directory"));
    }
}
