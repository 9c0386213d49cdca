//! Results on a read-only disk.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// Mounts a file system in memory; `None` if mounting is not allowed.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "docmill-test"]).arg(at).output().ok()?;
        mounted.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A failure to unmount must not hide the result of the test.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_read_only_disk_can_be_inspected_but_not_run_on() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let Some(disk) = Small::mount(&workspace.path("output"), "20M") else {
        eprintln!("mounting is not allowed here: not tested");
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
