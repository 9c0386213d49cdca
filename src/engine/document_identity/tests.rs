use super::*;
use crate::model::{DocumentTimes, JobColumns, Place};
use crate::read::{InputEnvironment, InputSettings};
use crate::store::{NewRow, NewRun, ReadDocument, Store, StoreSettings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

/// A directory of documents with a store beside it.
struct World {
    dir: tempfile::TempDir,
}

/// The id of a document, whether it is new, and whether its row was kept.
type Fate = (i64, bool, bool);

impl World {
    fn of(files: &[(&str, &str)]) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(world.dir.path().join("docs")).unwrap();
        for (name, text) in files {
            world.write(name, text);
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("docs").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Identifies all documents and saves missing rows.
    fn run(&self) -> BTreeMap<String, Fate> {
        self.run_with(|path| std::fs::read(path).ok())
    }

    fn run_with(&self, read: impl Fn(&Path) -> Option<Vec<u8>>) -> BTreeMap<String, Fate> {
        let jobs = vec![JobColumns { name: "text".into(), digest: None, columns: Vec::new() }];
        let new = NewRun {
            started: String::new(),
            settings: "{}".into(),
            command: "docmill run".into(),
            recipe: 1,
            jobs,
            share: false,
            follows: false,
            delivers: false,
            embeds: Vec::new(),
        };
        let store = Store::begin_run(self.dir.path(), &new).unwrap();
        let settings =
            InputSettings { paths: vec![self.path("").to_str().unwrap().into()], include: vec!["**/*".into()], ..InputSettings::default() };
        let roots = Roots::open(&settings, &InputEnvironment::default(), None, Path::new("/nowhere")).unwrap();
        let (catalog, next) = (store.catalog().unwrap(), store.next_numbers().unwrap().0);
        let mut names = catalog.as_ref().map(|catalog| catalog.another().unwrap());
        let register = Register::new(catalog, next, roots.clone(), Retry::Transient);
        let (committed, _signs) = sync_channel(1);
        let settings = StoreSettings { queue: 8, group: 8, linger_ms: 0 };
        let (handle, writer) = store.start_writer(&settings, committed, Box::new(|_, _| {}), Box::new(|| {})).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut fates = BTreeMap::new();
        for (document, _) in roots.walk() {
            let versions = names.as_mut().map_or_else(Vec::new, |names| names.versions(&document.name).unwrap());
            let Place::File(path) = &document.place else { panic!("{:?} is no file", document.place) };
            let (digest, stamp) = (read(path).map(|bytes| Digest::of(&bytes)), roots.stamp_of(&document.place));
            let Identity { id, record, kept, is_new, renamed, row_is_old } =
                register.identify(&document, &versions, digest, stamp).unwrap();
            let forget_row = row_is_old || digest.is_none();
            runtime.block_on(handle.list_read(ReadDocument { position: document.index, id, record, renamed, forget_row })).unwrap();
            if kept.is_none() {
                let codes = digest.is_none().then(|| "unreadable".to_owned());
                let (status, result) = (if digest.is_some() { "ok" } else { "failed" }, "{}".to_owned());
                let row = NewRow {
                    document: id,
                    job: "text".into(),
                    status,
                    failure_code: None,
                    codes,
                    result,
                    times: DocumentTimes::default(),
                    given_up: None,
                    chunks: Vec::new(),
                };
                runtime.block_on(handle.save_row(row)).unwrap();
            }
            fates.insert(document.name, (id.0, is_new, kept.is_some()));
        }
        drop(handle);
        let (store, written) = writer.join().unwrap();
        written.unwrap();
        drop(store);
        fates
    }
}

fn fates<const N: usize>(fates: [(&str, Fate); N]) -> BTreeMap<String, Fate> {
    fates.into_iter().map(|(name, fate)| (name.to_owned(), fate)).collect()
}

const NEW: bool = true;
const KEPT: bool = true;

#[test]
fn an_unchanged_document_keeps_its_id_and_row_and_an_edited_one_gets_new_ones() {
    let world = World::of(&[("a", "one"), ("b", "two")]);
    assert_eq!(world.run(), fates([("a", (1, NEW, !KEPT)), ("b", (2, NEW, !KEPT))]));
    world.write("a", "other");
    assert_eq!(world.run(), fates([("a", (3, NEW, !KEPT)), ("b", (2, !NEW, KEPT))]));
    // If the edit is undone, the old id and row are known.
    world.write("a", "one");
    assert_eq!(world.run(), fates([("a", (1, !NEW, KEPT)), ("b", (2, !NEW, KEPT))]));
}

#[test]
fn a_renamed_document_keeps_its_id_and_row_and_a_copy_is_a_new_document() {
    let world = World::of(&[("a", "one")]);
    world.run();
    world.rename("a", "z");
    assert_eq!(world.run(), fates([("z", (1, !NEW, KEPT))]));
    world.write("b", "one");
    assert_eq!(world.run(), fates([("b", (2, NEW, !KEPT)), ("z", (1, !NEW, KEPT))]));
    // The document gets an earlier name back.
    world.rename("z", "a");
    assert_eq!(world.run(), fates([("a", (1, !NEW, KEPT)), ("b", (2, !NEW, KEPT))]));
}

#[test]
fn documents_that_swap_names_keep_their_ids_and_rows() {
    let world = World::of(&[("a", "one"), ("b", "two"), ("c", "six")]);
    world.run();
    world.rename("a", "t");
    world.rename("b", "a");
    world.rename("t", "b");
    assert_eq!(world.run(), fates([("a", (2, !NEW, KEPT)), ("b", (1, !NEW, KEPT)), ("c", (3, !NEW, KEPT))]));
    // Three documents exchange their names in a cycle.
    world.rename("c", "t");
    world.rename("b", "c");
    world.rename("a", "b");
    world.rename("t", "a");
    assert_eq!(world.run(), fates([("a", (3, !NEW, KEPT)), ("b", (2, !NEW, KEPT)), ("c", (1, !NEW, KEPT))]));
}

#[test]
fn equal_documents_keep_distinct_ids_when_they_are_renamed() {
    let world = World::of(&[("a", "same"), ("b", "same"), ("c", "same")]);
    world.run();
    world.rename("a", "x");
    world.rename("b", "y");
    world.write("z", "same");
    assert_eq!(world.run(), fates([("c", (3, !NEW, KEPT)), ("x", (1, !NEW, KEPT)), ("y", (2, !NEW, KEPT)), ("z", (4, NEW, !KEPT))]));
}

#[test]
fn a_renamed_document_is_found_even_if_its_old_name_is_reused() {
    let world = World::of(&[("a", "one")]);
    world.run();
    world.rename("a", "b");
    world.write("a", "two");
    assert_eq!(world.run(), fates([("a", (2, NEW, !KEPT)), ("b", (1, !NEW, KEPT))]));
}

#[test]
fn an_unreadable_document_is_retried_in_each_run_and_keeps_its_id_once_readable() {
    let world = World::of(&[("a", "one")]);
    assert_eq!(world.run_with(|_| None), fates([("a", (1, NEW, !KEPT))]));
    assert_eq!(world.run_with(|_| None), fates([("a", (1, !NEW, !KEPT))]));
    assert_eq!(world.run(), fates([("a", (1, !NEW, !KEPT))]));
    // Its answers survive runs in which it is unreadable.
    assert_eq!(world.run_with(|_| None), fates([("a", (2, NEW, !KEPT))]));
    assert_eq!(world.run(), fates([("a", (1, !NEW, KEPT))]));
}

fn register(directory: &std::path::Path) -> Register {
    let paths = vec![directory.to_str().unwrap().to_owned()];
    let input = InputSettings { paths, include: vec!["**/*".into()], ..InputSettings::default() };
    let roots = Roots::open(&input, &InputEnvironment::default(), None, std::path::Path::new("/nowhere")).unwrap();
    Register::new(None, 7, roots, Retry::Transient)
}

fn version(id: i64, digest: Option<Digest>, codes: Option<&str>) -> Version {
    let row = RowState { run: 1, job: "text".into(), status: "ok".into(), codes: codes.map(ToOwned::to_owned) };
    Version { id: DocumentId(id), digest, stamp: None, row: Some(row) }
}

#[test]
fn name_and_content_identify_a_document() {
    let dir = tempfile::tempdir().unwrap();
    let register = register(dir.path());
    let document = Document { index: 0, name: "a".into(), place: Place::File(dir.path().join("a")) };
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    let stamp = Some(Stamp { size: 3, modified_ns: 1, changed_ns: 1 });
    let versions = [version(1, Some(old), None), version(2, Some(new), Some("timed_out"))];
    let identify = |versions: &[Version], digest| register.identify(&document, versions, digest, stamp).unwrap();

    let same = identify(&versions, Some(old));
    assert!(
        (same.id, same.kept.is_some(), same.record.is_some()) == (DocumentId(1), true, true),
        "its stamp has changed, but not its content"
    );
    let failed = identify(&versions, Some(new));
    assert!((failed.id, failed.kept.is_some()) == (DocumentId(2), false), "a failure that the next run retries");
    let edited = identify(&versions[..1], Some(new));
    assert!((edited.id, edited.is_new) == (DocumentId(7), true));
    let unread = identify(&versions, None);
    assert!((unread.id, unread.is_new) == (DocumentId(8), true));
    let read_at_last = identify(&[version(3, None, Some("empty"))], Some(new));
    assert!((read_at_last.id, read_at_last.row_is_old, read_at_last.kept.is_some()) == (DocumentId(3), true, false));
}
