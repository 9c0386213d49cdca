//! `docmill budget serve`: one limit and one purse for many processes, whatever dies.

use crate::embedding::Server;
use crate::order::ECHO;
use crate::support::serving::address_of;
use crate::support::{Running, Workspace};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

const DOCUMENTS: usize = 300;
/// Dollars for a million output tokens, by the provider and in the settings.
const PRICE: f64 = 500.0;

/// A workspace whose runs use the service at `port`, and pay for output.
fn workspace(server: &Server, port: u16) -> Workspace {
    let workspace = server
        .workspace()
        .set("llm.model", "simulated-small")
        .set("llm.concurrency", 8)
        .set("llm.thinking_tokens", 1)
        .set("llm.preflight", false);
    let workspace = workspace.set("budget.service", format!("http://127.0.0.1:{port}")).set("budget.token", "file:token");
    let workspace = workspace.set("prices.simulated-small", format!("{{ input = 0.0, output = {PRICE:.1} }}"));
    workspace.write("job.toml", ECHO);
    for n in 0..3 * DOCUMENTS {
        workspace.write(format!("part{}/d{n:04}.txt", n % 3), format!("This is docid:{n} and nothing else.\n"));
    }
    workspace
}

fn scenario(latency_ms: u64) -> String {
    format!("latency_ms = {latency_ms}\nrequests_per_second = 200\nburst = 200\n[prices]\noutput = {PRICE}\n")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts the service with a limit of 200 requests a second.
fn serve(workspace: &Workspace, port: u16, more: &[&str]) -> Running {
    let port = port.to_string();
    let args = ["budget", "serve", "ledger", "--bind", &port, "--token-file", "token", "--requests-per-minute", "12000"];
    let service = workspace.start(args.iter().chain(more).copied());
    address_of(&service);
    service
}

fn run(workspace: &Workspace, part: usize) -> Running {
    let (input, output) = (format!("part{part}"), format!("out{part}"));
    workspace.start_with(["run", &input, "--job", "job.toml", "--output", &output, "--quiet"])
}

fn status(workspace: &Workspace) -> Value {
    let status = workspace.start_with(["budget", "status", "--json"]).finish().exits(0);
    serde_json::from_str(&status.stdout).unwrap()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_ok(workspace: &Workspace, part: usize) -> bool {
    let rows = std::fs::read_to_string(workspace.path(format!("out{part}/echo/results.jsonl"))).unwrap();
    rows.lines().count() == DOCUMENTS && rows.lines().all(|row| serde_json::from_str::<Value>(row).unwrap()["status"] == "ok")
}

#[test]
fn three_processes_never_spend_more_than_the_cap_and_lose_nothing_whatever_dies() {
    let (server, port) = (Server::start(&scenario(60)), free_port());
    let workspace = workspace(&server, port);
    let mut service = serve(&workspace, port, &["--max-usd", "1.5"]);
    let mut runs: Vec<Running> = (0..3).map(|part| run(&workspace, part)).collect();
    until("60 calls are answered", || server.ledger().served >= 60);
    runs[2].signal("KILL");
    runs.remove(2).end().unwrap_err();
    service.signal("KILL");
    service.end().unwrap_err();
    let before = server.ledger().cost_usd;
    service = serve(&workspace, port, &["--max-usd", "1.5"]);
    runs.push(run(&workspace, 2));
    for run in runs {
        run.finish().exits(4).says(&["the budget service", "has no room for another request"]);
    }
    let (stopped, money) = (server.ledger(), status(&workspace)["money"].clone());
    let usd = |key: &str| money[key].as_f64().unwrap();
    assert!(stopped.cost_usd.usd() <= 1.5 && stopped.cost_usd >= before, "{} billed", stopped.cost_usd);
    assert!(stopped.cost_usd.usd() <= usd("spent_usd") + 1e-9, "{} billed: {money}", stopped.cost_usd);
    assert!(usd("spent_usd") <= usd("granted_usd") && usd("granted_usd") <= 1.5 && usd("spent_usd") > 1.2, "{money}");
    // All runs have ended in order, so nothing is held back.
    assert_eq!((usd("spent_usd"), &money["runs"]), (usd("granted_usd"), &0.into()), "{money}");
    // With more money, the same commands go on.
    service.signal("TERM");
    service.finish().exits(0);
    let _service = serve(&workspace, port, &["--max-usd", "100"]);
    let runs: Vec<Running> = (0..3).map(|part| run(&workspace, part)).collect();
    for run in runs {
        run.finish().exits(0);
    }
    assert!((0..3).all(|part| is_ok(&workspace, part)));
    let all = server.ledger();
    assert!(all.duplicates <= 8, "only calls in flight at the kill are paid twice: {all:?}");
    assert!(all.rate_limited <= all.served / 20, "{} of {} were refused", all.rate_limited, all.requests);
}

#[test]
fn a_run_without_its_service_stops_and_goes_on_when_it_is_back() {
    let (server, port) = (Server::start(&scenario(5)), free_port());
    let workspace = workspace(&server, port).set("budget.service_wait_s", 1).set("shards.scratch", "scratch");
    workspace.write("token", "the-token-of-the-service\n");
    run(&workspace, 0).finish().exits(4).says(&["the budget service does not answer", "run the same command again"]);
    let shard = ["run", "part0", "--job", "job.toml", "--run", "shared", "--shard", "0/2", "--quiet"];
    workspace.start_with(["manifest", "part0", "--job", "job.toml", "--run", "shared"]).finish().exits(0);
    workspace.start_with(["shards", "plan", "part0", "--job", "job.toml", "--run", "shared", "--shards", "2"]).finish().exits(0);
    workspace.start_with(shard).finish().exits(75).says(&["the budget service does not answer"]);
    assert_eq!(server.ledger().requests, 0);

    let _service = serve(&workspace, port, &["--max-usd", "50", "--in-flight", "4"]);
    workspace.start_with(shard).finish().exits(0);
    workspace.start_with(["run", "part0", "--job", "job.toml", "--run", "shared", "--shard", "1/2", "--quiet"]).finish().exits(0);
    let merged = workspace.start_with(["merge", "--run", "shared", "--output", "merged"]).finish().exits(0);
    assert!(merged.stdout.contains("300 rows of 2 shards"), "{}", merged.stdout);
    let totals = server.ledger();
    let summary: Value = serde_json::from_slice(&std::fs::read(workspace.path("merged/echo/summary.json")).unwrap()).unwrap();
    let status = status(&workspace);
    let billed = totals.cost_usd.usd();
    assert!((summary["bill"]["cost_usd"].as_f64().unwrap_or(billed) - billed).abs() < 1e-9, "{}", summary["bill"]);
    assert!((status["money"]["spent_usd"].as_f64().unwrap() - billed).abs() < 1e-9, "{status} {billed}");
    let account = &status["accounts"][0];
    assert_eq!((account["used"]["requests"].as_f64(), account["in_flight_limit"].as_u64()), (Some(300.0), Some(4)), "{status}");
    assert!(totals.in_flight_max <= 4 && totals.requests == 300, "{totals:?}");
    run(&workspace, 0).finish().exits(0);

    workspace.write("token", "another-token-which-is-wrong\n");
    run(&workspace, 1).finish().exits(5).says(&["does not accept the token", "budget.token"]);
    let literal = workspace.clone().set("budget.token", "s3cret-in-the-settings");
    run(&literal, 1).finish().exits(2).says(&["budget.token", "env:VARIABLE"]).says_nothing_of("s3cret");
}

#[test]
fn a_run_says_that_it_waits_for_its_service() {
    let (server, port) = (Server::start(&scenario(60)), free_port());
    // Longer than the lease.
    let workspace = workspace(&server, port).set("llm.concurrency", 2);
    let service = serve(&workspace, port, &["--max-usd", "50"]);
    let active = run(&workspace, 0);
    until("30 calls are answered", || server.ledger().served >= 30);
    service.signal("KILL");
    service.end().unwrap_err();
    let doing = || workspace.start_with(["status", "--output", "out0"]).finish().exits(0).stdout;
    until("the run waits for the service", || doing().contains("waiting for the budget service"));
    assert!(!doing().contains("remaining budget"));
    let _service = serve(&workspace, port, &["--max-usd", "50"]);
    active.finish().exits(0);
    assert!(is_ok(&workspace, 0));
}

#[test]
fn a_service_for_other_machines_needs_a_token_and_https() {
    let workspace = Workspace::new();
    for args in [&["--bind", "0.0.0.0:0"][..], &["--bind", "0.0.0.0:0", "--token-file", "token"]] {
        let args = ["budget", "serve", "ledger", "--in-flight", "4"].iter().chain(args).copied();
        workspace.docmill(args).exits(2).says(&["--token-file, --cert and --key"]);
    }
    workspace.docmill(["budget", "serve", "ledger"]).exits(2).says(&["nothing to share"]);
    workspace.docmill(["budget", "status"]).exits(2).says(&["budget.service names no service"]);
}
