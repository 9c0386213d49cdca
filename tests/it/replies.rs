//! Malformed replies: docmill repairs some, and retries others once.

use crate::order::ECHO;
use crate::support::{Ask, ModelServer, Reply, Workspace};
use serde_json::{Value, json};

const GOOD: &str = r#"{"said":"fine"}"#;

fn chat(content: &Value, finish: &str) -> Value {
    json!({
        "id": "c", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    })
}

fn stream(texts: &[&str]) -> String {
    let chunk = |text: &str| json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 100, "completion_tokens": 20}});
    let events = texts.iter().map(|text| chunk(text)).chain([end]);
    events.map(|event| format!("data: {event}\n\n")).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

/// A reply with the name of the document that gets it.
type Named = (&'static str, fn() -> Reply);

/// A compatible server, and one document for each of these replies.
fn workspace(replies: &'static [Named]) -> (Workspace, ModelServer) {
    let reply = move |ask: &Ask| {
        let name = ask.docid.as_deref().unwrap();
        replies.iter().find(|(known, _)| *known == name).map_or(Reply::Ok, |(_, reply)| reply())
    };
    let server = ModelServer::script().faults(reply).start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    for (name, _) in replies {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    (workspace, server)
}

fn said(content: &str) -> Reply {
    Reply::Status(200, chat(&content.into(), "stop"), Vec::new())
}

#[test]
fn a_repaired_answer_needs_one_request_and_its_row_lists_the_repairs() {
    const REPLIES: &[Named] = &[
        ("a-plain", || said(GOOD)),
        ("b-list", || said(&format!("[{GOOD}]"))),
        ("c-comma", || said(r#"{"said":"fine",}"#)),
        ("d-control", || said("{\"said\":\"fi\u{1}ne\"}")),
        ("e-thoughts", || said(&format!("Perhaps {{\"said\":\"draft\"}}?\n</think>\n{GOOD}"))),
        ("f-example", || said(&format!("As in {{\"said\":\"draft\"}}:\n```json\n{GOOD}\n```"))),
        ("g-parts", || {
            Reply::Status(200, chat(&json!([{"type": "thinking", "thinking": []}, {"type": "text", "text": GOOD}]), "stop"), Vec::new())
        }),
        ("h-done", || Reply::StatusText(200, format!("{}\n\ndata: [DONE]\n\n", chat(&GOOD.into(), "stop")))),
        ("i-stream", || Reply::StatusText(200, stream(&[&GOOD[..5], &GOOD[5..]]))),
        ("j-unknown", || Reply::Status(200, chat(&GOOD.into(), "glorp"), Vec::new())),
    ];
    const REPAIRS: [&str; 10] =
        ["", "list_of_one", "trailing_comma", "control_character", "", "surrounding_text", "", "reply_form", "", ""];
    let (workspace, server) = workspace(REPLIES);
    for options in [&["--job", "echo.toml"][..], &["--job", "echo.toml", "--stream", "--set", "output.dir=streamed"]] {
        workspace.run(options).exits(0);
    }
    assert_eq!(server.requests(), 2 * REPLIES.len(), "an answer was paid for twice");
    let asks = server.ledger().asks;
    assert!(asks.iter().all(|ask| ask.body["stream"].is_boolean()), "some servers stream unless they are told not to");
    // A second run writes the files again from the store.
    for output in ["output", "streamed"] {
        std::fs::remove_dir_all(workspace.path(output).join("echo")).unwrap();
        let run = workspace.run(["--job", "echo.toml", "--set", &format!("output.dir={output}")]).exits(0);
        let rows: Vec<Value> = std::fs::read_to_string(workspace.path(output).join("echo/results.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for (row, repairs) in rows.iter().zip(REPAIRS) {
            let expected = if repairs == "control_character" { "fi\u{1}ne" } else { "fine" };
            assert_eq!((&row["answers"]["said"], &row["status"]), (&json!(expected), &json!("ok")), "{row}");
            let named: Vec<&str> = row["calls"][0]["repaired"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(named.join(","), repairs, "{row}");
        }
        if output == "output" {
            assert_eq!(run.csv("echo").column("repaired"), REPAIRS);
        }
    }
    assert_eq!(server.requests(), 2 * REPLIES.len());
}

#[test]
fn a_paid_reply_without_an_answer_is_retried_at_most_once() {
    const REPLIES: &[Named] = &[
        ("a-other", || Reply::Status(200, chat(&"".into(), "OTHER"), Vec::new())),
        ("b-error", || Reply::Status(200, chat(&"{\"sai".into(), "error"), Vec::new())),
        ("c-failed", || {
            let mut reply = chat(&"".into(), "error");
            reply["choices"][0]["error"] = json!({"code": 502, "message": "upstream"});
            Reply::Status(200, reply, Vec::new())
        }),
        ("d-unknown", || Reply::Status(200, chat(&Value::Null, "glorp"), Vec::new())),
        ("e-thoughts", || said("<think>{\"said\":\"draft\"} or")),
        ("f-cut", || Reply::Status(200, chat(&"{\"said\":\"fi".into(), "glorp"), Vec::new())),
        ("g-length", || Reply::Status(200, chat(&"{\"said\":\"fi".into(), "MODEL-LENGTH"), Vec::new())),
        ("h-example", || said("As in {\"said\":\"draft\"}: {\"said\":7.5}")),
    ];
    const CODES: [&str; 8] =
        ["bad_reply", "bad_reply", "server_error", "bad_reply", "no_answer", "truncated", "truncated", "invalid_answer"];
    let (workspace, server) = workspace(REPLIES);
    let run = workspace.set("llm.preflight", false).run(["--job", "echo.toml"]).exits(3);
    let csv = run.csv("echo");
    assert_eq!(csv.column("failure_code"), CODES);
    assert_eq!(csv.column("attempts"), ["2"; 8]);
    assert_eq!(csv.column("said"), [""; 8]);
    assert_eq!(server.requests(), 2 * REPLIES.len());
    let limits: Vec<u64> = server
        .ledger()
        .asks
        .iter()
        .filter(|ask| ask.docid.as_deref() == Some("g-length"))
        .map(|ask| ask.body["max_tokens"].as_u64().unwrap())
        .collect();
    assert!(limits[1] > limits[0], "the second attempt has no more room: {limits:?}");
}

#[test]
fn a_reply_with_millions_of_values_fails_only_its_document() {
    const REPLIES: &[Named] = &[
        ("a-lists", || {
            let reply = chat(&GOOD.into(), "stop").to_string();
            Reply::StatusText(200, format!("{},\"padding\":[{}0]}}", reply.trim_end_matches('}'), "[],".repeat(1 << 20)))
        }),
        ("b-event", || Reply::StatusText(200, format!("data: [{}0]\n\n{}", "{},".repeat(1 << 20), stream(&[GOOD])))),
        ("c-plain", || said(GOOD)),
    ];
    let (workspace, _server) = workspace(REPLIES);
    let run = workspace.set("llm.preflight", false).run(["--job", "echo.toml"]).exits(3);
    let csv = run.csv("echo");
    assert_eq!(csv.column("failure_code"), ["bad_reply", "bad_reply", ""]);
    assert!(csv.column("failure_message").iter().take(2).all(|message| message.contains("too many JSON values")), "{csv:?}");
}
