//! Calls per second against a bare loop, and wall time against the ideal.

use super::bare;
use super::child::{docmill, median, myself, run};
use super::server;
use std::path::Path;

const PAIRS: usize = 5;

/// A server without latency: what the pipeline itself costs.
pub fn throughput(documents: usize) {
    const CONCURRENCY: usize = 64;
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    texts(&input, documents, 2000);
    std::fs::write(&job, bare::JOB).unwrap();
    let (_server, url) = server::start(0);
    let (mut rates, mut cpus) = (Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let bare = run(&mut myself(&[bare::MODE, &url, input.to_str().unwrap(), &CONCURRENCY.to_string()]));
        let output = dir.path().join(format!("out{pair}"));
        let ours = run(&mut docmill(&url, &input, &output, &job, &[&format!("llm.concurrency={CONCURRENCY}")]));
        // The first pair warms the caches up.
        if pair > 0 {
            let per_second = |wall: f64| documents as f64 / wall;
            let micros = |cpu: f64| 1e6 * cpu / documents as f64;
            println!(
                "throughput: bare {:.0} calls/s, {:.0} us CPU each; docmill {:.0} calls/s, {:.0} us CPU each",
                per_second(bare.wall.as_secs_f64()),
                micros(bare.cpu.as_secs_f64()),
                per_second(ours.wall.as_secs_f64()),
                micros(ours.cpu.as_secs_f64())
            );
            rates.push(bare.wall.as_secs_f64() / ours.wall.as_secs_f64());
            cpus.push(ours.cpu.as_secs_f64() / bare.cpu.as_secs_f64());
        }
    }
    println!(
        "throughput: median ratio of calls per second {:.2} (wanted: at least 0.40); of CPU per call {:.2} (wanted: at most 2.5)",
        median(rates),
        median(cpus)
    );
}

/// 2,000 calls of 200 ms, 200 at a time: ten waves.
pub fn waves() {
    let (documents, concurrency, latency) = (2000_usize, 200_usize, 0.2);
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    texts(&input, documents, 2000);
    std::fs::write(&job, bare::JOB).unwrap();
    let (_server, url) = server::start(200);
    let ideal = (documents as f64 / concurrency as f64).ceil() * latency;
    let walls = (0..PAIRS).map(|n| {
        let output = dir.path().join(format!("out{n}"));
        // Waves of calls, and not the single one before them.
        let settings = [&format!("llm.concurrency={concurrency}"), "llm.preflight=false"];
        let wall = run(&mut docmill(&url, &input, &output, &job, &settings)).wall.as_secs_f64();
        println!("waves: {wall:.2} s");
        wall
    });
    println!("waves: median {:.2} s; ideal {ideal:.2} s, wanted at most {:.2} s", median(walls.collect()), 1.05 * ideal + 0.3);
}

/// Writes `count` different texts of about `bytes` bytes.
pub fn texts(directory: &Path, count: usize, bytes: usize) {
    const WORDS: [&str; 16] = [
        "river", "engine", "paper", "the", "of", "careful", "north", "and", "valley", "measure", "quietly", "seven", "iron", "would",
        "garden", "light",
    ];
    std::fs::create_dir_all(directory).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for n in 0..count {
        let mut text = format!("docid:{n:07} ");
        while text.len() < bytes {
            text.push_str(WORDS[random.usize(..WORDS.len())]);
            text.push(if random.u8(..) < 16 { '\n' } else { ' ' });
        }
        std::fs::write(directory.join(format!("{n:07}.txt")), text).unwrap();
    }
}
