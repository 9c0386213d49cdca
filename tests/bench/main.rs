//! Measurements, as ratios taken in one run: `cargo bench --features failpoints [-- MEASUREMENT]`.
//!
//! Every program that is compared is a process of its own, so that CPU time and memory are the operating system's own
//! figures. The server is another process and not the simulator. Nothing here fails: it prints, a person reads.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot be taken should say so at once")]

mod accounts;
mod bare;
mod bottleneck;
mod budget;
mod child;
mod corpus;
mod durability;
mod far_limits;
mod formats;
mod images;
mod inputs;
mod letters;
mod limits;
mod memory;
mod million;
mod predictions;
mod server;
mod serving;
mod sinks;
mod straggler;
mod suspects;
mod tables;
mod throughput;

fn main() {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => {
            throughput::throughput(50_000);
            throughput::waves();
            images::images();
            memory::texts_growth();
            memory::in_flight();
            memory::images();
            durability::durability(50_000);
            durability::meters(50_000);
            straggler::straggler(100_000);
            million::million(1_000_000);
            limits::limits();
            far_limits::far_limits();
            bottleneck::bottleneck();
            budget::budget();
            formats::formats();
            sinks::sinks(1_000_000);
            inputs::rows(1_000_000);
            inputs::crowd(1_000_000);
            inputs::pages();
            predictions::cost(100..200);
            predictions::time();
            accounts::accounts(100..200);
            serving::serving(200, 50, 50);
        }
        ["cost"] => predictions::cost(100..200),
        ["cost", from, to] => predictions::cost(from.parse().unwrap()..to.parse().unwrap()),
        ["accounts"] => accounts::accounts(100..200),
        ["accounts", from, to] => accounts::accounts(from.parse().unwrap()..to.parse().unwrap()),
        ["serving"] => serving::serving(200, 50, 50),
        ["serving", runs, documents, kills] => {
            serving::serving(runs.parse().unwrap(), documents.parse().unwrap(), kills.parse().unwrap());
        }
        ["time"] => predictions::time(),
        ["sinks"] => sinks::sinks(1_000_000),
        ["sinks", rows] => sinks::sinks(rows.parse().unwrap()),
        ["formats"] => formats::formats(),
        ["bottleneck"] => bottleneck::bottleneck(),
        ["budget"] => budget::budget(),
        ["limits"] => limits::limits(),
        ["far-limits"] => far_limits::far_limits(),
        ["corpus", directories @ ..] => corpus::corpus(directories),
        ["suspects", directories @ ..] => suspects::suspects(directories),
        ["tables"] => tables::tables(),
        ["rows"] => inputs::rows(1_000_000),
        ["rows", rows] => inputs::rows(rows.parse().unwrap()),
        ["crowd"] => inputs::crowd(1_000_000),
        ["crowd", files] => inputs::crowd(files.parse().unwrap()),
        ["pages"] => inputs::pages(),
        ["throughput"] => throughput::throughput(50_000),
        ["waves"] => throughput::waves(),
        ["images"] => images::images(),
        ["memory"] => memory::texts_growth(),
        ["in-flight"] => memory::in_flight(),
        ["image-memory"] => memory::images(),
        ["meters"] => durability::meters(50_000),
        ["durability"] => durability::durability(50_000),
        ["straggler"] => straggler::straggler(100_000),
        ["million"] => million::million(1_000_000),
        ["million", documents] => million::million(documents.parse().unwrap()),
        // The processes that the measurements start.
        [server::MODE, latency_ms, slow_ms] => server::serve(latency_ms.parse().unwrap(), slow_ms.parse().unwrap()),
        [sinks::MODE, format, rows, path] => sinks::write(format, rows.parse().unwrap(), path),
        [bare::MODE, url, directory, concurrency] => bare::run(url, directory, concurrency.parse().unwrap()),
        other => println!("unknown measurement {other:?}"),
    }
}
