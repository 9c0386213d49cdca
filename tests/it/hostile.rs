//! Servers that hang, drip, reset or close connections, or send wrong data.

use crate::limits::{KEY, workspace};
use crate::order::ECHO;
use crate::support::{AccountServer, ModelServer, Reply, Terms, Workspace, dice};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A server that handles each connection with a function.
fn raw(each: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (each, count) = (Arc::new(each), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = Arc::clone(&each);
            let number = counted.fetch_add(1, SeqCst);
            std::thread::spawn(move || each(stream, number));
        }
    });
    (url, count)
}

/// Reads one complete request.
fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        bytes.extend(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())?;
        if body.len() >= length {
            return Some(text.into_owned());
        }
    }
}

const ANSWER: &str = r#"{"model":"m","choices":[{"message":{"content":"{\"said\":\"x\"}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;

fn answer(stream: &mut TcpStream, more: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{more}\r\n", ANSWER.len());
    stream.write_all(format!("{head}{ANSWER}").as_bytes()).unwrap_or_default();
}

fn asking(url: &str, documents: usize) -> Workspace {
    let workspace = Workspace::new().set("llm.provider", "openai-compatible").set("llm.base_url", url).set("llm.model", "m");
    workspace.write("echo.toml", ECHO);
    for n in 0..documents {
        workspace.doc(format!("{n}.txt"), format!("docid:{n}"));
    }
    workspace.set("llm.retry.base_ms", 1).set("llm.preflight", false)
}

#[test]
fn a_hanging_or_dripping_server_times_out_and_is_named() {
    type Serve = fn(TcpStream, usize);
    let hangs: Serve = |mut stream, _| {
        request(&mut stream);
        std::thread::park();
    };
    let drips: Serve = |mut stream, _| {
        request(&mut stream);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
        let dripping = head.bytes().chain(std::iter::repeat(b' '));
        for byte in dripping {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    for (what, serve) in [("hangs", hangs), ("drips", drips)] {
        let (url, _) = raw(serve);
        let started = Instant::now();
        let run = asking(&url, 4).set("llm.timeout_s", 1).run(["--job", "echo.toml"]).exits(3);
        assert_eq!(run.csv("echo").column("failure_code"), ["timed_out"; 4], "{what}");
        assert!(run.csv("echo").rows[0]["failure_message"].contains("no complete response within 1 s (llm.timeout_s)"), "{what}");
        // Two attempts of a second each, for all documents concurrently. The additional time allows
        // for a slow machine.
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {:?}", started.elapsed());
    }
}

#[test]
fn a_silent_stream_times_out_before_the_whole_call() {
    let (url, _) = raw(|mut stream, _| {
        request(&mut stream);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let first = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n";
        stream.write_all(format!("{head}{first}").as_bytes()).unwrap_or_default();
        std::thread::park();
    });
    let run =
        asking(&url, 1).set("llm.silence_s", 1).set("llm.timeout_s", 600).set("llm.stream", true).run(["--job", "echo.toml"]).exits(3);
    assert!(run.csv("echo").rows[0]["failure_message"].contains("no further data within 1 s (llm.silence_s)"));
}

#[test]
fn closing_connections_after_each_reply_costs_nothing() {
    // The server announces that it closes the connection, or closes it without notice.
    for said in ["connection: close\r\n", ""] {
        let (url, connections) = raw(move |mut stream, _| {
            if request(&mut stream).is_some() {
                answer(&mut stream, said);
            }
        });
        let workspace = asking(&url, 60).set("llm.concurrency", 4);
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        let attempts: usize = run.csv("echo").column("attempts").iter().map(|n| n.parse::<usize>().unwrap()).sum();
        if !said.is_empty() {
            assert_eq!((attempts, connections.load(SeqCst)), (60, 60));
        }
        assert!(attempts <= 120, "{attempts}");
    }
}

#[test]
fn refused_connections_stop_the_run_and_fail_no_document() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let workspace = asking(&format!("http://{free}/v1"), 3).set("llm.retry.max_attempts", 2);
    workspace.run(["--job", "echo.toml"]).exits(4).says(&["cannot connect to", "0 documents are done and kept, 3 remain"]);
}

#[test]
fn calls_keep_their_attempt_limit_and_waits_in_any_mixture_of_failures() {
    const ATTEMPTS: u32 = 4;
    let server = ModelServer::script()
        .faults(|ask| match dice(5, ask.docid.as_deref().unwrap(), ask.attempt) % 12 {
            0 => Reply::Ok,
            1 | 2 => Reply::error(ask, 500, "api_error", "it broke"),
            3 => Reply::Status(503, serde_json::json!({"error": {"code": "server_is_overloaded"}}), vec![("retry-after-ms", "30".into())]),
            4 => Reply::Status(500, serde_json::json!({"error": {"message": "m"}}), vec![("retry-after-ms", "40".into())]),
            5 => Reply::Reset,
            6 => Reply::CutBody,
            7 => Reply::WrongShape,
            8 => Reply::Truncated,
            9 => Reply::NoText,
            10 => Reply::InvalidJson,
            _ => Reply::Garbage,
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", ATTEMPTS).set("llm.retry.max_consecutive_failures", 0);
    workspace.write("echo.toml", ECHO);
    for n in 0..120 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:{n}"));
    }
    workspace.run(["--job", "echo.toml"]).exits(3);
    let ledger = server.ledger();
    assert_eq!(ledger.calls.len(), 120);
    for call in &ledger.calls {
        let docid = call.docid.as_deref().unwrap();
        assert!(call.requests <= ATTEMPTS, "{docid}: {} requests", call.requests);
        for (n, pair) in call.arrivals.windows(2).enumerate() {
            let asked = match dice(5, docid, u32::try_from(n).unwrap() + 1) % 12 {
                3 => 30,
                4 => 40,
                _ => 0,
            };
            assert!(pair[1] - pair[0] >= Duration::from_millis(asked), "{docid}: sent again after {:?}", pair[1] - pair[0]);
        }
    }
}

#[test]
fn a_systemic_failure_stops_the_run_and_its_documents_stay_pending() {
    let served = Arc::new(AtomicUsize::new(0));
    let (count, broken) = (Arc::clone(&served), Arc::new(AtomicUsize::new(1)));
    let switch = Arc::clone(&broken);
    let server = ModelServer::script()
        .faults(move |ask| {
            if count.fetch_add(1, SeqCst) < 50 || switch.load(SeqCst) == 0 {
                return Reply::Ok;
            }
            Reply::error(ask, 400, "invalid_request_error", "schema is too complex")
        })
        .start();
    // One call at a time. Otherwise a success could overtake the first failures.
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 1);
    workspace.write("echo.toml", ECHO);
    for n in 0..300 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(5);
    run.says(&[
        "the last 20 calls of task echo all failed with rejected",
        "schema is too complex",
        "50 documents are done and kept, 250 remain",
    ]);
    assert_eq!(server.requests(), 50 + 20);
    broken.store(0, SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").rows.len(), 300);
}

#[test]
fn few_more_calls_are_sent_once_all_fail() {
    let server = ModelServer::script()
        .latency(|_| Duration::from_millis(30))
        .faults(|ask| Reply::error(ask, 400, "invalid_request_error", "the image is broken"))
        .start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 64);
    workspace.write("echo.toml", ECHO);
    for n in 0..300 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:{n}"));
    }
    workspace.run(["--job", "echo.toml"]).exits(5).says(&["0 documents are done and kept, 300 remain"]);
    assert!(server.requests() <= 64 + 20, "{}", server.requests());
}

#[test]
fn random_failures_do_not_stop_the_run() {
    let server = ModelServer::script()
        .faults(|ask| match dice(9, ask.docid.as_deref().unwrap(), 1) % 10 {
            0..3 => Reply::error(ask, 400, "invalid_request_error", "bad image"),
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    for n in 0..400 {
        workspace.doc(format!("{n:03}.txt"), format!("docid:{n}"));
    }
    assert_eq!(workspace.run(["--job", "echo.toml"]).exits(3).csv("echo").rows.len(), 400);
}

#[test]
fn the_first_call_goes_alone_and_unknown_fields_are_left_out() {
    let server = ModelServer::script()
        .latency(|_| Duration::from_millis(20))
        .faults(|ask| {
            let unknown = ["temperature", "reasoning_effort"].into_iter().find(|field| ask.body.get(field).is_some());
            let refusal = |field| format!("Unsupported parameter: '{field}' is not supported with this model.");
            unknown.map_or(Reply::Ok, |field| Reply::error(ask, 400, "unsupported_parameter", &refusal(field)))
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.preflight", true).set("llm.effort", "low");
    workspace.write("echo.toml", ECHO).write("pipeline.toml", "[llm.body]\ntemperature = 0.2\n");
    for n in 0..30 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    run.says(&["docmill leaves out temperature (llm.body), because the server says", "docmill leaves out llm.effort"]);
    // The first call takes three requests, and the others one each.
    assert_eq!(server.requests(), 32);
}

#[test]
fn the_fallback_model_answers_if_the_first_one_is_missing() {
    let server = ModelServer::script()
        .faults(|ask| match ask.body["model"].as_str() {
            Some("old") => Reply::error(ask, 404, "model_not_found", "The model `old` does not exist"),
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.model", "old").set("llm.fallback", "new").set("llm.concurrency", 1);
    workspace.write("echo.toml", ECHO);
    for n in 0..5 {
        workspace.doc(format!("{n}.txt"), format!("docid:{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let run = run.says(&["docmill asks new instead of old (llm.fallback)"]);
    assert_eq!(server.requests(), 6);
    assert!(run.jsonl("echo").iter().all(|row| row["calls"][0]["model"] == "new"));
}

#[test]
fn additional_headers_parameters_and_fields_are_sent_and_their_secrets_hidden() {
    let server = AccountServer::start(Terms::default());
    let workspace = workspace(&server, "openai").env("TEAM_TOKEN", "team-secret-11b2c3").set("llm.key_header", "api-key");
    let settings = "[llm.headers]\nX-Team = \"archive\"\nX-Token = \"env:TEAM_TOKEN\"\n[llm.query]\napi-version = \"2026-05-01\"\n[llm.body]\nuser = \"u1\"\n";
    workspace.write("pipeline.toml", settings).doc("a.txt", "docid:d1");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let books = server.books();
    let (headers, body) = &books.requests[0];
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!([header("x-team"), header("x-token"), header("api-key")], ["archive", "team-secret-11b2c3", KEY]);
    assert!(headers.get("authorization").is_none());
    assert_eq!(body["user"], "u1");
    let store = std::fs::read(workspace.path("output/docmill.db")).unwrap();
    assert!(!String::from_utf8_lossy(&store).contains("team-secret") && !run.stderr.contains("team-secret"));
    workspace
        .run(["--job", "echo.toml", "--set", "llm.headers.X-Token=\"env:NOBODY\""])
        .exits(2)
        .says(&["llm.headers", "NOBODY is not set"]);
}

#[test]
fn secrets_in_settings_are_neither_shown_nor_stored() {
    const SECRET: &str = "0123456789abcdef";
    let server = AccountServer::start(Terms::default());
    let workspace = workspace(&server, "openai").env("DOCMILL_LLM__QUERY__SIG", SECRET);
    workspace.write("pipeline.toml", format!("[llm.headers]\nX-Token = \"{SECRET}\"\nX-Pin = 123456789\n")).doc("a.txt", "docid:d1");
    let set = [
        format!("llm.headers.X-Other=\"{SECRET}\""),
        format!("input.paths=[\"docs\", \"HTTPS://u:{SECRET}@host/a?X-Amz-Signature={SECRET}\"]"),
        format!("output.copy_to=https://host/a?key={SECRET}"),
    ];
    let show = workspace.docmill(["config", "show"].into_iter().chain(set.iter().flat_map(|set| ["--set", set.as_str()]))).exits(0);
    assert!(!show.stdout.contains(SECRET), "{}", show.stdout);
    for part in [r#"llm.headers.X-Token = "***""#, r#"llm.headers.X-Pin = "***""#, r#"input.paths = ["docs", "HTTPS://host/a"]"#] {
        assert!(show.stdout.contains(part), "{part}:\n{}", show.stdout);
    }
    let base = format!("http://me:{SECRET}@127.0.0.1:9/v1");
    for base in [base, format!("//me:{SECRET}@host")] {
        let refused = workspace.clone().set("llm.base_url", base).run(["--job", "echo.toml"]).exits(2).says(&["llm.base_url"]);
        assert!(!refused.stderr.contains(SECRET), "{}", refused.stderr);
    }

    let run = workspace.run(["--job", "echo.toml", "--progress", "json", "--set", &set[0]]).exits(0);
    assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
    assert_eq!(server.books().requests[0].0["x-other"], SECRET, "it is sent");
    for command in ["status", "runs"] {
        let told = workspace.docmill([command, "--json"]).exits(0).stdout;
        assert!(!told.contains(SECRET), "{told}");
    }
    let store = std::fs::read(workspace.path("output/docmill.db")).unwrap();
    assert!(!String::from_utf8_lossy(&store).contains(SECRET));
}

#[test]
fn a_straggler_gets_a_second_request_with_hedging() {
    let server = ModelServer::script()
        .latency(|_| Duration::from_millis(10))
        .faults(|ask| if ask.docid.as_deref() == Some("7") && ask.attempt == 1 { Reply::Hang } else { Reply::Ok })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.hedge", true).set("llm.concurrency", 4);
    workspace.write("echo.toml", ECHO);
    for n in 0..20 {
        workspace.doc(format!("{n:02}.txt"), format!("docid:{n}"));
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0).says(&["docmill sends a second request (llm.hedge)"]);
    let rows = run.csv("echo").rows;
    assert_eq!((server.requests(), rows[7]["status"].as_str(), rows[7]["attempts"].as_str()), (21, "ok", "2"));
    // The two attempts have different numbers, so first attempts count each call once.
    let store = rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap();
    let firsts: u32 = store.query_row("SELECT count(*) FROM attempts WHERE attempt = 1", (), |row| row.get(0)).unwrap();
    assert_eq!(firsts, 20);
    workspace.docmill(["verify"]).exits(0);
    let status = workspace.docmill(["status"]).exits(0).stdout;
    assert!(!status.contains("in doubt"), "{status}");
}

#[test]
fn a_second_request_that_fails_leaves_the_first_one_alone() {
    let server = ModelServer::script()
        .hold(|ask, ledger| ask.attempt == 1 && ask.docid.as_deref() == Some("a") && ledger.of("a")[0].requests < 2)
        .latency(|ask| Duration::from_millis(if ask.attempt == 1 { 100 } else { 0 }))
        .faults(|ask| if ask.attempt == 2 { Reply::error(ask, 500, "api_error", "it broke") } else { Reply::Ok })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.hedge", true);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    let rows = run.csv("echo").rows;
    assert_eq!((server.requests(), rows[0]["status"].as_str(), rows[0]["attempts"].as_str()), (2, "ok", "2"));
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_reply_without_usage_counts_with_its_whole_reservation() {
    let (url, _) = raw(|mut stream, _| {
        while request(&mut stream).is_some() {
            let body = r#"{"model":"m","choices":[{"message":{"content":"{\"said\":\"x\"}"},"finish_reason":"stop"}]}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap_or_default();
        }
    });
    let workspace = asking(&url, 40).set("prices.m", "{ input = 1000, output = 10000 }");
    // The maximum cost of a request is about two dollars: 100 output tokens and the input.
    let run = workspace.run(["--job", "echo.toml", "--max-usd", "10"]).exits(4).says(&["budget.max_usd"]);
    let rows = run.csv("echo").rows;
    assert!((1..=8).contains(&rows.len()), "{}", rows.len());
    assert!(rows.iter().all(|row| row["cost_usd"].is_empty()), "what is not known is not zero");
}

#[test]
fn secrets_are_hidden_in_other_notations() {
    const SECRET: &str = "sk/SECRET+abc/def0123456789";
    let escaped = |text: &str| text.replace('/', "\\/").replace('S', "\\u0053");
    let server = ModelServer::script()
        .answer(|_| serde_json::json!({"said": format!("it is {SECRET}")}))
        .faults(move |ask| match ask.docid.as_deref() {
            Some("0") => Reply::StatusText(400, format!("{{\"error\":{{\"message\":\"{}\"}}}}", escaped(SECRET))),
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server).env("K", SECRET).set("llm.api_key_env", "K").set("llm.query.code", "\"env:K\"");
    workspace.write("echo.toml", ECHO).doc("0.txt", "docid:0").doc("1.txt", "docid:1");
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    let gone = asking("http://127.0.0.1:1/v1", 1).env("K", SECRET).set("llm.query.code", "\"env:K\"").set("llm.retry.max_attempts", 1);
    let gone = gone.run(["--job", "echo.toml"]).exits(4);
    let mut all = run.stderr.clone() + &gone.stderr;
    for file in ["docmill.db", "docmill.db-wal", "echo/results.csv", "echo/results.jsonl"] {
        all += &String::from_utf8_lossy(&std::fs::read(workspace.path("output").join(file)).unwrap_or_default());
    }
    assert!(!all.contains("SECRET") && !all.contains("0053ECRET"), "{}", run.stderr);
}

#[test]
fn body_fields_cannot_change_the_bill_and_settings_cannot_hold_secrets() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    for (setting, said) in [
        ("llm.body.model=\"other\"", "docmill sets model itself"),
        ("llm.body.n=3", "docmill sets n itself"),
        ("llm.headers.Content-Length=5", "docmill sets this header itself"),
        ("llm.headers.Authorization=\"Bearer abc\"", "env:VARIABLE"),
    ] {
        workspace.run(["--job", "echo.toml", "--set", setting]).exits(2).says(&[said]);
    }
    let run = asking("http://user:pw@127.0.0.1:1/v1", 1).run(["--job", "echo.toml"]).exits(2).says(&["Remove user and password"]);
    assert!(!run.stderr.contains("user:pw"), "{}", run.stderr);
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_redirecting_server_is_named_and_fails_no_document() {
    let server = ModelServer::script()
        .faults(|_| Reply::Status(302, serde_json::json!({}), vec![("location", "https://login.example/".into())]))
        .start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace.run(["--job", "echo.toml"]).exits(5).says(&["redirects to https://login.example/", "llm.base_url", "1 remain"]);
}

#[test]
fn a_broken_stream_counts_with_its_reservation_and_not_its_partial_usage() {
    let (url, requests) = raw(|mut stream, _| {
        if request(&mut stream).is_some() {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n";
            stream.write_all(format!("{head}{usage}").as_bytes()).unwrap_or_default();
        }
    });
    let workspace = asking(&url, 40).set("llm.stream", true).set("prices.m", "{ input = 1000, output = 10000 }");
    let args = ["--job", "echo.toml", "--max-usd", "10"];
    workspace.run(args).exits(4).says(&["budget.max_usd"]);
    let sent = requests.load(SeqCst);
    // Each request reserves about two dollars, and a resumed run still counts them.
    assert!((1..=8).contains(&sent), "{sent}");
    workspace.run(args).exits(4).says(&["budget.max_usd"]);
    assert_eq!(requests.load(SeqCst), sent);
}
