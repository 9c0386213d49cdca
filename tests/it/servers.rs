//! Several servers of one account share its calls.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

/// Three calls for each document.
const THREE: &str = r#"
name = "three"
input = "text"
[[task]]
id = "one"
prompt = "{{ document }}\n\nWhat is it?"
max_output_tokens = 100
[task.answer]
one = { type = "string" }
[[task]]
id = "two"
prompt = "{{ document }}\n\nWhose is it?"
max_output_tokens = 100
[task.answer]
two = { type = "string" }
[[task]]
id = "six"
prompt = "{{ document }}\n\nWhy is it?"
max_output_tokens = 100
[task.answer]
six = { type = "string" }
"#;

fn workspace(servers: &[&ModelServer], documents: usize) -> Workspace {
    let urls: Vec<String> = servers.iter().map(|server| format!("{}/v1", server.url())).collect();
    let workspace = Workspace::new().against(servers[0]).set("llm.base_url", urls.join(",")).set("llm.concurrency", 4);
    workspace.write("echo.toml", ECHO).write("three.toml", THREE);
    for number in 0..documents {
        workspace.doc(format!("{number:04}.txt"), format!("This is docid:d{number}.\n"));
    }
    workspace
}

/// Served calls of each document, by server.
fn by_document(servers: &[&ModelServer]) -> BTreeMap<String, Vec<u32>> {
    let mut served: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (at, server) in servers.iter().enumerate() {
        for call in server.ledger().calls {
            served.entry(call.docid.unwrap()).or_insert_with(|| vec![0; servers.len()])[at] += call.served;
        }
    }
    served
}

fn servers_in(summary: &Value) -> Vec<(String, u64, u64)> {
    let server = |server: &Value| {
        (server["state"].as_str().unwrap().to_owned(), server["requests"].as_u64().unwrap(), server["failures"].as_u64().unwrap())
    };
    summary["whole_run"]["servers"].as_array().unwrap().iter().map(server).collect()
}

#[test]
fn servers_share_calls_and_all_calls_of_a_document_go_to_one() {
    let slow = |ms| ModelServer::script().latency(move |_| Duration::from_millis(ms)).start();
    let (first, second) = (slow(2), slow(6));
    let workspace = workspace(&[&first, &second], 60);
    let run = workspace.run(["--job", "three.toml"]).exits(0);
    assert_eq!((first.requests() + second.requests(), run.csv("three").rows.len()), (180, 60));
    let served = by_document(&[&first, &second]);
    let most: u32 = served.values().filter_map(|calls| calls.iter().max()).sum();
    assert!(most >= 162, "{most} of 180 calls were on the server of their document");
    assert!(first.requests() > 30 && second.requests() > 30, "{} and {}", first.requests(), second.requests());
    assert!(first.ledger().max_in_flight <= 4 && second.ledger().max_in_flight <= 4, "llm.concurrency holds for each server");
    let servers = servers_in(&run.summary("three"));
    assert_eq!(
        servers.iter().map(|(_, requests, failures)| (*requests, *failures)).collect::<Vec<_>>(),
        [(first.requests() as u64, 0), (second.requests() as u64, 0)]
    );
    // The list of servers does not identify answers.
    workspace.clone().set("llm.base_url", format!("{}/v1", second.url())).run(["--job", "three.toml"]).exits(0);
    assert_eq!(first.requests() + second.requests(), 180, "another list asks nothing again");
    workspace.docmill(["report"]).exits(0);
    let page = std::fs::read_to_string(workspace.path("output/report.html")).unwrap();
    let address = second.url().replace("http://", "");
    assert!(page.contains(&address) && page.contains("<h3>Servers</h3>"), "the report lists the servers");
}

#[test]
fn a_server_that_is_killed_loses_its_calls_and_gets_its_share_back() {
    let port = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let workspace = Workspace::new();
    let simulate = |port: u16, latency: &str| {
        let server = workspace.start(["simulate", "--port", &port.to_string(), "--latency-ms", latency]);
        while !server.heard().contains("listening") {
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    };
    let ports = [port(), port()];
    let (_steady, fast) = (simulate(ports[0], "20"), simulate(ports[1], "10"));
    workspace.write("three.toml", THREE);
    for number in 0..600 {
        workspace.doc(format!("{number:04}.txt"), format!("This is docid:d{number}.\n"));
    }
    let settings = [
        "provider = \"openai-compatible\"".to_owned(),
        "model = \"simulated-small\"".to_owned(),
        "concurrency = 4".to_owned(),
        format!("base_url = [\"http://127.0.0.1:{}/v1\", {{ url = \"http://127.0.0.1:{}/v1\", weight = 2 }}]", ports[0], ports[1]),
    ];
    workspace.write("servers.toml", format!("[llm]\n{}\n", settings.join("\n")));
    let run = workspace.start_run(["--job", "three.toml", "--config", "servers.toml", "--events", "events.jsonl"]);
    let events = workspace.path("events.jsonl");
    let is_answered = |text: String| text.split("\"answered\":").skip(1).any(|rest| !rest.starts_with('0'));
    while !std::fs::read_to_string(&events).is_ok_and(is_answered) {
        std::thread::sleep(Duration::from_millis(5));
    }
    fast.signal("KILL");
    assert!(fast.end().is_err());
    run.wait_until_it_says("is set aside");
    let _again = simulate(ports[1], "10");
    run.wait_until_it_says("answers again");
    let run = run.finish().exits(0);
    let csv = run.csv("three");
    assert_eq!((csv.rows.len(), csv.rows.iter().filter(|row| row["status"] != "ok").count()), (600, 0));
    let summary = run.summary("three");
    let servers = servers_in(&summary);
    assert_eq!(servers.iter().map(|(state, ..)| state.as_str()).collect::<Vec<_>>(), ["up", "up"]);
    // The calls in flight, and calls that were sent before docmill noticed.
    let twice = summary["whole_run"]["retries"].as_u64().unwrap();
    assert!((1..=8 + 1).contains(&twice), "{twice} calls were sent again");
    assert_eq!(servers[0].2, 0);
}

#[test]
fn a_server_that_cannot_do_the_job_is_set_aside() {
    let good = ModelServer::start();
    let bad =
        ModelServer::script().faults(|ask| Reply::error(ask, 404, "not_found_error", "The model `test-model` does not exist")).start();
    let workspace = workspace(&[&good, &bad], 30);
    let run = workspace.run(["--job", "echo.toml"]).exits(0).says(&["is set aside", &bad.url(), "does not exist"]);
    assert_eq!(run.csv("echo").rows.iter().filter(|row| row["status"] == "ok").count(), 30);
    assert!(bad.requests() < 8, "{} requests to a server without the model", bad.requests());
    // An address without /v1 is corrected for each server.
    let other = ModelServer::start();
    let bare = workspace.clone().set("llm.base_url", format!("{}, {}/v1", other.url(), good.url())).set("output.dir", "bare");
    let run = bare.run(["--job", "echo.toml"]).exits(0).says(&["docmill sends requests to", "/v1 from now on"]);
    assert!(!run.stderr.contains("set aside") && other.requests() > 2, "{}", run.stderr);
    let workspace = workspace.set("llm.base_url", format!("{0}/v1,{0}/other/v1", bad.url())).set("output.dir", "other");
    workspace.run(["--job", "echo.toml"]).exits(5).says(&["refuses the request", "llm.model"]);
}

#[test]
fn a_refusal_closes_only_its_server() {
    let busy = ModelServer::script()
        .faults(|ask| Reply::Status(429, ask.dialect.error("rate_limit_error", "slow down"), vec![("retry-after", "3600".into())]))
        .start();
    let free = ModelServer::start();
    let workspace = workspace(&[&busy, &free], 30);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.iter().filter(|row| row["status"] == "ok").count(), 30);
    assert_eq!((busy.requests(), free.requests()), (1, 30));
}

#[test]
fn if_no_server_can_be_reached_the_run_stops_and_names_them() {
    let server = ModelServer::start();
    let workspace = workspace(&[&server], 3).set("llm.base_url", "http://127.0.0.1:9/v1, http://127.0.0.1:13/v1");
    workspace.run(["--job", "echo.toml"]).exits(4).says(&["127.0.0.1:9/v1", "127.0.0.1:13/v1", "llm.base_url"]);
}

#[test]
fn doctor_checks_each_server_and_settings_with_mistakes_are_refused() {
    let server = ModelServer::start();
    let workspace = workspace(&[&server], 1);
    let list = format!("llm.base_url=[\"{}/v1\", {{ url = \"http://127.0.0.1:9\", concurrency = 2 }}]", server.url());
    let of = ["llm.provider=openai-compatible", "llm.model=test-model", &list].map(|set| ["--set".to_owned(), set.to_owned()]).concat();
    let said = workspace.docmill([vec!["doctor".to_owned()], of.clone()].concat()).exits(3).stdout;
    assert!(said.contains(&format!("{}/v1 answer", server.url())) && said.contains("cannot reach http://127.0.0.1:9:"), "{said}");
    let shown = workspace.docmill([vec!["config".to_owned(), "show".to_owned()], of].concat()).exits(0).stdout;
    assert!(shown.contains("concurrency = 2") && shown.contains(&server.url()), "{shown}");
    for (list, expected) in [
        ("[1]", "takes an address, or a list"),
        ("[\"http://a/v1\", \"http://a/v1/\"]", "server 2: the same address as server 1"),
        ("[\"http://a/v1\", \"http://b/v1?x=1\"]", "llm.query"),
        ("[\"http://a/v1\", { url = \"http://b\", weight = 0 }]", "weight = 0"),
        ("[\"http://a/v1\", { url = \"http://b\", wieght = 1 }]", "wieght"),
        ("[\"http://a/v1\", \"b\"]", "server 2: invalid address"),
    ] {
        workspace.clone().set("llm.base_url", list).run(["--job", "echo.toml"]).exits(2).says(&["llm.base_url", expected]);
    }
    assert_eq!(server.requests(), 0);
}
