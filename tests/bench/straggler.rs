//! One slow document first, many fast ones behind it.

use super::bare;
use super::child::{docmill, median, run};
use super::server;
use super::throughput::texts;
use std::io::{BufRead as _, BufReader};

const PAIRS: usize = 3;

pub fn straggler(documents: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (input, job) = (dir.path().join("in"), dir.path().join("title.toml"));
    texts(&input, documents, 300);
    std::fs::write(&job, bare::JOB).unwrap();
    let (_even, even) = server::start(0);
    let measure = |name: String, url: &str| {
        let output = dir.path().join(name);
        let used = run(&mut docmill(url, &input, &output, &job, &["llm.concurrency=64", "output.formats=[\"csv\"]"]));
        let csv = BufReader::new(std::fs::File::open(output.join("title/results.csv")).unwrap());
        for (n, line) in csv.lines().skip(1).enumerate() {
            assert!(line.unwrap().starts_with(&format!("{n},{n:07}.txt,ok,")), "row {n} is out of order");
        }
        std::fs::remove_dir_all(output).unwrap();
        used
    };
    let first = measure("first".into(), &even).wall;
    // It ends when half of the others are through.
    let (_slow, slow) = server::start_with_straggler(0, u64::try_from(first.as_millis()).unwrap() / 2);
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        let (without, with) = (measure(format!("even{pair}"), &even), measure(format!("slow{pair}"), &slow));
        println!(
            "straggler: {:.2} s and {:.0} MB without, {:.2} s and {:.0} MB with",
            without.wall.as_secs_f64(),
            without.peak_mb,
            with.wall.as_secs_f64(),
            with.peak_mb
        );
        ratios.push(with.wall.as_secs_f64() / without.wall.as_secs_f64());
    }
    println!("straggler: median ratio of wall time {:.3} (wanted: at most 1.05)", median(ratios));
}
