//! Peak memory: it must not grow with the number of documents, and with large images it obeys the budget.

use super::bare;
use super::child::{docmill, myself, run};
use super::images::photo;
use super::server;
use super::throughput::texts;

/// Few and many small texts.
pub fn texts_of(documents: usize, url: &str) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    texts(&input, documents, 300);
    std::fs::write(&job, bare::JOB).unwrap();
    let used = run(&mut docmill(url, &input, &dir.path().join("out"), &job, &["llm.concurrency=64"]));
    println!("memory: {documents} texts: peak {:.0} MB, {:.0} documents/s", used.peak_mb, documents as f64 / used.wall.as_secs_f64());
    used.peak_mb
}

pub fn texts_growth() {
    let (_server, url) = server::start(0);
    let (few, many) = (texts_of(10_000, &url), texts_of(200_000, &url));
    println!("memory: 200,000 texts take {:.2} x the peak of 10,000 (wanted: at most 1.15, below 150 MB)", many / few);
}

/// Many calls in flight: 20,000 texts of 2 KB at a concurrency of 4,000, answered after one second.
pub fn in_flight() {
    let (documents, concurrency) = (20_000, 4000);
    let (_server, url) = server::start(1000);
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    texts(&input, documents, 2000);
    std::fs::write(&job, bare::JOB).unwrap();
    let few = format!("llm.documents={concurrency}");
    let concurrency = format!("llm.concurrency={concurrency}");
    let bare = run(&mut myself(&[bare::MODE, &url, input.to_str().unwrap(), concurrency.rsplit('=').next().unwrap()]));
    println!("memory: 4,000 calls in flight: a bare loop takes {:.0} MB, {:.2} s", bare.peak_mb, bare.wall.as_secs_f64());
    for (name, further) in [("by default", None), ("llm.documents = 4000", Some(few.as_str()))] {
        let settings: Vec<&str> = [concurrency.as_str()].into_iter().chain(further).collect();
        let output = dir.path().join(if further.is_some() { "few" } else { "out" });
        let used = run(&mut docmill(&url, &input, &output, &job, &settings));
        println!(
            "memory: 4,000 calls in flight, {name}: peak {:.0} MB (wanted: at most 250), {:.2} s",
            used.peak_mb,
            used.wall.as_secs_f64()
        );
    }
}

/// Photographs of twelve megapixels under budgets of different size.
pub fn images() {
    let (_server, url) = server::start(20);
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    std::fs::create_dir_all(&input).unwrap();
    let photo = photo();
    for n in 0..60 {
        std::fs::write(input.join(format!("{n:03}.jpg")), &photo).unwrap();
    }
    std::fs::write(&job, bare::JOB.replace("\"text\"", "\"image\"")).unwrap();
    for budget in [64, 128, 512] {
        let output = dir.path().join(format!("out{budget}"));
        let settings = [format!("prepare.memory_mb={budget}"), format!("read.memory_mb={}", budget / 2)];
        let used = run(&mut docmill(&url, &input, &output, &job, &settings.each_ref().map(String::as_str)));
        println!(
            "image memory: 60 photographs with {budget} MB to decode and {} MB to hold: peak {:.0} MB, {:.1} images/s",
            budget / 2,
            used.peak_mb,
            60.0 / used.wall.as_secs_f64()
        );
    }
}
