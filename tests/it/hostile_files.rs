//! Hostile files: bounded memory of all processes, a row for each file, and prompt stops.

use crate::order::ECHO;
use crate::support::{ModelServer, Running, Workspace, hostile_files};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Number of files, unless the environment names another: see `.ci/run`.
const FEW: usize = 40;
/// Settings of memory, in megabytes, and number of workers. They fit in 2 GB.
const READ_MB: u64 = 128;
const PREPARE_MB: u64 = 256;
const DOCUMENT_MB: u64 = 512;
const WORKERS: u64 = 2;
const DRAIN_S: u64 = 1;

fn workspace(server: &ModelServer, seed: u64) -> (Workspace, usize) {
    let count = std::env::var("DOCMILL_TEST_HOSTILE_FILES").map_or(FEW, |count| count.parse().unwrap());
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    for (name, bytes) in hostile_files(seed, count) {
        workspace.doc(name, bytes);
    }
    let workspace = workspace.set("read.memory_mb", READ_MB).set("prepare.memory_mb", PREPARE_MB).set("prepare.document_mb", DOCUMENT_MB);
    (workspace.set("prepare.workers", WORKERS).set("prepare.document_s", 5).set("llm.drain_s", DRAIN_S), count)
}

/// Memory of a process and its children that only they have, in megabytes.
#[cfg(target_os = "linux")]
fn memory_mb(of: u32) -> u64 {
    let field = |status: &str, name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let own = all.filter_map(|entry| {
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let is_ours = field(&status, "PPid:") == Some(of.into()) || field(&status, "Pid:") == Some(of.into());
        is_ours.then(|| field(&status, "RssAnon:")).flatten()
    });
    own.sum::<u64>() / 1_000
}

#[test]
#[cfg(target_os = "linux")]
fn hostile_files_stay_within_the_memory_limits_and_get_a_row_each() {
    let server = ModelServer::start();
    let (workspace, count) = workspace(&server, 1);
    let mut run: Running = workspace.start_run(["--job", "echo.toml"]);
    let mut peak = 0;
    while !run.is_over() {
        peak = peak.max(memory_mb(run.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let run = run.finish();
    let csv = run.csv("echo");
    assert_eq!(csv.rows.len(), count, "{}", run.stderr);
    let codes: BTreeSet<&str> = csv.column("failure_code").into_iter().collect();
    assert!(!codes.contains("internal") && codes.len() > 3, "{codes:?}");
    let bound = READ_MB + PREPARE_MB + WORKERS * DOCUMENT_MB;
    assert!((50..bound).contains(&peak), "{peak} MB of {bound} MB");
    eprintln!("{count} files, peak {peak} MB of {bound} MB");
}

#[test]
fn an_interrupt_ends_a_run_over_hostile_files() {
    let server = ModelServer::start();
    let (workspace, _) = workspace(&server, 2);
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("some files are read", |ledger| ledger.requests() > 3);
    run.signal("INT");
    let interrupted = Instant::now();
    let run = run.finish();
    assert!([3, 4].contains(&run.code), "{}", run.stderr);
    // A limit of the product, and not of this machine: docmill itself ends by then.
    assert!(interrupted.elapsed() < Duration::from_secs(DRAIN_S + 5), "{:?}", interrupted.elapsed());
}
