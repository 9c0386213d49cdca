//! Decides which links below an input directory are followed.
//!
//! A received archive may contain a link to a file of the user, such as a key. Following it would
//! send that file to a model.

use serde::Deserialize;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Which links to files are documents. Links to directories never are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowLinks {
    /// Links whose target is below the same input directory.
    #[default]
    Inside,
    /// No links.
    Never,
    /// All links.
    All,
}

/// The rule for links of one input directory.
#[derive(Debug)]
pub(super) struct Links {
    follow: FollowLinks,
    /// The real path of the directory.
    directory: PathBuf,
}

impl Links {
    pub fn new(follow: FollowLinks, directory: PathBuf) -> Self {
        Self { follow, directory }
    }

    /// Whether the link at `path` is a document.
    pub fn follows(&self, path: &Path) -> bool {
        match self.follow {
            FollowLinks::All => true,
            FollowLinks::Never => false,
            FollowLinks::Inside => std::fs::canonicalize(path).is_ok_and(|target| target.starts_with(&self.directory)),
        }
    }

    /// Whether `file`, opened at `relative` below the directory, may be read.
    ///
    /// After the walk, another process may have replaced the file, or a directory above it, by a
    /// link. So the opened file itself decides.
    pub fn admits(&self, file: &File, relative: &Path) -> bool {
        let path = self.directory.join(relative);
        match self.follow {
            FollowLinks::All => true,
            FollowLinks::Never => real_path(file, &path).is_some_and(|real| real == path),
            FollowLinks::Inside => real_path(file, &path).is_some_and(|real| real.starts_with(&self.directory)),
        }
    }
}

/// The real path of an opened file. Without `/proc`, the present target of `path`.
fn real_path(file: &File, path: &Path) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;
        if let Ok(real) = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
            return Some(real);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    std::fs::canonicalize(path).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_links_to_files_inside_are_followed_unless_all_are() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().canonicalize().unwrap().join("in"), dir.path().join("secret"));
        std::fs::create_dir_all(inside.join("part")).unwrap();
        std::fs::write(&outside, "key").unwrap();
        std::fs::write(inside.join("part/a"), "a").unwrap();
        for (target, link) in
            [("part/a", "near"), ("../secret", "far"), ("far", "twice"), ("part/../../secret", "around"), ("../in/part/a", "out-and-in")]
        {
            symlink(target, inside.join(link)).unwrap();
        }
        let follows = |follow| {
            let links = Links::new(follow, inside.clone());
            ["near", "far", "twice", "around", "out-and-in"].map(|name| {
                let path = inside.join(name);
                let follows = links.follows(&path);
                assert_eq!(links.admits(&File::open(&path).unwrap(), Path::new(name)), follows, "{name}");
                follows
            })
        };
        assert_eq!(follows(FollowLinks::Inside), [true, false, false, false, true]);
        assert_eq!(follows(FollowLinks::Never), [false; 5]);
        assert_eq!(follows(FollowLinks::All), [true; 5]);
    }

    #[test]
    fn a_directory_replaced_by_a_link_after_the_walk_gives_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().canonicalize().unwrap().join("in");
        std::fs::create_dir_all(inside.join("part")).unwrap();
        std::fs::create_dir(dir.path().join("other")).unwrap();
        std::fs::write(dir.path().join("other/a"), "key").unwrap();
        std::fs::remove_dir(inside.join("part")).unwrap();
        symlink("../other", inside.join("part")).unwrap();
        let file = File::open(inside.join("part/a")).unwrap();
        for (follow, admitted) in [(FollowLinks::Inside, false), (FollowLinks::Never, false), (FollowLinks::All, true)] {
            assert_eq!(Links::new(follow, inside.clone()).admits(&file, Path::new("part/a")), admitted);
        }
    }
}
