//! A full disk stops a run without a loss, and with room it goes on.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, unmounted at the end.
struct Small(PathBuf);

impl Small {
    /// `None` where nobody may mount.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "docmill-test"]).arg(at).output().ok()?;
        mounted.status.success().then(|| Self(at.to_owned()))
    }

    fn resize(&self, size: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What cannot be unmounted is no reason to hide what the test had to say.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk_stops_the_run_keeps_every_answer_and_with_room_it_goes_on() {
    const DOCUMENTS: usize = 4000;
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 32);
    // The reserve takes 4 MB; the rest is full before all rows are in.
    let Some(disk) = Small::mount(&workspace.path("output"), "7M") else {
        eprintln!("nobody may mount here: not tested");
        return;
    };
    workspace.write("echo.toml", ECHO);
    for n in 0..DOCUMENTS {
        workspace.doc(format!("{n:04}.txt"), format!("docid:k{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(4).says(&["full", "make room and run the same command again"]);
    let served = server.ledger().calls.iter().filter(|call| call.served > 0).count();
    assert!(served > 100 && served < DOCUMENTS, "{served} calls were served before the disk was full: {}", run.stderr);
    let answers = || {
        let store = Connection::open(workspace.path("output/docmill.db")).unwrap();
        store.query_row("SELECT count(*) FROM answers", (), |row| row.get::<_, usize>(0)).unwrap()
    };
    assert_eq!(answers(), served, "an answer that was served is not in the store");
    workspace.docmill(["status"]).exits(0);

    disk.resize("100M");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), DOCUMENTS);
    assert!(server.ledger().calls.iter().all(|call| call.served == 1), "an answer was asked for twice");
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_disk_that_cannot_be_written_can_be_looked_at_and_is_not_run_on() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let Some(disk) = Small::mount(&workspace.path("output"), "20M") else {
        eprintln!("nobody may mount here: not tested");
        return;
    };
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace.run(["--job", "echo.toml"]).exits(0);
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status().unwrap();
    assert!(remounted.success());
    workspace.docmill(["status"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
    assert!(workspace.docmill(["export", "--to", "-", "--job", "echo", "--format", "jsonl"]).exits(0).stdout.contains("said of docid:a"));
    workspace.run(["--job", "echo.toml"]).exits(2).says(&["output"]);
    assert_eq!(server.ledger().requests(), 1);
}
