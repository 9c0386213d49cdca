mod forms;
mod recorded;
mod streams;
mod table;

use super::*;
use crate::ask::fault::{Class, StopKind};
use crate::model::{FailureCode, FinishReason, MessagePart, Picture, Schema, Usage, Want};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn call(parts: Vec<MessagePart>) -> Call {
    Call {
        task: "assess".into(),
        axes: Vec::new(),
        model: "m".into(),
        system: "be brief".into(),
        parts,
        marks: Arc::default(),
        want: Want::Answer {
            schema: Arc::new(Schema::from(json!({
            "type": "object", "required": ["n", "list"], "additionalProperties": false,
            "properties": {
                "n": {"type": "integer", "minimum": 1, "maximum": 10, "description": "how good"},
                "list": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
                "share": {"type": "number", "minimum": -1, "maximum": 1}}}))),
            max_output_tokens: 100,
        },
        effort: None,
        tokens: 0,
        place: None,
        shared: 0,
    }
}

fn picture() -> MessagePart {
    let base64 = Bytes::from_static(b"QUJD");
    MessagePart::Picture(Arc::new(Picture {
        media_type: "image/png",
        base64,
        digest: "d".repeat(64),
        width: 1,
        height: 1,
        tokens: 1,
        most_tokens: 3,
    }))
}

fn extra(dialect: Dialect, room: u32, note: Option<&str>) -> Extra<'_> {
    let shape = Box::leak(Box::new(dialect.shape("gpt-6-luna", Map::new())));
    Extra { room, note, stream: false, cache: false, shape }
}

fn json_of(body: Body) -> Value {
    let bytes: Vec<u8> = body.into_pieces().concat();
    serde_json::from_slice(&bytes).unwrap()
}

fn read(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> Result<Reply, Fault> {
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    dialect.reply(&HttpReply { status, header: &header, body: body.as_bytes() })
}

#[test]
fn anthropic_requests_have_a_reduced_schema() {
    let body =
        json_of(Dialect::ANTHROPIC.request(&call(vec![picture(), MessagePart::Text("why?".into())]), &extra(Dialect::ANTHROPIC, 50, None)));
    assert_eq!(body["max_tokens"], 150);
    assert_eq!(body["messages"][0]["content"][0]["source"], json!({"type": "base64", "media_type": "image/png", "data": "QUJD"}));
    let properties = &body["output_config"]["format"]["schema"]["properties"];
    assert_eq!(properties["n"], json!({"type": "integer", "description": "how good", "enum": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}));
    assert_eq!(properties["list"], json!({"type": "array", "items": {"type": "string"}, "description": "Exactly 3 items"}));
    assert_eq!(properties["share"]["description"], "From -1 to 1");
    assert!(properties["share"].get("minimum").is_none());
}

#[test]
fn chat_completions_differ_between_openai_and_the_others() {
    let text = call(vec![MessagePart::Text("a".into()), MessagePart::Text("b".into())]);
    let ours = json_of(Dialect::OPENAI.request(&text, &extra(Dialect::OPENAI, 5, Some("again"))));
    assert_eq!((ours["messages"][0]["role"].as_str(), ours["max_completion_tokens"].as_u64()), (Some("developer"), Some(105)));
    assert_eq!(ours["messages"][1]["content"], "a\n\nb\n\nagain");
    assert_eq!(ours["response_format"]["json_schema"]["schema"]["properties"]["n"]["maximum"], 10);
    let theirs = json_of(Dialect::COMPATIBLE.request(&call(vec![picture()]), &extra(Dialect::COMPATIBLE, 0, None)));
    assert_eq!((theirs["messages"][0]["role"].as_str(), theirs["max_tokens"].as_u64()), (Some("system"), Some(100)));
    assert_eq!(theirs["messages"][1]["content"][0]["image_url"]["url"], "data:image/png;base64,QUJD");
}

#[test]
fn calls_on_one_image_share_its_bytes() {
    let part = picture();
    let MessagePart::Picture(shared) = &part else { panic!("picture expected") };
    let address = shared.base64.as_ptr();
    for &dialect in Dialect::ALL {
        let body = dialect.request(&call(vec![part.clone()]), &extra(dialect, 0, None));
        let length = body.len();
        let pieces = body.into_pieces();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].as_ptr(), address);
        assert_eq!(pieces.concat().len(), length);
    }
}

#[test]
fn the_stop_reason_is_read_before_the_text() {
    let anthropic = |reason: &str| {
        let body = json!({"content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "{}"}], "stop_reason": reason,
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": null, "output_tokens": 1}, "model": "m"});
        read(Dialect::ANTHROPIC, 200, &[("request-id", "req_1")], &body.to_string()).unwrap()
    };
    let reply = anthropic("end_turn");
    assert_eq!((reply.text.as_str(), reply.stop, reply.request_id.as_deref()), ("{}", FinishReason::Complete, Some("req_1")));
    assert_eq!(reply.usage, Usage { uncached_input: 3, cache_read: 2, cache_write: 0, output: 1 });
    assert_eq!(anthropic("max_tokens").stop, FinishReason::Truncated);
    assert_eq!(anthropic("refusal").stop, FinishReason::Refused("no reason given".into()));

    let openai = |message: Value, reason: &str| {
        let body = json!({"choices": [{"message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}});
        read(Dialect::COMPATIBLE, 200, &[], &body.to_string()).unwrap()
    };
    let reply = openai(json!({"content": "{}", "refusal": null}), "stop");
    assert_eq!((reply.stop, reply.usage), (FinishReason::Complete, Usage { uncached_input: 4, cache_read: 6, cache_write: 0, output: 4 }));
    assert_eq!(openai(json!({"content": null, "refusal": "no"}), "stop").stop, FinishReason::Refused("no".into()));
    assert_eq!(openai(json!({"content": "{"}), "length").stop, FinishReason::Truncated);
    assert_eq!(openai(json!({"content": ""}), "content_filter").stop, FinishReason::Filtered("content_filter".into()));
}

#[test]
fn errors_are_classified_by_code_before_status() {
    let error = |status: u16, headers: &[(&str, &str)], body: Value| {
        let fault = read(Dialect::OPENAI, status, headers, &body.to_string()).unwrap_err();
        (fault.class, fault.code)
    };
    let body = |code: &str, kind: &str| json!({"error": {"message": "m", "type": kind, "code": code}});
    let wait = |ms| Class::Refused { retry_after: Some(Duration::from_millis(ms)) };
    assert_eq!(error(429, &[("retry-after", "2")], body("rate_limit_exceeded", "tokens")), (wait(2000), FailureCode::RateLimited));
    assert_eq!(error(429, &[("retry-after-ms", "300"), ("retry-after", "9")], body("x", "y")), (wait(300), FailureCode::RateLimited));
    assert_eq!(error(429, &[], body("insufficient_quota", "insufficient_quota")).0, Class::RunFatal(StopKind::Refused));
    assert_eq!(error(401, &[], body("invalid_api_key", "x")).0, Class::RunFatal(StopKind::Refused));
    assert_eq!(error(400, &[], body("context_length_exceeded", "x")), (Class::Permanent, FailureCode::TooLong));
    assert_eq!(error(400, &[], body("invalid_image_format", "x")), (Class::Permanent, FailureCode::Rejected));
    assert_eq!(error(503, &[], body("server_is_overloaded", "x")), (Class::Refused { retry_after: None }, FailureCode::Overloaded));
    assert_eq!(error(200, &[], json!({"error": {"code": 429, "message": "upstream"}})).1, FailureCode::RateLimited);
    let anthropic = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "m", "details": {"error_code": "enforced_spend_limit_reached"}}});
    assert_eq!(error(429, &[], anthropic).0, Class::RunFatal(StopKind::Parked));
}

#[test]
fn a_wait_may_be_a_date() {
    let headers = [("retry-after", "Fri, 20 Nov 2026 10:00:07 GMT"), ("date", "Fri, 20 Nov 2026 10:00:00 GMT")];
    let fault = read(Dialect::ANTHROPIC, 429, &headers, "{}").unwrap_err();
    assert_eq!(fault.class, Class::Refused { retry_after: Some(Duration::from_secs(7)) });
}

#[test]
fn an_html_page_is_classified_by_its_status() {
    let page = "<html>\n<h1>413 Request Entity Too Large</h1>";
    let fault = read(Dialect::ANTHROPIC, 413, &[], page).unwrap_err();
    assert_eq!((fault.class, fault.code), (Class::Permanent, FailureCode::TooLong));
    assert_eq!(fault.message, "HTTP 413: <html> <h1>413 Request Entity Too Large</h1>");
    assert_eq!(read(Dialect::ANTHROPIC, 200, &[], page).unwrap_err().class, Class::Ambiguous);
}

#[test]
fn gemini_requests_have_geminis_form() {
    let call = Call { effort: Some("low".into()), ..call(vec![picture(), MessagePart::Text("why?".into())]) };
    let body = json_of(Dialect::GEMINI.request(&call, &extra(Dialect::GEMINI, 50, Some("again"))));
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "be brief");
    let parts = &body["contents"][0]["parts"];
    assert_eq!(parts[0], json!({"inlineData": {"mimeType": "image/png", "data": "QUJD"}}));
    assert_eq!((&parts[1]["text"], &parts[2]["text"]), (&json!("why?"), &json!("again")));
    let config = &body["generationConfig"];
    assert_eq!((&config["maxOutputTokens"], &config["responseMimeType"]), (&json!(150), &json!("application/json")));
    assert_eq!(config["thinkingConfig"]["thinkingLevel"], "LOW");
    assert_eq!(config["responseJsonSchema"]["properties"]["n"]["maximum"], 10);
    assert_eq!((Dialect::GEMINI.endpoint.path)("models/a b/c", true), "/models/a%20b%2Fc:streamGenerateContent?alt=sse");
}

#[test]
fn geminis_replies_without_an_answer_are_classified() {
    let reply = |candidate: Value| {
        let usage = json!({"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 5, "thoughtsTokenCount": 7});
        let body = json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x"});
        read(Dialect::GEMINI, 200, &[], &body.to_string())
    };
    let parts = json!({"parts": [{"text": "hm", "thought": true}, {"text": "{}"}]});
    let whole = reply(json!({"content": parts, "finishReason": "STOP"})).unwrap();
    assert_eq!(
        (whole.text.as_str(), whole.stop, whole.usage),
        ("{}", FinishReason::Complete, Usage { uncached_input: 60, cache_read: 40, cache_write: 0, output: 12 })
    );
    assert_eq!(reply(json!({"finishReason": "MAX_TOKENS"})).unwrap().stop, FinishReason::Truncated);
    assert_eq!(reply(json!({"finishReason": "RECITATION"})).unwrap().stop, FinishReason::Filtered("RECITATION".into()));
    assert_eq!(reply(json!({"finishReason": "MALFORMED_RESPONSE"})).unwrap_err().class, Class::BadReply);
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}});
    assert_eq!(read(Dialect::GEMINI, 200, &[], &blocked.to_string()).unwrap().stop, FinishReason::Filtered("SAFETY".into()));
    assert_eq!(read(Dialect::GEMINI, 200, &[], "{}").unwrap_err().class, Class::Ambiguous);
}

#[test]
fn the_shared_beginning_is_marked_and_unwanted_caching_switched_off() {
    let call = Call { shared: 1, ..call(vec![picture(), MessagePart::Text("why?".into())]) };
    let body = |dialect, cache| json_of(dialect_request(dialect, &call, cache));
    let anthropic = body(Dialect::ANTHROPIC, true);
    assert_eq!(anthropic["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(anthropic["messages"][0]["content"][1].get("cache_control").is_none());
    assert!(!body(Dialect::ANTHROPIC, false).to_string().contains("cache_control"));
    let openai = body(Dialect::OPENAI, true);
    assert_eq!(openai["messages"][1]["content"][0]["prompt_cache_breakpoint"], json!({"mode": "explicit"}));
    let openai = body(Dialect::OPENAI, false);
    assert_eq!((&openai["prompt_cache_options"], openai.to_string().contains("breakpoint")), (&json!({"mode": "explicit"}), false));
    assert!(!body(Dialect::COMPATIBLE, true).to_string().contains("prompt_cache"));
}

fn dialect_request(dialect: Dialect, call: &Call, cache: bool) -> Body {
    dialect.request(call, &Extra { cache, ..extra(dialect, 0, None) })
}

#[test]
fn a_server_without_schemas_gets_the_schema_in_the_prompt() {
    let mut shape = Dialect::COMPATIBLE.shape("m", [("temperature".to_owned(), json!(0.5))].into_iter().collect());
    shape.schema = SchemaStyle::Prompt;
    let extra = Extra { stream: true, shape: &shape, ..extra(Dialect::COMPATIBLE, 0, None) };
    let body = json_of(Dialect::COMPATIBLE.request(&call(vec![MessagePart::Text("a".into())]), &extra));
    assert!(body.get("response_format").is_none());
    assert!(body["messages"][1]["content"].as_str().unwrap().contains(r#""maximum":10"#));
    assert_eq!(
        (&body["temperature"], &body["stream"], &body["stream_options"]["include_usage"]),
        (&json!(0.5), &json!(true), &json!(true))
    );
}

#[test]
fn responses_requests_are_not_stored_and_replies_name_their_end() {
    let call = Call { shared: 1, effort: Some("low".into()), ..call(vec![picture(), MessagePart::Text("why?".into())]) };
    let body = json_of(dialect_request(Dialect::RESPONSES, &call, true));
    assert_eq!((&body["store"], &body["instructions"], &body["reasoning"]["effort"]), (&json!(false), &json!("be brief"), &json!("low")));
    let content = &body["input"][0]["content"];
    assert_eq!(content[0]["image_url"], "data:image/png;base64,QUJD");
    assert_eq!((&content[0]["prompt_cache_breakpoint"]["mode"], &content[1]["text"]), (&json!("explicit"), &json!("why?")));
    let reply = |status: &str, why: Value, piece: Value| {
        let usage = json!({"input_tokens": 50, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 6});
        let output = json!([{"type": "reasoning"}, {"type": "message", "content": [piece]}]);
        let body = json!({"status": status, "incomplete_details": {"reason": why}, "output": output, "usage": usage, "error": null});
        read(Dialect::RESPONSES, 200, &[], &body.to_string())
    };
    let text = json!({"type": "output_text", "text": "{}"});
    let whole = reply("completed", Value::Null, text.clone()).unwrap();
    assert_eq!(
        (whole.text.as_str(), whole.stop, whole.usage.uncached_input, whole.usage.cache_read),
        ("{}", FinishReason::Complete, 10, 40)
    );
    assert_eq!(reply("incomplete", json!("max_output_tokens"), text.clone()).unwrap().stop, FinishReason::Truncated);
    assert_eq!(reply("incomplete", json!("content_filter"), text).unwrap().stop, FinishReason::Filtered("content_filter".into()));
    assert_eq!(
        reply("completed", Value::Null, json!({"type": "refusal", "refusal": "no"})).unwrap().stop,
        FinishReason::Refused("no".into())
    );
    let failed = json!({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}, "output": []});
    assert_eq!(read(Dialect::RESPONSES, 200, &[], &failed.to_string()).unwrap_err().code, FailureCode::RateLimited);
}
