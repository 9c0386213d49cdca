//! What limits cost that are too far away to bind: a job about images, under limits of tokens that its replies tell in headers.

use super::child::median;
use super::images::photo_of;
use docmill::simulator::{Scenario, Simulator};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Each is asked about seven times.
const IMAGES: usize = 100;
const LATENCY_MS: u64 = 600;
const CONCURRENCY: usize = 50;
/// Each limit in turn, so often.
const ROUNDS: usize = 3;
/// Input tokens a minute; 0: no limit, and no header that tells one. A minute's worth may come at once, so none of them binds.
const LIMITS: [u64; 3] = [0, 4_000_000, 40_000_000];

pub fn far_limits() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in");
    std::fs::create_dir_all(&input).unwrap();
    for n in 0..IMAGES {
        std::fs::write(input.join(format!("{n:03}.jpg")), photo_of(640, 480, n as u64)).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut spans = [const { Vec::new() }; LIMITS.len()];
    for round in 0..ROUNDS {
        for (limit, spans) in LIMITS.into_iter().zip(&mut spans) {
            let scenario = Scenario { latency_ms: LATENCY_MS, input_tokens_per_minute: limit, ..Scenario::default() };
            let simulator = runtime.block_on(Simulator::start(scenario, 0)).unwrap();
            let span = run(&simulator.base_url(), &input, &directory.path().join(format!("{limit}-{round}")));
            println!("far limits: {limit} tokens a minute: {:.2} s", span.as_secs_f64());
            spans.push(span.as_secs_f64());
        }
    }
    let least = (7 * IMAGES).div_ceil(CONCURRENCY) as f64 * LATENCY_MS as f64 / 1000.0;
    let [none, near, far] = spans.map(|spans| median(spans) / least);
    println!(
        "far limits: {} calls take {none:.2} (no limit), {near:.2} and {far:.2} times their least time of {least:.1} s; slowest by fastest {:.2} (wanted: at most 1.1)",
        7 * IMAGES,
        none.max(near).max(far) / none.min(near).min(far)
    );
}

/// From the start of the program to its end.
fn run(url: &str, input: &Path, home: &Path) -> Duration {
    // A home of its own: what one run learns of the limits must not help the next one.
    std::fs::create_dir_all(home).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.arg("run").arg(input).arg("--quiet").arg("--output").arg(home.join("out")).args(["--job", "material"]);
    for set in ["llm.provider=anthropic", &format!("llm.base_url={url}"), &format!("llm.concurrency={CONCURRENCY}")] {
        command.arg("--set").arg(set);
    }
    command.env("ANTHROPIC_API_KEY", "none").env("XDG_RUNTIME_DIR", home).current_dir(home).stdout(Stdio::null());
    let started = Instant::now();
    let exit = command.spawn().unwrap().wait().unwrap();
    assert!(exit.success(), "ended with {exit}: a row has failed");
    started.elapsed()
}
