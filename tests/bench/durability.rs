//! What it costs that nothing paid is ever lost, and that it is known what each slot does: the same run with and without.

use super::bare;
use super::child::{docmill, median, run};
use super::server;
use super::throughput::texts;

const PAIRS: usize = 5;

pub fn durability(documents: usize) {
    let (ratio, commit_ms) = pairs("commits", documents);
    println!("durability: median ratio {ratio:.2} (wanted: at least 0.7); median commit {commit_ms:.1} ms (wanted: below 30)");
}

pub fn meters(documents: usize) {
    let (ratio, _) = pairs("meters", documents);
    println!("meters: median ratio {ratio:.3} (wanted: at least 0.98)");
}

/// Calls a second with `what`, as a share of those without; and how long a commit takes, in milliseconds.
fn pairs(what: &str, documents: usize) -> (f64, f64) {
    if cfg!(not(feature = "failpoints")) {
        println!("durability: nothing is switched off without `--features failpoints`");
        return (f64::NAN, f64::NAN);
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    texts(&input, documents, 2000);
    std::fs::write(&job, bare::JOB).unwrap();
    let (_server, url) = server::start(0);
    let (mut ratios, mut commits) = (Vec::new(), Vec::new());
    let off = format!("{what}=off");
    for pair in 0..=PAIRS {
        let wall = |name: &str, failpoints: &str| {
            let output = dir.path().join(format!("{name}{pair}"));
            let mut command = docmill(&url, &input, &output, &job, &["llm.concurrency=64"]);
            let wall = run(command.env("FAILPOINTS", failpoints)).wall.as_secs_f64();
            let summary = std::fs::read_to_string(output.join("title/summary.json")).unwrap();
            let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
            (wall, summary["whole_run"]["commit_ms"].as_f64().unwrap())
        };
        // In turn first and second, so that a drift of the machine favours neither.
        let (with, without) = if pair % 2 == 0 {
            (wall("with", ""), wall("without", &off))
        } else {
            let without = wall("without", &off);
            (wall("with", ""), without)
        };
        if pair > 0 {
            let [calls, calls_without] = [with.0, without.0].map(|seconds| documents as f64 / seconds);
            println!("{what}: {calls:.0} calls/s with commits of {:.1} ms, {calls_without:.0} without", with.1);
            ratios.push(without.0 / with.0);
            commits.push(with.1);
        }
    }
    (median(ratios), median(commits))
}
