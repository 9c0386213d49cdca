//! Replies in undocumented forms that servers really send.

use super::read;
use crate::ask::dialect::Dialect;
use crate::ask::fault::Class;
use crate::model::{FailureCode, FinishReason, Repair, Reply, Usage};
use serde_json::{Value, json};

const ANSWER: &str = r#"{"a":"ä€"}"#;

fn chat(message: &Value, finish: &Value) -> Value {
    json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
}

fn chunks(texts: &[&str], finish: &str) -> Vec<Value> {
    let chunk =
        |delta: Value, finish: Value| json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let mut chunks: Vec<Value> = texts.iter().map(|text| chunk(json!({"content": text}), Value::Null)).collect();
    let mut last = chunk(json!({}), finish.into());
    last["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 5});
    chunks.push(last);
    chunks
}

fn events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn gemini(parts: &Value, finish: &str) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": finish}], "modelVersion": "m",
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5}})
}

/// Reads `body` as a plain reply, and as a cut stream.
///
/// The stream is cut once at every position.
fn both(dialect: Dialect, body: &str) -> Reply {
    let plain = read(dialect, 200, &[], body).unwrap_or_else(|fault| panic!("{body}: {fault:?}"));
    for cut in 0..body.len() {
        let mut reader = dialect.stream();
        reader.push(&body.as_bytes()[..cut]);
        reader.push(&body.as_bytes()[cut..]);
        let reply = match reader.body() {
            Some(whole) => read(dialect, 200, &[], std::str::from_utf8(whole).unwrap()),
            None => reader.finish(&|_| None, None),
        };
        assert_eq!(reply.as_ref(), Ok(&plain), "{body} cut at {cut}");
    }
    plain
}

#[test]
fn an_answer_is_read_in_every_form() {
    let whole = chat(&json!({"role": "assistant", "content": ANSWER, "refusal": ""}), &json!("stop"));
    let [first, second] = [&ANSWER[..5], &ANSWER[5..]];
    let parts = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "{}"}]}, {"type": "text", "text": ANSWER}]);
    let mut listed = chunks(&[second], "stop");
    listed
        .insert(0, json!({"choices": [{"delta": {"content": [{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": first}]}}]}));
    let stream = events(&chunks(&[first, second], "stop"));
    let commentary = json!({"type": "message", "phase": "commentary", "content": [{"type": "output_text", "text": "{}"}]});
    let message = json!({"type": "message", "phase": "final_answer", "content": [{"type": "output_text", "text": ANSWER}]});
    let response = |output: Value| json!({"object": "response", "status": "completed", "error": null, "output": output, "model": "m", "usage": {"input_tokens": 10, "output_tokens": 5}});
    let item = |item: &Value| json!({"type": "response.output_item.done", "item": item});
    let completed = |output: Value| json!({"type": "response.completed", "response": response(output)});
    let anthropic = json!({"type": "message", "content": [{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": ANSWER}],
        "model": "m", "stop_reason": "end_turn", "usage": {"input_tokens": 10, "output_tokens": 5}});
    let forms: Vec<(Dialect, String, &[Repair])> = vec![
        (Dialect::COMPATIBLE, whole.to_string(), &[]),
        (Dialect::COMPATIBLE, format!("\n\n \n{whole:#}\r\n"), &[]),
        (Dialect::COMPATIBLE, format!("\u{feff}{whole}"), &[Repair::ReplyForm]),
        (Dialect::COMPATIBLE, format!("{whole}\n\ndata: [DONE]\n\n"), &[Repair::ReplyForm]),
        (Dialect::COMPATIBLE, chat(&json!({"content": parts, "reasoning_content": "{}"}), &json!("stop")).to_string(), &[]),
        (Dialect::COMPATIBLE, chat(&json!({"content": {"a": "ä€"}}), &Value::Null).to_string(), &[]),
        (Dialect::COMPATIBLE, chat(&json!({"content": ANSWER}), &json!("glorp")).to_string(), &[]),
        (
            Dialect::COMPATIBLE,
            chat(&json!({"content": null, "tool_calls": [{"function": {"name": "json", "arguments": ANSWER}}]}), &json!("tool_calls"))
                .to_string(),
            &[],
        ),
        (Dialect::COMPATIBLE, json!({"choices": [{"text": ANSWER}], "model": "m", "usage": whole["usage"]}).to_string(), &[]),
        // These streams were not requested, or have wrong separators between events.
        (Dialect::COMPATIBLE, format!("{stream}data: [DONE]\n\n"), &[]),
        (Dialect::COMPATIBLE, stream.clone(), &[]),
        (Dialect::COMPATIBLE, format!("\u{feff}{stream}"), &[]),
        (Dialect::COMPATIBLE, format!(": hi\n\nid: 7\n{stream}"), &[]),
        (Dialect::COMPATIBLE, stream.replace("\n\n", "\n"), &[]),
        (Dialect::COMPATIBLE, stream.replace("\n\n", "\r\n\r\n"), &[]),
        (Dialect::COMPATIBLE, stream.replace("data: ", ""), &[]),
        (Dialect::COMPATIBLE, events(&listed), &[]),
        // These are a complete reply to a request for a stream, and a stream of one event.
        (Dialect::COMPATIBLE, format!("data: {whole}\n\ndata: [DONE]\n\n"), &[]),
        (Dialect::COMPATIBLE, format!("[{whole}]"), &[]),
        (Dialect::RESPONSES, response(json!([{"type": "reasoning", "summary": []}, commentary, message])).to_string(), &[]),
        (Dialect::RESPONSES, events(&[item(&commentary), item(&message), completed(json!([]))]), &[]),
        (Dialect::RESPONSES, events(&[item(&message), completed(json!([commentary, message]))]), &[]),
        (Dialect::RESPONSES, events(&[response(json!([message]))]), &[]),
        (Dialect::ANTHROPIC, anthropic.to_string(), &[]),
        (Dialect::ANTHROPIC, events(&[anthropic]), &[]),
        (Dialect::GEMINI, gemini(&json!([{"text": "{}", "thought": true}, {"text": ANSWER}]), "STOP").to_string(), &[]),
        (
            Dialect::GEMINI,
            json!([{"candidates": [{"content": {"parts": [{"text": first}]}}]}, gemini(&json!([{"text": second}]), "STOP")]).to_string(),
            &[],
        ),
    ];
    for (dialect, body, repairs) in forms {
        let reply = both(dialect, &body);
        assert_eq!((reply.text.as_str(), reply.usage.input(), reply.usage.output), (ANSWER, 10, 5), "{body}");
        assert_eq!(reply.stop, FinishReason::Complete, "{body}");
        assert_eq!(reply.repaired, repairs.iter().copied().collect(), "{body}");
    }
}

#[test]
fn half_a_surrogate_pair_becomes_one_replacement_character() {
    let whole = chat(&json!({"content": "{\"a\":\"?\"}"}), &json!("stop")).to_string().replace('?', "\\ud83d");
    let stream = events(&chunks(&["{\"a\":\"?", "\"}"], "stop")).replace('?', "\\ud83d");
    for body in [whole, stream] {
        let reply = both(Dialect::COMPATIBLE, &body);
        assert_eq!(
            (reply.text.as_str(), reply.repaired),
            ("{\"a\":\"\u{fffd}\"}", [Repair::LoneSurrogate].into_iter().collect()),
            "{body}"
        );
    }
}

#[test]
fn a_reply_with_only_thoughts_has_no_answer() {
    let thoughts = json!([{"type": "message", "phase": "commentary", "content": [{"type": "output_text", "text": "{}"}]}]);
    for (dialect, body) in [
        (Dialect::COMPATIBLE, chat(&json!({"content": null, "reasoning_content": "{}"}), &json!("stop"))),
        (Dialect::COMPATIBLE, chat(&json!({"content": "", "reasoning": "{}"}), &json!("stop"))),
        (Dialect::COMPATIBLE, chat(&json!({"content": [{"type": "thinking", "thinking": "{}"}]}), &json!("stop"))),
        (Dialect::RESPONSES, json!({"status": "completed", "output": thoughts})),
        (Dialect::ANTHROPIC, json!({"content": [{"type": "thinking", "thinking": "{}"}], "stop_reason": "end_turn"})),
        (Dialect::GEMINI, gemini(&json!([{"text": "{}", "thought": true}]), "STOP")),
    ] {
        assert_eq!(read(dialect, 200, &[], &body.to_string()).map(|reply| reply.text), Ok(String::new()), "{body}");
    }
}

#[test]
fn a_finish_reason_means_the_same_in_every_dialect() {
    let reply = |dialect: Dialect, word: &str| {
        let body = match dialect.name {
            "anthropic" => json!({"content": [{"type": "text", "text": "{}"}], "stop_reason": word, "usage": {"input_tokens": 3}}),
            "openai-responses" => json!({"status": "incomplete", "incomplete_details": {"reason": word}, "usage": {"input_tokens": 3},
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "{}"}]}]}),
            "gemini" => gemini(&json!([{"text": "{}"}]), word),
            _ => chat(&json!({"content": "{}"}), &json!(word)),
        };
        read(dialect, 200, &[], &body.to_string()).map(|reply| reply.stop)
    };
    for &dialect in Dialect::ALL {
        for word in ["length", "MAX_TOKENS", "max_output_tokens", "model_length"] {
            assert_eq!(reply(dialect, word), Ok(FinishReason::Truncated), "{dialect:?} {word}");
        }
        assert_eq!(reply(dialect, "content-filter"), Ok(FinishReason::Filtered("content-filter".into())), "{dialect:?}");
        let fault = reply(dialect, "model_context_window_exceeded").unwrap_err();
        assert_eq!((fault.class, fault.code), (Class::Permanent, FailureCode::TooLong));
        let fault = reply(dialect, "MALFORMED_RESPONSE").unwrap_err();
        assert_eq!((fault.class, fault.code, fault.usage.input() > 0), (Class::BadReply, FailureCode::BadReply, true));
    }
}

#[test]
fn only_a_billed_failure_is_a_bad_reply() {
    let failed =
        |usage: Value| json!({"status": "failed", "error": {"code": "server_error", "message": "m"}, "output": [], "usage": usage});
    let free = read(Dialect::RESPONSES, 200, &[], &failed(Value::Null).to_string()).unwrap_err();
    assert_eq!((free.class, free.usage), (Class::Refused { retry_after: None }, Usage::default()));
    let paid = read(Dialect::RESPONSES, 200, &[], &failed(json!({"input_tokens": 10, "output_tokens": 2})).to_string()).unwrap_err();
    assert_eq!((paid.class, paid.code, paid.usage.input()), (Class::BadReply, FailureCode::ServerError, 10));
    let upstream = json!({"choices": [{"error": {"code": 502, "message": "m"}, "finish_reason": "error"}], "usage": {"prompt_tokens": 10}});
    assert_eq!(read(Dialect::COMPATIBLE, 200, &[], &upstream.to_string()).unwrap_err().class, Class::BadReply);
}

#[test]
fn events_of_any_form_are_read_without_a_panic() {
    let pieces = [
        json!({"type": "message_start", "message": "x"}),
        json!({"type": "message_start", "message": {"usage": 7, "content": 7}}),
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}}),
        json!({"type": "content_block_start", "content_block": {"type": "text", "text": {"x": 1}}}),
        json!({"type": "message_delta", "delta": 7, "usage": {"x": []}}),
        json!({"type": "message", "content": []}),
        json!({"choices": [{"message": {}}]}),
        json!({"choices": {"x": 1}}),
        json!({"choices": [{"delta": {"content": [[]]}}]}),
        json!({"choices": [7], "usage": {}}),
        json!({"type": "response.completed", "response": 7}),
        json!({"type": "response.failed"}),
        json!({"output": [], "choices": 7}),
        json!({"candidates": [{"content": {"parts": [7, {"text": 7}]}}]}),
        json!({"candidates": [7]}),
        json!({"promptFeedback": 7, "usageMetadata": 7}),
        json!([]),
        json!(7),
        json!({"error": 7}),
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for dialect in [Dialect::ANTHROPIC, Dialect::COMPATIBLE, Dialect::RESPONSES, Dialect::GEMINI] {
        for _ in 0..3000 {
            let some: Vec<Value> = (0..random.usize(1..5)).map(|_| pieces[random.usize(..pieces.len())].clone()).collect();
            for body in [events(&some), Value::from(some).to_string()] {
                // The result does not matter here.
                drop(read(dialect, 200, &[], &body));
            }
        }
    }
}
