//! One limit and one purse for three processes: how much of them is used, whatever dies.

use super::bare;
use docmill::simulator::{Scenario, Simulator};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PER_SECOND: f64 = 60.0;
const PROCESSES: usize = 3;
/// More than the money pays for.
const DOCUMENTS: usize = 2_000;
const CAP_USD: f64 = 5.0;
/// Dollars for a million output tokens. The cap lasts for somewhat more than a minute.
const PRICE: f64 = 100.0;

/// What the provider has counted at a moment of the measurement.
struct Sample {
    at_s: f64,
    served: u64,
}

pub fn budget() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("title.toml"), bare::JOB).unwrap();
    for process in 0..PROCESSES {
        let input = home.join(format!("in{process}"));
        std::fs::create_dir_all(&input).unwrap();
        for n in 0..DOCUMENTS {
            std::fs::write(input.join(format!("{n:04}.txt")), format!("docid:{process}x{n} some words")).unwrap();
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // Three requests at once: less than a second's worth, so the provider refuses what comes too fast.
    let mut scenario = Scenario { latency_ms: 200, requests_per_second: PER_SECOND, burst: 3, ..Scenario::default() };
    scenario.prices.output = PRICE;
    let simulator = runtime.block_on(Simulator::start(scenario, 0)).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut service = serve(home, port, CAP_USD);
    let mut runs: Vec<Child> = (0..PROCESSES).map(|process| run(home, &simulator.base_url(), port, process)).collect();
    let begun = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    let mut until = |second: f64| {
        while begun.elapsed().as_secs_f64() < second {
            samples.push(Sample { at_s: begun.elapsed().as_secs_f64(), served: simulator.ledger().served });
            thread::sleep(Duration::from_millis(50));
        }
    };
    until(20.0);
    runs[2].kill().unwrap();
    runs[2].wait().unwrap();
    until(32.0);
    service.kill().unwrap();
    service.wait().unwrap();
    until(34.0);
    service = serve(home, port, CAP_USD);
    until(46.0);
    runs[2] = run(home, &simulator.base_url(), port, 2);
    until(62.0);
    for (what, from, to) in [
        ("three processes", 8.0, 20.0),
        ("after the death of one, while its lease is valid", 20.0, 26.0),
        ("two processes", 26.0, 32.0),
        ("the service is dead, and learns", 32.0, 40.0),
        ("two processes", 40.0, 46.0),
        ("three processes again", 50.0, 60.0),
    ] {
        let near = |second: f64| samples.iter().find(|sample| sample.at_s >= second).unwrap();
        let (first, last) = (near(from), near(to));
        let used = (last.served - first.served) as f64 / (PER_SECOND * (last.at_s - first.at_s));
        println!("budget: {what} (from {from} s to {to} s): {:.1} % of the limit", 100.0 * used);
    }
    let codes: Vec<Option<i32>> = runs.iter_mut().map(|run| run.wait().unwrap().code()).collect();
    let totals = simulator.ledger();
    println!(
        "budget: {} served, at most {} in a second (wanted: at most {PER_SECOND}), {} refused; {} of ${CAP_USD} billed by the provider; \
         exit codes {codes:?} (wanted: 4)",
        totals.served, totals.served_in_a_second_max, totals.rate_limited, totals.cost_usd
    );
    println!("budget: {}", status(home, port));
    service.kill().unwrap();
    service.wait().unwrap();
    let mut service = serve(home, port, 10.0 * CAP_USD);
    let codes: Vec<Option<i32>> =
        (0..PROCESSES).map(|process| run(home, &simulator.base_url(), port, process)).map(|mut run| run.wait().unwrap().code()).collect();
    println!("budget: with a larger cap, the same commands end with {codes:?} (wanted: 0), {} calls twice", simulator.ledger().duplicates);
    service.kill().unwrap();
    service.wait().unwrap();
    runtime.block_on(simulator.stop());
}

fn serve(home: &Path, port: u16, cap: f64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.args(["budget", "serve", "ledger", "--bind", &port.to_string(), "--token-file", "token"]);
    command.args(["--requests-per-minute", &(60.0 * PER_SECOND).to_string(), "--max-usd", &cap.to_string()]);
    let mut service = command.current_dir(home).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("http://"), "{line}");
    service
}

fn status(home: &Path, port: u16) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    let service = format!("budget.service=http://127.0.0.1:{port}");
    let command = command.args(["budget", "status", "--set", &service, "--set", "budget.token=file:token"]);
    String::from_utf8(command.current_dir(home).output().unwrap().stdout).unwrap().replace('\n', "; ")
}

fn run(home: &Path, url: &str, port: u16, process: usize) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.arg("run").arg(format!("in{process}")).args(["--quiet", "--job", "title.toml", "--output", &format!("out{process}")]);
    let prices = format!("prices.simulated-small={{ input = 0.0, output = {PRICE:.1} }}");
    for set in [
        "llm.provider=anthropic",
        "llm.model=simulated-small",
        "llm.concurrency=50",
        "llm.thinking_tokens=1",
        &format!("llm.base_url={url}"),
        &format!("budget.service=http://127.0.0.1:{port}"),
        "budget.token=file:token",
        &prices,
    ] {
        command.arg("--set").arg(set);
    }
    // Homes of their own: the processes share nothing but the service, as on machines of their own.
    let own = home.join(format!("home{process}"));
    std::fs::create_dir_all(&own).unwrap();
    command.env("ANTHROPIC_API_KEY", "none").env("XDG_RUNTIME_DIR", own).current_dir(home);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
