//! A million documents: the first run, the run that finds nothing to do, the export.

use super::bare;
use super::child::{docmill, run};
use super::server;
use super::throughput::texts;
use std::process::Command;
use std::time::Duration;

pub fn million(documents: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (input, job, output) = (dir.path().join("in"), dir.path().join("title.toml"), dir.path().join("out"));
    texts(&input, documents, 100);
    std::fs::write(&job, bare::JOB).unwrap();
    // Files that were written just now would be read again.
    std::thread::sleep(Duration::from_secs(3));
    let (_server, url) = server::start(0);
    let mut runs =
        ["first run", "nothing to do", "nothing to do"].map(|name| (name, docmill(&url, &input, &output, &job, &["llm.concurrency=64"])));
    for (name, command) in &mut runs {
        let used = run(command);
        println!(
            "million: {documents} documents, {name}: {:.2} s wall, {:.2} s CPU, peak {:.0} MB",
            used.wall.as_secs_f64(),
            used.cpu.as_secs_f64(),
            used.peak_mb
        );
    }
    let mut export = Command::new(env!("CARGO_BIN_EXE_docmill"));
    export.args(["export", "--format", "csv", "--to", "-", "--output"]).arg(&output).current_dir(dir.path());
    let used = run(&mut export);
    println!(
        "million: export to stdout: {:.2} s, peak {:.0} MB (wanted for doing nothing: below 5 s and 150 MB)",
        used.wall.as_secs_f64(),
        used.peak_mb
    );
}
