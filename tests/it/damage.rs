//! Truncated, overwritten, foreign and locked stores, and full disks.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Reply, Workspace};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const STORE: &str = "output/docmill.db";
const LOG: &str = "output/docmill.db-wal";

/// All files below a directory with their contents.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn tree(directory: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree.append(&mut self::tree(&path));
        } else {
            tree.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    tree
}

/// The files of the output directory, without the lock. The lock names its last owner.
fn output(workspace: &Workspace) -> Tree {
    let mut tree = tree(&workspace.path("output"));
    tree.retain(|path, _| !path.ends_with(".docmill.lock"));
    tree
}

/// Restores the files of the output directory.
fn restore(workspace: &Workspace, output: &Tree) {
    std::fs::remove_dir_all(workspace.path("output")).unwrap();
    for (path, bytes) in output {
        workspace.write(path, bytes);
    }
}

/// Requests by document.
fn requests(server: &ModelServer) -> BTreeMap<String, u32> {
    server.ledger().calls.iter().map(|call| (call.docid.clone().unwrap(), call.requests)).collect()
}

/// The documents with an answer in a store. Reads a copy, because opening repairs the store.
fn answered(workspace: &Workspace) -> BTreeSet<String> {
    let copy = tempfile::TempDir::new().unwrap();
    for file in ["docmill.db", "docmill.db-wal"] {
        let bytes = std::fs::read(workspace.path("output").join(file)).unwrap_or_default();
        std::fs::write(copy.path().join(file), bytes).unwrap();
    }
    let store = Connection::open(copy.path().join("docmill.db")).unwrap();
    let mut statement = store.prepare("SELECT d.name FROM answers a JOIN documents d ON d.id = a.document").unwrap();
    statement.query_map((), |row| row.get::<_, String>(0)).unwrap().map(|name| docid(&name.unwrap())).collect()
}

fn docid(name: &str) -> String {
    name.trim_end_matches(".txt").to_owned()
}

fn documents(workspace: &Workspace, numbers: std::ops::Range<u32>) {
    workspace.write("echo.toml", ECHO);
    for n in numbers {
        workspace.doc(format!("d{n:03}.txt"), format!("docid:d{n:03}"));
    }
}

/// Checks that every document has its answer, in order.
#[track_caller]
fn complete(run: &Finished, documents: u32, case: &str) {
    let csv = run.csv("echo");
    assert_eq!(csv.column("document"), (0..documents).map(|n| format!("d{n:03}.txt")).collect::<Vec<_>>(), "{case}");
    for (n, said) in csv.column("said").into_iter().enumerate() {
        assert!(said.starts_with(&format!("said of docid:d{n:03}")), "{case}: {said}");
    }
    assert_eq!(run.json("echo"), run.jsonl("echo"), "{case}");
}

/// Start offsets of the frames of a log's last transaction. The last item is its end.
///
/// Format: sqlite.org/fileformat2.html.
fn last_transaction(log: &[u8]) -> Vec<usize> {
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize;
    let (frame, salt) = (24 + number(8), &log[16..24]);
    let ends: Vec<usize> = (32..).step_by(frame).map(|at| at + frame).take_while(|end| *end <= log.len()).collect();
    // Frames after the end of the log are older and have another salt.
    let ends: Vec<usize> = ends.into_iter().take_while(|end| log[end - frame + 8..end - frame + 16] == *salt).collect();
    // The last frame of a transaction contains the new number of pages of the store.
    let is_commit = |end: &usize| number(end - frame + 4) > 0;
    let commits: Vec<usize> = ends.iter().copied().filter(is_commit).collect();
    let [.., before, last] = commits[..] else { panic!("{} transactions in the log", commits.len()) };
    (before..=last).step_by(frame).collect()
}

#[test]
fn a_truncated_log_loses_only_its_last_transaction() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    // In the first run, only some documents are answered.
    let server = ModelServer::script()
        .hold(move |ask, _| ask.docid.as_deref() >= Some("d008") && !gate.load(Ordering::SeqCst))
        .answer(|ask| json!({"said": format!("said of docid:{} {}", ask.docid.as_ref().unwrap(), "x".repeat(3000))}))
        .start();
    let workspace = Workspace::new().against(&server);
    documents(&workspace, 0..16);
    // A long linger time makes transactions of many pages.
    let run = workspace.clone().set("store.linger_ms", 100).start_run(["--job", "echo.toml"]);
    server.wait_until("all calls are sent", |ledger| ledger.requests() == 16);
    while store(&workspace).query_row("SELECT count(*) FROM answers", (), |row| row.get::<_, u32>(0)).unwrap() < 8 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    run.signal("KILL");
    assert!(run.end().is_err());
    open.store(true, Ordering::SeqCst);

    // Removes transactions with rows after the last answer, as if the run had been killed earlier.
    while {
        let log = std::fs::read(workspace.path(LOG)).unwrap();
        let (before, last) = (answered(&workspace), last_transaction(&log));
        workspace.write(LOG, &log[..last[0]]);
        let brings_an_answer = answered(&workspace) != before;
        if brings_an_answer {
            workspace.write(LOG, &log);
        }
        !brings_an_answer
    } {}
    let whole = output(&workspace);
    let log = &whole[&workspace.path(LOG)];
    let ends = last_transaction(log);
    assert!(ends.len() > 4, "the last transaction has {} pages", ends.len() - 1);
    let middles = ends.windows(2).step_by(3).flat_map(|frame| [frame[0] + 1, frame[0] + 24, frame[0].midpoint(frame[1]), frame[1] - 1]);
    let mut fewest = usize::MAX;
    for at in ends.iter().copied().chain(middles) {
        for zeros in [false, true] {
            let case = format!("the log {} from byte {at} of {}", if zeros { "is zero" } else { "is cut" }, log.len());
            let mut damaged = log[..at].to_vec();
            damaged.resize(if zeros { log.len() } else { at }, 0);
            restore(&workspace, &whole);
            workspace.write(LOG, damaged);
            let (kept, before) = (answered(&workspace), requests(&server));
            fewest = fewest.min(kept.len());
            complete(&workspace.run(["--job", "echo.toml"]).exits(0), 16, &case);
            for (document, requests) in requests(&server) {
                assert_eq!(requests - before[&document], u32::from(!kept.contains(&document)), "{case}: {document}");
            }
        }
    }
    assert!(fewest < 8, "no answer was in the last transaction");
}

/// The store of a workspace, opened read-only.
fn store(workspace: &Workspace) -> Connection {
    Connection::open_with_flags(workspace.path(STORE), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// Number of pages to damage at the end of a store.
const PAGES: usize = 40;

#[test]
fn a_truncated_or_zeroed_store_is_repaired_or_refused_before_anything_is_sent() {
    // Each answer needs several pages.
    let server = ModelServer::script()
        .answer(|ask| json!({"said": format!("said of docid:{} {}", ask.docid.as_ref().unwrap(), "x".repeat(9000))}))
        .start();
    let workspace = Workspace::new().against(&server);
    documents(&workspace, 0..30);
    workspace.run(["--job", "echo.toml"]).exits(0);
    let whole = output(&workspace);
    assert!(!whole.contains_key(&workspace.path(LOG)), "a run that ends leaves no log");
    // New documents give the next run something to send.
    documents(&workspace, 30..32);
    let bytes = &whole[&workspace.path(STORE)];
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let pages = bytes.len() / size;
    let (mut mended, mut refused) = (0, 0);
    for page in (pages.saturating_sub(PAGES)..pages).rev() {
        let (start, end) = (page * size, (page + 1) * size);
        let zeroed = |end: usize| [&bytes[..start], &vec![0; end - start], &bytes[end..]].concat();
        for (how, damaged) in [("cut", bytes[..start].to_vec()), ("zero", zeroed(end)), ("zero to the end", zeroed(bytes.len()))] {
            let case = format!("page {page} of {pages}: {how}");
            restore(&workspace, &whole);
            workspace.write(STORE, damaged);
            let before = requests(&server);
            let run = workspace.run(["--job", "echo.toml"]);
            let sent = |document: &String, requests: &u32| requests - before.get(document).copied().unwrap_or_default();
            let sent: u32 =
                requests(&server).iter().map(|(document, requests)| sent(document, requests)).inspect(|n| assert!(*n < 2)).sum();
            if run.code == 0 {
                mended += 1;
                complete(&run, 32, &case);
                // A repaired store stays sound.
                let before = server.requests();
                workspace.run(["--job", "echo.toml"]).exits(0);
                assert_eq!(server.requests(), before, "{case}");
            } else {
                refused += 1;
                assert_eq!(sent, 0, "{case}: {}", run.stderr);
                run.says(&["docmill.db: ", "is damaged", "Nothing was sent", "estore it from a copy"]);
            }
        }
    }
    eprintln!("{mended} damaged stores were as good as whole, {refused} were refused");
}

/// A mounted file system, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Mounts a file system of this many MB in memory; `None` if mounting is not allowed.
    fn new(at: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let done = mount(&["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"], &at);
        if !done {
            eprintln!("skipped: mounting a file system is not allowed here");
        }
        done.then_some(Self(at))
    }

    /// Remounts the file system with these options.
    fn change(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0));
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    Command::new("mount").args(args).arg(at).output().is_ok_and(|done| done.status.success())
}

impl Drop for Mount {
    fn drop(&mut self) {
        // If unmounting fails, only the directory stays behind.
        Command::new("umount").arg(&self.0).output().ok();
    }
}

/// Checks that every served answer is stored and was served once.
#[track_caller]
fn nothing_is_lost(workspace: &Workspace, server: &ModelServer) {
    let ledger = server.ledger();
    assert!(ledger.calls.iter().all(|call| (call.requests, call.served) == (1, 1)));
    let status = workspace.docmill(["status", "--json"]).exits(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["in_doubt"], json!([]));
    let served: BTreeSet<String> = ledger.calls.iter().map(|call| call.docid.clone().unwrap()).collect();
    assert_eq!(answered(workspace), served, "answers in the store, and answers served");
}

#[test]
fn a_full_disk_loses_no_answer_and_the_same_command_resumes() {
    // The disk fills up at different times of the run.
    for megabytes in [2, 4, 5, 7] {
        full_disk(megabytes);
    }
}

fn full_disk(occupied: usize) {
    let server = ModelServer::script()
        .answer(|ask| json!({"said": format!("said of docid:{} {}", ask.docid.as_ref().unwrap(), "x".repeat(15_000))}))
        .start();
    let workspace = Workspace::new().against(&server);
    documents(&workspace, 0..200);
    let Some(disk) = Mount::new(workspace.path("output"), 12) else { return };
    workspace.write("output/filler", vec![b'x'; occupied * 1_000_000]);

    let run = workspace.run(["--job", "echo.toml"]).exits(4);
    let run = run.says(&["All committed answers are safe. Free space and run the same command again", "`docmill status --output output`"]);
    assert_ne!(run.stderr.lines().last().unwrap().split(' ').next(), Some("0"), "{}", run.stderr);
    assert!((1..200).contains(&server.requests()), "{} calls: the disk was not full in mid-run", server.requests());
    nothing_is_lost(&workspace, &server);

    // The next run uses the remaining space and loses no answer.
    workspace.run(["--job", "echo.toml"]).exits(4).says(&["ree space and run the same command again"]);
    nothing_is_lost(&workspace, &server);
    // Without any space, nothing is sent.
    let sent = server.requests();
    let filler = std::fs::File::options().create(true).write(true).truncate(true).open(workspace.path("output/filler-2")).unwrap();
    while (&filler).write_all(&[b'x'; 512]).is_ok() {}
    workspace.run(["--job", "echo.toml"]).exits(4).says(&["ree space and run the same command again"]);
    assert_eq!(server.requests(), sent);
    workspace.docmill(["status"]).exits(0);

    disk.change("size=100m");
    complete(&workspace.run(["--job", "echo.toml"]).exits(0), 200, "with room");
    assert!(server.ledger().calls.iter().all(|call| (call.requests, call.served) == (1, 1)));
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_sound_store_on_a_full_disk_is_read_or_reported_to_need_space() {
    let hangs = Arc::new(AtomicBool::new(false));
    let stuck = Arc::clone(&hangs);
    let server = ModelServer::script().faults(move |_| if stuck.load(Ordering::SeqCst) { Reply::Hang } else { Reply::Ok }).start();
    let workspace = Workspace::new().against(&server);
    documents(&workspace, 0..3);
    let Some(disk) = Mount::new(workspace.path("output"), 12) else { return };
    let fill = || {
        let filler = std::fs::File::options().create(true).append(true).open(workspace.path("output/filler")).unwrap();
        while (&filler).write_all(&[b'x'; 512]).is_ok() {}
    };
    workspace.run(["--job", "echo.toml"]).exits(0);
    fill();
    for command in ["status", "runs", "verify"] {
        workspace.docmill([command]).exits(0);
    }
    // The log of a killed run cannot be read without space for its index.
    std::fs::remove_file(workspace.path("output/filler")).unwrap();
    hangs.store(true, Ordering::SeqCst);
    documents(&workspace, 3..4);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("it asks", |ledger| ledger.requests() == 4);
    run.signal("KILL");
    drop(run.end());
    std::fs::remove_file(workspace.path(STORE).with_extension("db-shm")).unwrap();
    fill();
    for command in ["status", "runs", "verify"] {
        workspace
            .docmill([command])
            .exits(2)
            .says(&["docmill.db: cannot", "free space"])
            .says_nothing_of("estore it")
            .says_nothing_of("damaged");
    }
    disk.change("size=100m");
    workspace.docmill(["status"]).exits(0);
    hangs.store(false, Ordering::SeqCst);
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
}

/// Checks that a run is refused with exit code 2 and these words. It must send and change nothing.
#[track_caller]
fn refused(workspace: &Workspace, server: &ModelServer, says: &[&str]) {
    let (before, sent) = (output(workspace), server.requests());
    workspace.run(["--job", "echo.toml"]).exits(2).says(says);
    assert_eq!(server.requests(), sent, "something was sent");
    assert!(output(workspace) == before, "the output was changed: {:?}", output(workspace).keys());
}

/// A workspace with a store, results and a pending document.
fn with_work() -> (ModelServer, Workspace) {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    documents(&workspace, 0..2);
    workspace.run(["--job", "echo.toml"]).exits(0);
    documents(&workspace, 2..3);
    (server, workspace)
}

#[test]
fn an_output_directory_that_cannot_be_written_is_refused() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let Some(disk) = Mount::new(workspace.path("output"), 10) else { return };
    documents(&workspace, 0..2);
    disk.change("ro");
    refused(&workspace, &server, &["output", "Read-only file system"]);
    disk.change("rw");
    workspace.run(["--job", "echo.toml"]).exits(0);
    documents(&workspace, 2..3);
    disk.change("ro");
    refused(&workspace, &server, &["output", "Read-only file system"]);
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let (server, workspace) = with_work();
    Connection::open(workspace.path(STORE)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let says = ["docmill.db: cannot open it: a newer docmill wrote it", "version 99"];
    refused(&workspace, &server, &says);
    workspace.docmill(["status"]).exits(2).says(&says);
}

#[test]
fn a_file_other_than_a_store_is_refused() {
    let (server, workspace) = with_work();
    for content in
        [b"Dear diary, this is not a database, and longer than a hundred bytes, which is where a header ends. ".repeat(100), b"x".into()]
    {
        workspace.write(STORE, content);
        refused(&workspace, &server, &["docmill.db: ", "damaged", "Nothing was sent", "another output directory"]);
    }
    // A run also leaves a database of another program unchanged.
    std::fs::remove_file(workspace.path(STORE)).unwrap();
    let other = Connection::open(workspace.path(STORE)).unwrap();
    other.execute_batch("CREATE TABLE answers (question TEXT, answer INTEGER); INSERT INTO answers VALUES ('life', 42);").unwrap();
    drop(other);
    refused(&workspace, &server, &["docmill.db: not a run store", "another output directory"]);
}

#[test]
fn a_store_that_another_program_writes_is_refused_after_a_wait() {
    let (server, workspace) = with_work();
    let other = Connection::open(workspace.path(STORE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let sent = server.requests();
    workspace.run(["--job", "echo.toml"]).exits(2).says(&["docmill.db", "database is locked", "nother program"]);
    assert_eq!(server.requests(), sent);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    complete(&workspace.run(["--job", "echo.toml"]).exits(0), 3, "afterwards");
}
