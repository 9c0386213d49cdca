//! Invalid documents: each gets its row, and other documents succeed.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Table, Workspace, dice, jpeg, jpeg_cut_off, png, png_that_claims, unreadable_by_us};
use std::collections::BTreeMap;
use std::time::Duration;

/// The expected job, status and failure code of a document.
type Fate = (&'static str, &'static str, &'static str);
const OK_TEXT: Fate = ("text", "ok", "");
const OK_IMAGE: Fate = ("material", "ok", "");

#[test]
fn a_thousand_hostile_documents_on_a_faulty_server_give_a_thousand_correct_rows() {
    let server = ModelServer::script()
        .faults(|ask| match ask.docid.as_deref().and_then(|id| id.split_once("-at-")).map(|(kind, _)| kind) {
            Some("rejected") => Reply::error(ask, 400, "invalid_request_error", "this document is not to our taste"),
            Some("too-long") => Reply::error(ask, 413, "request_too_large", "too large"),
            Some("refused") => Reply::Refusal,
            Some("invalid") => Reply::InvalidJson,
            Some("misshapen") => Reply::WrongShape,
            Some("truncated") => Reply::Truncated,
            Some("no-answer") => Reply::NoText,
            Some("garbage") => Reply::Garbage,
            Some("lost") => Reply::Reset,
            Some("hang") => Reply::Hang,
            Some("broken") => Reply::error(ask, 500, "api_error", "it broke"),
            // One in twenty calls on valid documents gets an unbilled fault.
            _ if ask.attempt > 1 => Reply::Ok,
            _ => match dice(3, &ask.text, 0) % 80 {
                0 => Reply::error(ask, 500, "api_error", "it broke"),
                1 => Reply::error(ask, 503, "overloaded_error", "too much"),
                2 => Reply::error(ask, 529, "overloaded_error", "too much"),
                3 if dice(4, &ask.text, 0).is_multiple_of(4) => {
                    Reply::Status(429, ask.dialect.error("rate_limit_error", "slow down"), vec![("retry-after-ms", "10".into())])
                }
                _ => Reply::Ok,
            },
        })
        .start();
    let workspace = Workspace::new().against(&server).set("read.max_file_mb", 1).set("llm.timeout_s", 5);
    let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
    let mut put = |name: String, content: &[u8], fate: Fate| {
        workspace.doc(&name, content);
        assert!(fates.insert(name, fate).is_none());
    };

    for n in 0..3 {
        // Files with invalid content.
        put(format!("{n}/zero.txt"), b"", ("text", "failed", "empty"));
        put(format!("{n}/blank.txt"), b" \n\t\r\n ", ("text", "failed", "empty"));
        put(format!("{n}/junk.txt"), &junk(n), ("text", "failed", "unsupported_kind"));
        put(format!("{n}/portable.pdf"), format!("%PDF-1.7\n%{n}\n").as_bytes(), ("text", "failed", "undecodable"));
        put(format!("{n}/huge.txt"), &b"large ".repeat(200_000), ("text", "failed", "too_large"));
        put(format!("{n}/zero.png"), b"", ("material", "failed", "empty"));
        put(format!("{n}/cut-off.jpg"), &jpeg_cut_off(n), ("material", "failed", "undecodable"));
        put(format!("{n}/bomb.png"), &png_that_claims(60_000, 60_000 + u32::from(n)), ("material", "failed", "too_many_pixels"));
        // Documents on which the server misbehaves.
        for (kind, status, code) in [
            ("rejected", "failed", "rejected"),
            ("too-long", "failed", "too_long"),
            ("refused", "refused", "refused"),
            ("invalid", "failed", "invalid_answer"),
            ("misshapen", "failed", "invalid_answer"),
            ("truncated", "failed", "truncated"),
            ("no-answer", "failed", "no_answer"),
            ("garbage", "failed", "bad_reply"),
            ("lost", "failed", "lost_reply"),
            ("broken", "failed", "server_error"),
        ] {
            put(format!("{n}/{kind}.txt"), format!("docid:{kind}-at-{n} is poison").as_bytes(), ("text", status, code));
        }
        // Valid files with misleading names.
        put(format!("{n}/picture.txt"), &png(n), OK_IMAGE);
        put(format!("{n}/words.jpg"), format!("docid:words-{n} is a text").as_bytes(), OK_TEXT);
    }
    put("0/hang.txt".into(), b"docid:hang-at-0 is poison", ("text", "failed", "timed_out"));
    put("locked.txt".into(), b"docid:locked", OK_TEXT);
    if unreadable_by_us(&workspace.path("docs/locked.txt")) {
        fates.insert("locked.txt".into(), ("text", "failed", "unreadable"));
    }
    let mut put = |name: String, content: &[u8], fate: Fate| {
        workspace.doc(&name, content);
        assert!(fates.insert(name, fate).is_none());
    };
    for n in 0..10 {
        put(format!("parts/{n}.jpg"), &jpeg(n), OK_IMAGE);
    }
    for n in 0..928 {
        put(format!("good/{n:03}.txt"), format!("docid:good-{n} is an honest text of {n} words.").as_bytes(), OK_TEXT);
    }
    // Neither a dangling link nor a directory is a document.
    std::os::unix::fs::symlink("nowhere", workspace.path("docs/dangling.txt")).unwrap();
    std::fs::create_dir(workspace.path("docs/directory.txt")).unwrap();
    workspace.doc(".hidden.txt", "docid:hidden");
    assert_eq!(fates.len(), 1000);

    let run = workspace.run(["--quiet"]).exits(3);

    let (texts, images) = (run.csv("text"), run.csv("material"));
    for (table, job) in [(&texts, "text"), (&images, "material")] {
        let wanted: Vec<&str> = fates.iter().filter(|(_, fate)| fate.0 == job).map(|(name, _)| name.as_str()).collect();
        assert_eq!(table.column("document"), wanted, "documents of {job}");
    }
    let mut indices: Vec<usize> = [&texts, &images].iter().flat_map(|table| table.column("index")).map(|n| n.parse().unwrap()).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..fates.len()).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (name, (job, status, code)) in &fates {
        let row = row(if *job == "text" { &texts } else { &images }, name);
        if row["status"] != *status || row["failure_code"] != *code {
            wrong.push(format!("{name}: {} {} ({}), not {status} {code}", row["status"], row["failure_code"], row["failure_message"]));
        }
        assert_eq!(row["failure_message"].is_empty(), *status == "ok", "{name}: {}", row["failure_message"]);
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));

    let ledger = server.ledger();
    for n in 0..928 {
        let calls = ledger.of(&format!("good-{n}"));
        assert_eq!(calls.len(), 6, "calls on good document {n}");
        assert!(calls.iter().all(|call| (call.billed, call.served) == (1, 1)), "a good document was billed otherwise than once: {calls:?}");
    }
    let repeated =
        ledger.calls.iter().filter(|call| call.docid.as_ref().is_some_and(|id| id.starts_with("good-")) && call.requests > 1).count();
    assert!(repeated > 100, "only {repeated} calls met a fault");
    assert_eq!(ledger.of("hidden").len(), 0);
    for call in ledger.calls.iter().filter(|call| call.docid.as_ref().is_some_and(|id| id.contains("-at-"))) {
        let (id, requests) = (call.docid.as_deref().unwrap(), call.requests);
        let most = match id.split_once("-at-").unwrap().0 {
            // A permanent failure is not retried.
            "rejected" | "too-long" | "refused" => 1,
            // Retried once: with the error, with more output tokens, or unchanged.
            "invalid" | "misshapen" | "truncated" | "no-answer" | "garbage" | "lost" | "hang" => 2,
            _ => 6,
        };
        assert_eq!(requests, most, "requests for {id}");
    }
}

#[test]
fn a_document_whose_calls_all_fail_does_not_stop_the_run() {
    let server = ModelServer::script().faults(|ask| Reply::error(ask, 400, "invalid_request_error", "no")).start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    let run = workspace.run(["--job", "text"]).exits(3);
    assert_eq!(run.csv("text").column("status"), ["failed", "failed"]);
}

fn row<'t>(table: &'t Table, document: &str) -> &'t BTreeMap<String, String> {
    table.row(document)
}

/// Bytes that are not text in any encoding.
fn junk(seed: u8) -> Vec<u8> {
    (0..4000_u32)
        .map(|n| u8::try_from(dice(u64::from(seed), "junk", n) % 256).unwrap())
        .map(|byte| if byte == 0xFF { 0 } else { byte })
        .collect()
}

#[test]
fn a_panic_fails_only_its_document() {
    // The last document is in flight while another one panics.
    let server = ModelServer::script()
        .hold(|ask, ledger| ask.docid.as_deref() == Some("c") && ledger.of("b").first().is_none_or(|call| call.served == 0))
        .latency(|ask| Duration::from_millis(if ask.docid.as_deref() == Some("c") { 200 } else { 0 }))
        .start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    for name in ["a", "b", "c"] {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    let breaks_down = workspace.clone().env("FAILPOINTS", "answered=b.txt");
    let run = breaks_down.run(["--job", "echo.toml"]).exits(3);
    let csv = run.csv("echo");
    assert_eq!(csv.column("status"), ["ok", "failed", "ok"]);
    let row = csv.row("b.txt");
    assert_eq!((row["failure_code"].as_str(), row["failure_message"].contains("docmill panicked")), ("internal", true), "{row:?}");
    // The failure is transient, so the next run retries it. The answer is in the store.
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("said"), ["said of docid:a", "said of docid:b", "said of docid:c"]);
    assert_eq!(server.requests(), 3);
    workspace.docmill(["verify"]).exits(0);
}
