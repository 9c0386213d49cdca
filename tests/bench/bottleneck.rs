//! Does the sentence about what holds a run back name the right thing, and does its advice have the effect that it says?

use super::child::{docmill, run};
use super::throughput::texts;
use super::{bare, images, server};
use serde_json::Value;
use std::path::Path;

/// A run that one thing holds back.
struct Situation {
    name: &'static str,
    /// What should be named.
    limit: &'static str,
    settings: &'static [&'static str],
    /// What reading a file takes, in milliseconds.
    read_ms: u64,
    latency_ms: u64,
    /// What the first document takes more, once.
    slow_ms: u64,
    documents: usize,
    photographs: bool,
}

const EASY: Situation =
    Situation { name: "", limit: "", settings: &[], read_ms: 0, latency_ms: 20, slow_ms: 0, documents: 200, photographs: false };

const SITUATIONS: [Situation; 5] = [
    Situation { name: "slow disk", limit: "reading", settings: &["read.concurrency=2"], read_ms: 40, ..EASY },
    Situation { name: "slow CPU stage", limit: "preparation", settings: &["prepare.workers=1"], photographs: true, documents: 40, ..EASY },
    Situation { name: "too little concurrency", limit: "concurrency", settings: &["llm.concurrency=8"], latency_ms: 200, ..EASY },
    Situation { name: "rate limit", limit: "held", settings: &["llm.limits.requests_per_minute=1200"], documents: 120, ..EASY },
    Situation { name: "one straggler", limit: "straggler", settings: &[], slow_ms: 5000, ..EASY },
];

pub fn bottleneck() {
    for situation in SITUATIONS {
        let dir = tempfile::tempdir().unwrap();
        let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
        if situation.photographs {
            let photo = images::photo();
            std::fs::create_dir_all(&input).unwrap();
            (0..situation.documents).for_each(|n| std::fs::write(input.join(format!("{n:04}.jpg")), &photo).unwrap());
        } else {
            texts(&input, situation.documents, 300);
        }
        std::fs::write(&job, bare::JOB.replace("\"text\"", "\"any\"")).unwrap();
        let before = measure(&situation, dir.path(), &input, &job, None);
        let found = &before["bottleneck"];
        let limit =
            found["limit"].as_str().map_or_else(|| found["limit"].as_object().unwrap().keys().next().unwrap().clone(), ToOwned::to_owned);
        println!("bottleneck: {}: {}", situation.name, found["sentence"].as_str().unwrap());
        let change = format!("{}={}", found["change"]["key"].as_str().unwrap(), found["change"]["to"].as_str().unwrap());
        let after = measure(&situation, dir.path(), &input, &job, Some(&change));
        let (predicted, measured) = (found["predicted_s"].as_f64().unwrap(), after["wall_seconds"].as_f64().unwrap());
        println!(
            "bottleneck: {}: {limit} (wanted: {}); {change}: {:.2} s -> predicted {predicted:.2} s, measured {measured:.2} s, off by {:+.0} % (wanted: at most 20 %)",
            situation.name,
            situation.limit,
            before["wall_seconds"].as_f64().unwrap(),
            100.0 * (measured / predicted - 1.0),
        );
    }
}

/// The figures of a run.
fn measure(situation: &Situation, dir: &Path, input: &Path, job: &Path, change: Option<&str>) -> Value {
    let output = dir.join(if change.is_some() { "after" } else { "before" });
    let (_server, url) = server::start_with_straggler(situation.latency_ms, situation.slow_ms);
    let settings: Vec<&str> = situation.settings.iter().copied().chain(change).collect();
    run(docmill(&url, input, &output, job, &settings).env("FAILPOINTS", format!("read_ms={}", situation.read_ms)));
    let summary = std::fs::read_to_string(output.join("title/summary.json")).unwrap();
    serde_json::from_str::<Value>(&summary).unwrap()["whole_run"].take()
}
