//! Refused requests: their cause, and what docmill learns from them.

use crate::order::ECHO;
use crate::support::{Ask, ModelServer, Reply, Workspace};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const FIREWALL: &str = "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>blocked</body></html>";

fn documents(server: &ModelServer, count: usize) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    for n in 0..count {
        workspace.doc(format!("{n:02}.txt"), format!("docid:{n} is a text"));
    }
    workspace
}

/// A server that also answers requests without a schema.
fn serving(faults: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> ModelServer {
    let answering = ModelServer::script().answer(|_| json!({"said": "something"}));
    answering.latency(|_| Duration::from_millis(5)).faults(faults).start()
}

/// Faults with this reply to the fourth request, after three answers.
fn fourth(reply: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> impl Fn(&Ask) -> Reply + Send + Sync + 'static {
    let requests = AtomicUsize::new(0);
    move |ask| if requests.fetch_add(1, SeqCst) == 3 { reply(ask) } else { Reply::Ok }
}

fn is(ask: &Ask, document: &str) -> bool {
    ask.docid.as_deref() == Some(document)
}

#[test]
fn requests_refused_for_their_form_are_repeated_once_without_losing_an_attempt() {
    let server = serving(|ask| match ask.body["response_format"]["type"].as_str() {
        Some("json_schema") => Reply::Status(400, json!({"message": "guided decoding is not enabled", "code": 400}), Vec::new()),
        _ => Reply::Ok,
    });
    // Only one attempt is allowed. A refused form of the request must not use it up.
    let workspace = documents(&server, 32).set("llm.concurrency", 32).set("llm.retry.max_attempts", 1);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.stderr.matches("docmill sends the schema in the prompt").count(), 1, "{}", run.stderr);
    assert!((33..=64).contains(&server.requests()), "{}", server.requests());
}

#[test]
fn a_refused_document_does_not_change_the_form_of_requests() {
    for message in [
        "Invalid request: response_format grammar sampler failed on this prompt",
        "input length and `max_tokens` exceed context limit: 199000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
        "json_schema: token 13 is not allowed in this state",
        "Unsupported parameter: 'max_tokens' is not supported with this model",
    ] {
        let server = serving(fourth(move |ask| Reply::error(ask, 400, "invalid_request_error", message)));
        let workspace = documents(&server, 8).set("llm.concurrency", 1);
        let run = workspace.run(["--job", "echo.toml"]).exits(3);
        assert_eq!((run.csv("echo").rows.len(), server.requests()), (8, 8), "{message}");
        for ask in server.ledger().asks {
            assert!(ask.body.get("max_tokens").is_some() && ask.body["response_format"]["type"] == "json_schema", "{message}");
        }
    }
}

#[test]
fn a_firewall_that_denies_one_document_does_not_stop_the_run() {
    for document in ["0", "3"] {
        let fault = move |ask: &Ask| if is(ask, document) { Reply::StatusText(403, FIREWALL.into()) } else { Reply::Ok };
        let server = serving(fault);
        let run = documents(&server, 8).set("llm.preflight", true).set("llm.concurrency", 1).run(["--job", "echo.toml"]).exits(3);
        let row = run.csv("echo").rows[document.parse::<usize>().unwrap()].clone();
        assert_eq!((row["failure_code"].as_str(), server.requests()), ("filtered", 8));
        run.says(&[&format!("0{document}.txt"), "HTTP 403"]);
    }
}

#[test]
fn denying_every_document_stops_the_run_and_they_stay_pending() {
    for (count, reply) in [
        (1, Reply::StatusText(403, FIREWALL.into())),
        (20, Reply::StatusText(403, FIREWALL.into())),
        (20, Reply::Status(403, json!({"message": "Forbidden"}), Vec::new())),
    ] {
        let fault = reply.clone();
        let server = serving(move |_| fault.clone());
        let workspace = documents(&server, count).set("llm.preflight", true);
        workspace.run(["--job", "echo.toml"]).exits(5).says(&[".txt"]);
        assert!(server.requests() <= 2, "{}", server.requests());
        let mended = serving(|_| Reply::Ok);
        let run = workspace.against(&mended).run(["--job", "echo.toml"]).exits(0);
        assert_eq!(run.csv("echo").rows.len(), count);
    }
}

#[test]
fn a_denied_document_fails_once_the_model_has_answered_and_a_bad_key_still_stops_the_run() {
    let server = serving(fourth(|_| Reply::Status(403, json!({"message": "Forbidden"}), Vec::new())));
    let run = documents(&server, 8).set("llm.concurrency", 1).run(["--job", "echo.toml"]).exits(3);
    assert_eq!(run.csv("echo").column("failure_code").iter().filter(|code| **code == "rejected").count(), 1);
    let server = serving(fourth(|ask| Reply::error(ask, 401, "invalid_api_key", "revoked")));
    documents(&server, 8).set("llm.concurrency", 1).run(["--job", "echo.toml"]).exits(5).says(&["revoked", ".txt"]);
    assert_eq!(server.requests(), 4, "nothing is sent after the key was refused");
}

#[test]
fn addresses_are_accepted_in_all_usual_forms() {
    let server = ModelServer::start();
    for address in [server.url(), format!(" {}/v1/ ", server.url()), format!("{}/v1/chat/completions?api-version=7", server.url())] {
        let workspace = documents(&server, 3).set("llm.base_url", &address).set("llm.concurrency", 1);
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        assert_eq!(run.csv("echo").rows.len(), 3, "{address}");
    }
    assert!(server.ledger().asks.iter().all(|ask| ask.path == "/v1/chat/completions"));
    assert_eq!(server.requests(), 9);
    let workspace = documents(&server, 1).set("llm.base_url", format!("{}/v1?api-key=s3cret", server.url()));
    workspace.run(["--job", "echo.toml"]).exits(2).says(&["llm.base_url", "llm.query.api-key"]).says_nothing_of("s3cret");
    assert_eq!(server.requests(), 9);
}
