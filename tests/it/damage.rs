//! A store that was cut off or overwritten: it opens and has lost at most what was not committed, or it is refused before
//! anything is sent.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use std::path::Path;
use std::time::Duration;

const DOCUMENTS: usize = 60;
const PAGE: usize = 4096;
/// Header of the log, and of each page in it.
const LOG_HEADER: usize = 32;
const FRAME: usize = 24 + PAGE;

fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("llm.concurrency", 8);
    workspace.write("echo.toml", ECHO);
    for n in 0..DOCUMENTS {
        workspace.doc(format!("{n:02}.txt"), format!("docid:k{n}"));
    }
    workspace
}

/// Runs on in a store that was tampered with. Whether it was refused.
fn goes_on_or_is_refused(server: &ModelServer, workspace: &Workspace, what: &str, may_ask_again: usize) -> bool {
    let before = server.ledger().requests();
    let run = workspace.run(["--job", "echo.toml"]);
    let sent = server.ledger().requests() - before;
    if run.code == 0 {
        let csv = run.csv("echo");
        assert_eq!(csv.rows.len(), DOCUMENTS, "{what}");
        assert!(csv.rows.iter().enumerate().all(|(n, row)| row["said"] == format!("said of docid:k{n}")), "{what}");
        assert!(sent <= may_ask_again, "{what}: {sent} calls were sent, {may_ask_again} may have been lost");
        return false;
    }
    assert!(run.stderr.contains("docmill.db") && run.stderr.contains("nothing was sent"), "{what}: {}", run.stderr);
    assert_eq!((run.code, sent), (2, 0), "{what}: {}", run.stderr);
    true
}

fn copy(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).ok();
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_cut_or_zeroed_anywhere_in_its_end_loses_only_what_lay_behind() {
    let server = ModelServer::script().latency(|_| Duration::from_millis(3)).start();
    let workspace = workspace(&server);
    let run = workspace.start_run(["--job", "echo.toml"]);
    assert!(run.kill_when(|| server.ledger().requests() >= DOCUMENTS / 2), "it was too fast to be killed");
    let (output, kept) = (workspace.path("output"), workspace.path("kept"));
    copy(&output, &kept);
    let log = std::fs::read(kept.join("docmill.db-wal")).unwrap();
    let frames = (log.len() - LOG_HEADER) / FRAME;
    assert!(frames > 20, "only {frames} pages in the log");
    let ends = (frames - 12..=frames).flat_map(|frame| [LOG_HEADER + frame * FRAME, LOG_HEADER + frame * FRAME - FRAME / 2]);
    for end in ends {
        for zero in [false, true] {
            copy(&kept, &output);
            let mut damaged = log.clone();
            if zero {
                damaged[end.min(log.len())..].fill(0);
            } else {
                damaged.truncate(end);
            }
            std::fs::write(output.join("docmill.db-wal"), damaged).unwrap();
            let what = format!("log of {} bytes cut at {end}, zeros: {zero}", log.len());
            assert!(!goes_on_or_is_refused(&server, &workspace, &what, DOCUMENTS), "{what}: it was refused");
        }
    }
}

#[test]
fn a_store_that_was_cut_or_zeroed_at_its_end_is_refused_or_right() {
    let server = ModelServer::start();
    let workspace = workspace(&server);
    workspace.run(["--job", "echo.toml"]).exits(0);
    let (output, kept) = (workspace.path("output"), workspace.path("kept"));
    copy(&output, &kept);
    let store = std::fs::read(kept.join("docmill.db")).unwrap();
    assert!(!kept.join("docmill.db-wal").exists(), "the log of a run that ended is in the store");
    let pages = store.len() / PAGE;
    let mut refused = 0;
    for cut in 1..12 {
        for zero in [false, true] {
            copy(&kept, &output);
            let (mut damaged, end) = (store.clone(), (pages - cut) * PAGE);
            if zero {
                damaged[end..].fill(0);
            } else {
                damaged.truncate(end);
            }
            std::fs::write(output.join("docmill.db"), damaged).unwrap();
            // A new document makes the run write before it asks.
            workspace.doc("zz.txt", format!("docid:new-{cut}-{zero}"));
            std::fs::remove_file(workspace.path("docs/zz.txt")).unwrap();
            refused += usize::from(goes_on_or_is_refused(&server, &workspace, &format!("{cut} pages gone, zeros: {zero}"), DOCUMENTS));
        }
    }
    assert!(refused > 11, "only {refused} of 22 were refused");
}

#[test]
fn stores_of_others_are_refused_and_left_alone() {
    let server = ModelServer::start();
    for (what, content) in [("not a store", "x".repeat(9000).into_bytes()), ("a few bytes", b"SQLite".to_vec())] {
        let workspace = workspace(&server);
        workspace.write("output/docmill.db", &content);
        let run = workspace.run(["--job", "echo.toml"]).exits(2).says(&["docmill.db"]);
        assert_eq!(std::fs::read(workspace.path("output/docmill.db")).unwrap(), content, "{what}: {}", run.stderr);
    }
    let newer = workspace(&server);
    newer.run(["--job", "echo.toml"]).exits(0);
    rusqlite::Connection::open(newer.path("output/docmill.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = server.ledger().requests();
    newer.run(["--job", "echo.toml"]).exits(2).says(&["newer docmill", "version 99"]);
    for command in ["status", "verify", "export", "runs", "prune"] {
        newer.docmill([command]).exits(2).says(&["newer docmill", "version 99"]);
    }
    assert_eq!(server.ledger().requests(), before);
}
