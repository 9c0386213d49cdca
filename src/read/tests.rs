use super::*;
use crate::read::{InputEnvironment, InputSettings};
use std::ffi::OsStr;

fn settings(paths: &[&Path], exclude: &[&str]) -> InputSettings {
    InputSettings {
        paths: paths.iter().map(|p| p.to_str().unwrap().to_owned()).collect(),
        include: vec!["**/*".into()],
        exclude: exclude.iter().map(|s| (*s).to_owned()).collect(),
        ..InputSettings::default()
    }
}

fn names(paths: &[&Path], exclude: &[&str]) -> Vec<String> {
    let roots = Roots::open(&settings(paths, exclude), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    roots.walk().map(|(document, _)| document.name).collect()
}

fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    dir
}

#[test]
fn documents_come_in_the_byte_order_of_their_whole_paths() {
    let files = ["a/x", "a-b/x", "a.txt", "B", "a/b/c", "z", "a0", "a/~"];
    let dir = tree(&files);
    let mut expected: Vec<String> = files.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(names(&[dir.path()], &[]), expected);
    let roots = Roots::open(&settings(&[dir.path()], &[]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    let indices: Vec<u64> = roots.walk().map(|(d, _)| d.index).collect();
    assert_eq!(indices, (0..files.len() as u64).collect::<Vec<_>>());
}

#[test]
fn hidden_files_and_patterns_are_left_out_and_counted() {
    let dir = tree(&["a.txt", ".git/x", "._a.txt", "Thumbs.db", "~$a.docx", "notes/readme.md", "scenes/deep/b.pov"]);
    std::fs::write(dir.path().join(".docmillignore"), "# not documents\nscenes/**\n\n").unwrap();
    let roots = Roots::open(&settings(&[dir.path()], &["**/*.md"]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    let mut walk = roots.walk();
    assert_eq!(walk.by_ref().map(|(d, _)| d.name).collect::<Vec<_>>(), ["a.txt"]);
    assert_eq!(walk.left_out(), LeftOut { hidden: 5, patterns: 2, ..LeftOut::default() });
    assert_eq!(roots.unsorted().count(), 1);
    let large = InputSettings { min_bytes: 2, ..settings(&[dir.path()], &["**/*.md"]) };
    let mut walk = Roots::open(&large, &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap().walk();
    assert_eq!(walk.by_ref().count(), 0);
    assert_eq!(walk.left_out(), LeftOut { hidden: 5, patterns: 2, size_or_date: 1, ..LeftOut::default() });
}

#[test]
fn the_output_directory_is_never_input() {
    let dir = tree(&["a.txt", "output/text/results.csv"]);
    let roots = Roots::open(&settings(&[dir.path()], &[]), &InputEnvironment::default(), None, &dir.path().join("output")).unwrap();
    assert_eq!((roots.walk().count(), roots.unsorted().count()), (1, 1));
}

#[test]
fn several_inputs_keep_their_order_and_their_names_apart() {
    let (one, two) = (tree(&["b.txt", "a.txt"]), tree(&["a.txt"]));
    let file = one.path().join("b.txt");
    let found = names(&[two.path(), &file], &[]);
    assert_eq!(found, [format!("{}/a.txt", two.path().display()), file.display().to_string()]);
    let overlap = Roots::open(&settings(&[one.path(), &file], &[]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap_err();
    assert!(overlap.to_string().contains("overlap"), "{overlap}");
}

#[cfg(unix)]
#[test]
fn every_document_is_found_again_by_its_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tree(&["plain.txt", "a/b c.txt", "back\\slash.txt", "back\\x41.txt", "left/out.txt"]);
    for name in [&b"by\xfftes.txt"[..], b"ba\\ck\xff.txt", b"\xc3(.txt"] {
        std::fs::write(dir.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    let other = tree(&["plain.txt", "single.txt"]);
    let single = other.path().join("single.txt");
    for paths in [&[dir.path()][..], &[dir.path(), &single], &[&single]] {
        let roots = Roots::open(&settings(paths, &["left/**"]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
        let mut found = 0;
        for (document, _) in roots.walk() {
            assert_eq!(roots.locate(&document.name), Some(document.place.clone()), "{}", document.name);
            found += 1;
        }
        assert!(found > 0);
        assert_eq!(roots.locate("left/out.txt"), None, "excluded");
        assert!(!matches!(roots.locate("elsewhere/../plain.txt"), Some(Place::File(path)) if path.exists()));
    }
}

#[test]
fn a_name_without_a_file_is_located_where_the_file_would_be() {
    let dir = tree(&["partA.txt"]);
    let roots = Roots::open(&settings(&[dir.path()], &["**/*.md"]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    assert_eq!(roots.locate("gone.txt"), Some(Place::File(dir.path().join("gone.txt"))));
    assert_eq!(roots.locate("gone.md"), None, "excluded");
    // This does not mean `partA.txt`: a UTF-8 name is never unescaped.
    let name = "part\\x41.txt";
    assert_eq!(roots.locate(name), Some(Place::File(dir.path().join(name))));
}

#[cfg(unix)]
#[test]
fn hostile_names_survive_and_special_files_are_counted() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tree(&["new\nline, \"quoted\".txt"]);
    std::fs::write(dir.path().join(OsStr::from_bytes(b"\xff\\x.txt")), "x").unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("gone", dir.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink("new\nline, \"quoted\".txt", dir.path().join("link.txt")).unwrap();
    let roots = Roots::open(&settings(&[dir.path()], &[]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    let mut walk = roots.walk();
    let found: Vec<String> = walk.by_ref().map(|(d, _)| d.name).collect();
    assert_eq!(found, ["link.txt", "new\nline, \"quoted\".txt", "\\xFF\\\\x.txt"]);
    assert_eq!(walk.left_out().special, 2);
    assert_eq!(roots.unsorted().count(), 3);
}

proptest::proptest! {
    /// For all names, the walk sorts by whole paths.
    #[test]
    fn any_tree_is_walked_in_byte_order(names_in in proptest::collection::hash_set("[a-c+./0]{0,3}[a-c]/?[a-c0]{1,2}", 0..20)) {
        let files: Vec<String> = names_in.into_iter().filter(|n| !n.split('/').any(|p| p.is_empty() || p.starts_with('.'))).collect();
        let dir = tempfile::tempdir().unwrap();
        for file in &files {
            let path = dir.path().join(file);
            let made = std::fs::create_dir_all(path.parent().unwrap()).and_then(|()| std::fs::write(&path, "x"));
            // A path cannot be both a directory and a file.
            drop(made);
        }
        let mut expected: Vec<String> = files.iter().filter(|f| dir.path().join(f).is_file()).cloned().collect();
        expected.sort();
        expected.dedup();
        let roots = Roots::open(&settings(&[dir.path()], &[]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
        proptest::prop_assert_eq!(roots.unsorted().count(), expected.len());
        proptest::prop_assert_eq!(names(&[dir.path()], &[]), expected);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn printed_names_are_unique_and_lead_back_to_their_file() {
    let dir = tree(&["bad\\xff.txt", "bad\\xFF.txt", "bad\\x5CxFF.txt", "plain\\x41.txt", "plain\\.txt"]);
    let raw: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"bad\xFF.txt");
    std::fs::write(dir.path().join(raw), "y").unwrap();
    let roots = Roots::open(&settings(&[dir.path()], &[]), &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    let mut seen = std::collections::HashSet::new();
    for (document, _) in roots.walk() {
        let Place::File(walked) = &document.place else { panic!("{document:?}") };
        let Some(Place::File(located)) = roots.locate(&document.name) else { panic!("{}", document.name) };
        assert_eq!(*walked, located, "{}", document.name);
        assert!(seen.insert(document.name));
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.contains("bad\\xFF.txt") && seen.contains("plain\\x41.txt") && seen.contains("plain\\.txt"), "{seen:?}");
}

#[test]
fn a_path_listed_twice_is_one_document_and_counted() {
    let dir = tree(&["a", "b"]);
    let (a, b, list) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("list"));
    std::fs::write(&list, format!("{0}\n{1}\n{0}\n", a.display(), b.display())).unwrap();
    let settings = InputSettings { files_from: list.to_str().unwrap().to_owned(), ..settings(&[], &[]) };
    let roots = Roots::open(&settings, &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
    let mut walk = roots.walk();
    assert_eq!(walk.by_ref().count(), 2);
    assert_eq!((walk.left_out().repeated, roots.unsorted().count()), (1, 2));
}
