//! What `docmill plan` says after a pilot, and what the rest of the job then really costs and takes.

use docmill::simulator::{Faults, Prices, Scenario, Simulator};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Two analyses of each document, and one call that combines them.
pub const JOB: &str = r#"
name = "two"
input = "any"
system = "You are an editor."
[[task]]
id = "summary"
prompt = "Sum this document up."
[task.answer]
summary = "string"
[[task]]
id = "topics"
prompt = "Name the topics of this document."
[task.answer]
topics = { type = "array", items = "string", min_items = 1, max_items = 9 }
remark = "string"
[combine]
method = "model"
prompt = "From these answers: {{ answers }} write a verdict."
[combine.answer]
verdict = "string"
"#;

/// A job whose calls stand for themselves.
pub const SINGLE: &str = r#"
name = "one"
input = "any"
system = "You are an editor."
[[task]]
id = "title"
prompt = "Give this document a title."
[task.answer]
title = "string"
"#;

pub const PRICES: Prices = Prices { input: 1.0, cache_read: 0.1, cache_write: 1.25, output: 5.0 };

/// Writes texts of very different lengths.
pub fn texts(directory: &Path, count: usize, seed: u64) {
    std::fs::create_dir_all(directory).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    for n in 0..count {
        // The sum of some is about normal, so this is about lognormal.
        let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of words")]
        let words = (300.0 * (0.8 * normal).exp()) as usize + 10;
        let text: Vec<String> = (0..words).map(|_| format!("word{}", random.u32(..5000))).collect();
        std::fs::write(directory.join(format!("{n:05}.txt")), format!("docid:d{n} {}", text.join(" "))).unwrap();
    }
}

/// docmill against a simulator.
fn docmill(args: &[&str], directory: &Path, url: &str, settings: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.args(args).current_dir(directory).stderr(Stdio::null());
    let provider =
        ["llm.provider=openai-compatible", "llm.model=simulated-small", &format!("llm.base_url={url}/v1")].map(ToOwned::to_owned);
    for set in provider.iter().map(String::as_str).chain(settings.iter().copied()) {
        command.args(["--set", set]);
    }
    command.output().unwrap().stdout
}

/// A pilot of 30, what is planned for the rest, what the rest has really come to in dollars and seconds.
async fn play(scenario: Scenario, documents: &Path, job: &str, settings: &[&str]) -> (Value, f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("job.toml"), job).unwrap();
    let Prices { input, cache_read, cache_write, output } = PRICES;
    let prices = format!(
        "[prices]\nsimulated-small = {{ input = {input:?}, cache_read = {cache_read:?}, cache_write = {cache_write:?}, output = {output:?} }}\n"
    );
    std::fs::write(dir.path().join("pipeline.toml"), prices).unwrap();
    let simulator = Simulator::start(scenario, 0).await.unwrap();
    let (url, documents, directory) = (simulator.base_url(), documents.to_str().unwrap().to_owned(), dir.path().to_owned());
    let settings: Vec<String> = settings.iter().map(|&set| set.to_owned()).collect();
    let go = move |args: &[&str]| {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        docmill(&[args, &[&documents, "--job", "job.toml"]].concat(), &directory, &url, &settings)
    };
    let (go, planned) = tokio::task::spawn_blocking(move || {
        let planned = go(&["plan", "--pilot", "30", "--yes", "--json"]);
        (go, serde_json::from_slice::<Value>(&planned).unwrap())
    })
    .await
    .unwrap();
    let before = simulator.ledger().cost_usd.usd();
    let seconds = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        go(&["run", "--quiet"]);
        started.elapsed().as_secs_f64()
    })
    .await
    .unwrap();
    let cost = simulator.ledger().cost_usd.usd() - before;
    simulator.stop().await;
    (planned, cost, seconds)
}

/// How often the bill lies in the interval, and how wide that is. The width of the interval was chosen on seeds below 100, so
/// others say more.
pub fn cost(seeds: Range<u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut held, mut widths, count) = (0, Vec::new(), seeds.end - seeds.start);
    for seed in seeds {
        let dir = tempfile::tempdir().unwrap();
        texts(dir.path(), 150, seed);
        let faults = Faults { server_error: 0.02, invalid: 0.02, ..Faults::default() };
        let scenario = Scenario { seed, prices: PRICES, length_spread: 0.6, faults, ..Scenario::default() };
        let (planned, cost, _) = runtime.block_on(play(scenario, dir.path(), JOB, &["llm.retry.base_ms=1"]));
        let (low, high) = (planned["cost_usd"]["low"].as_f64().unwrap(), planned["cost_usd"]["high"].as_f64().unwrap());
        held += u32::from((low..=high).contains(&cost));
        widths.push((high - low) / (high + low));
        if !(low..=high).contains(&cost) {
            println!("cost: seed {seed}: {cost:.6} is not in {low:.6} to {high:.6}");
        }
    }
    widths.sort_by(f64::total_cmp);
    println!("cost: {held} of {count} bills were in the interval (wanted: 95 %)");
    println!(
        "cost: the interval is +-{:.1} % in the middle, +-{:.1} % at the widest (wanted: below 25 %)",
        100.0 * widths[widths.len() / 2],
        100.0 * widths[widths.len() - 1]
    );
}

/// Predicted and real time in ten situations.
pub fn time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small");
    texts(&small, 230, 1);
    let mixed = dir.path().join("mixed");
    texts(&mixed, 150, 2);
    for n in 0..50_u32 {
        let picture = image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([x + n, y, x * y].map(|value| value.to_le_bytes()[0])));
        picture.save(mixed.join(format!("{n:05}.png"))).unwrap();
    }
    let heavy: Vec<f64> = (0..100).map(|n| 100.0 / (1.0 - f64::from(n) / 100.0).powf(0.7)).collect();
    let plain = |latency_ms, jitter_ms| Scenario { latency_ms, jitter_ms, ..Scenario::default() };
    let situations: [(&str, Scenario, &Path, &str, &[&str]); 10] = [
        ("concurrency 8", plain(200, 0), &small, SINGLE, &["llm.concurrency=8"]),
        ("concurrency 32", plain(500, 0), &small, SINGLE, &["llm.concurrency=32"]),
        ("jitter", plain(100, 400), &small, SINGLE, &["llm.concurrency=16"]),
        ("heavy tails", Scenario { latency_quantiles_ms: heavy.clone(), ..plain(0, 0) }, &small, SINGLE, &["llm.concurrency=16"]),
        ("requests a minute", plain(100, 100), &small, SINGLE, &["llm.limits.requests_per_minute=1500"]),
        ("input tokens a minute", plain(100, 100), &small, SINGLE, &["llm.limits.input_tokens_per_minute=1000000"]),
        ("combining", plain(100, 200), &small, JOB, &["llm.concurrency=24"]),
        ("combining, heavy tails", Scenario { latency_quantiles_ms: heavy, ..plain(0, 0) }, &small, JOB, &["llm.concurrency=24"]),
        ("texts and images", plain(200, 100), &mixed, JOB, &["llm.concurrency=16"]),
        ("few documents at a time", plain(150, 50), &small, JOB, &["llm.documents=4"]),
    ];
    for (name, scenario, documents, job, settings) in situations {
        let (planned, _, seconds) = runtime.block_on(play(scenario, documents, job, settings));
        let (low, high) = (planned["seconds"]["low"].as_f64().unwrap(), planned["seconds"]["high"].as_f64().unwrap());
        let off = 100.0 * (f64::midpoint(low, high) / seconds - 1.0);
        let bound = planned["bound_by"].as_str().unwrap_or_default();
        println!("time: {name}: {low:.2} to {high:.2} s, and it was {seconds:.2} s: {off:+.0} % (wanted: within 15 %); {bound} binds");
    }
}
