//! Directories that do not exist yet.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Creates a directory and its parents. The error names a file that is in the way.
pub fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| match obstacle(path) {
        Some(file) => io::Error::new(ErrorKind::NotADirectory, format!("{} is a file, not a directory", file.display())),
        None => error,
    })
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
