//! Directories: created, and made durable.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Number of files from which it is quicker to write the whole file system to the disk.
const MANY: usize = 64;

/// Creates a directory and its parents. The error names a file that is in the way.
pub fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| match obstacle(path) {
        Some(file) => io::Error::new(ErrorKind::NotADirectory, format!("{} is a file, not a directory", file.display())),
        None => error,
    })
}

/// Writes all files below a directory to the disk, and the directories with their names.
pub fn make_durable(directory: &Path) -> io::Result<()> {
    let entries = || walkdir::WalkDir::new(directory).into_iter();
    if entries().take(MANY).count() == MANY && sync_file_system(directory)? {
        return Ok(());
    }
    for entry in entries() {
        File::open(entry.map_err(io::Error::from)?.path())?.sync_all()?;
    }
    Ok(())
}

/// Writes the file system of a directory to the disk. Returns false if the system cannot.
fn sync_file_system(directory: &Path) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        rustix::fs::syncfs(File::open(directory)?)?;
        Ok(true)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _unknown = directory;
        Ok(false)
    }
}

/// The part of a path that exists and is no directory.
pub fn obstacle(path: &Path) -> Option<PathBuf> {
    let nearest = path.ancestors().find(|part| std::fs::symlink_metadata(part).is_ok())?;
    (!nearest.is_dir() && nearest.exists()).then(|| nearest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_way_of_a_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("n");
        std::fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("a").join("b")] {
            assert_eq!(obstacle(&path).as_ref(), Some(&file));
            assert_eq!(make_directory(&path).unwrap_err().to_string(), format!("{} is a file, not a directory", file.display()));
        }
        let new = directory.path().join("c").join("d");
        assert_eq!(obstacle(&new), None);
        assert!(make_directory(&new).is_ok() && new.is_dir());
    }
}
