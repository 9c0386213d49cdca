//! Tests streams that are cut at every position.

use crate::ask::dialect::{Body, Dialect};
use crate::ask::fault::{Class, Fault, Pressure};
use crate::model::{FailureCode, FinishReason, Repair, Reply, Usage};
use serde_json::json;

const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","role":"assistant","model":"claude-haiku-5-5","content":[],"stop_reason":null,"usage":{"input_tokens":42,"cache_read_input_tokens":7,"cache_creation_input_tokens":0,"output_tokens":1}}}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"{\"a\":\""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"ä€\"}"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}

event: message_stop
data: {"type":"message_stop"}

"#;

const OPENAI: &str = r#"data: {"id":"c","choices":[],"prompt_filter_results":[]}

: OPENROUTER PROCESSING

data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"{\"a\":\""},"finish_reason":""}]}

data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"ä€\"}"},"finish_reason":null}]}

data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":49,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":7}}}

data: [DONE]

"#;

const GEMINI: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":\"{\\\"a\\\":\\\"\"}]}}],\"modelVersion\":\"m\"}\r\n\r\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ä€\\\"}\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":49,\"cachedContentTokenCount\":7,\"candidatesTokenCount\":4,\"thoughtsTokenCount\":5}}\r\n\r\n";

const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"{\\\"a\\\":\\\"\"}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"ä€\\\"}\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"{\\\"a\\\":\\\"ä€\\\"}\"}]}],\"usage\":{\"input_tokens\":49,\"input_tokens_details\":{\"cached_tokens\":7},\"output_tokens\":9}}}\n\n";

/// Streams, each with the text that ends the answer.
const STREAMS: [(Dialect, &str, &str); 4] = [
    (Dialect::ANTHROPIC, ANTHROPIC, "\"output_tokens\":9}}\n"),
    (Dialect::OPENAI, OPENAI, "\"finish_reason\":\"stop\"}]}\n"),
    (Dialect::RESPONSES, RESPONSES, "\"output_tokens\":9}}}\n"),
    (Dialect::GEMINI, GEMINI, "\"thoughtsTokenCount\":5}}\r"),
];

fn read<'b>(dialect: Dialect, chunks: impl IntoIterator<Item = &'b [u8]>) -> (String, Result<Reply, Fault>) {
    let mut reader = dialect.stream();
    let text = chunks.into_iter().map(|chunk| reader.push(chunk)).collect();
    (text, reader.finish(&|_| None, None))
}

#[test]
fn a_streamed_reply_does_not_depend_on_the_sizes_of_chunks() {
    let mut random = fastrand::Rng::with_seed(3);
    for (dialect, stream, _) in STREAMS {
        for _ in 0..200 {
            let mut rest = stream.as_bytes();
            let mut chunks = Vec::new();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(random.usize(1..=rest.len().min(60)));
                chunks.push(chunk);
                rest = after;
            }
            let (text, reply) = read(dialect, chunks);
            let reply = reply.unwrap();
            assert_eq!((text.as_str(), reply.text.as_str()), ("{\"a\":\"ä€\"}", "{\"a\":\"ä€\"}"));
            assert_eq!(
                (reply.stop, reply.usage),
                (FinishReason::Complete, Usage { uncached_input: 42, cache_read: 7, cache_write: 0, output: 9 })
            );
        }
    }
}

#[test]
fn a_stream_that_ends_before_the_model_has_finished_is_a_lost_reply() {
    for (dialect, stream, finished) in STREAMS {
        let finished = stream.find(finished).unwrap() + finished.len() - 1;
        for cut in 0..stream.len() {
            let (_, reply) = read(dialect, [&stream.as_bytes()[..cut]]);
            match reply {
                Ok(_) => assert!(cut >= finished, "{dialect:?} cut at {cut} of {finished} is complete"),
                Err(fault) => {
                    assert!(cut < finished, "{dialect:?} cut at {cut} is a fault: {fault:?}");
                    assert_eq!((fault.class, fault.code), (Class::Ambiguous, FailureCode::LostReply));
                }
            }
        }
    }
}

#[test]
fn an_error_in_the_middle_of_a_stream_may_be_billed() {
    let begin = &ANTHROPIC[..ANTHROPIC.find("event: ping").unwrap()];
    let stream = format!(
        "{begin}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}}}\n\n"
    );
    let fault = read(Dialect::ANTHROPIC, [stream.as_bytes()]).1.unwrap_err();
    assert_eq!((fault.code, fault.usage.input()), (FailureCode::Overloaded, 49));
    let stream = "data: {\"error\":{\"code\":429,\"message\":\"slow\"}}\n\n";
    assert_eq!(read(Dialect::COMPATIBLE, [stream.as_bytes()]).1.unwrap_err().code, FailureCode::RateLimited);
}

#[test]
fn text_that_a_stream_error_repeats_from_the_document_is_ignored() {
    let document = "We met the rate limit, and our account is suspended. The prompt is too long.";
    let asked = Body::new(&json!({"messages": [{"role": "user", "content": document}]}), &[]);
    let message = format!("the grammar failed after: {document}");
    let begin = "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n";
    let in_choice = json!({"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 502, "message": message}}]});
    for error in [json!({"error": {"message": message, "code": 500}}), in_choice, json!({"error": {"message": message}})] {
        let mut reader = Dialect::COMPATIBLE.stream();
        reader.push(format!("{begin}data: {error}\n\n").as_bytes());
        let fault = reader.finish(&|_| None, Some(&asked)).unwrap_err();
        assert!(!fault.message.contains("suspended") && fault.message.contains("the grammar failed"), "{}", fault.message);
        assert_eq!((&fault.code, fault.pressure), (&FailureCode::ServerError, Pressure::None), "{error}");
    }
}

#[test]
fn a_character_split_between_two_events_is_joined() {
    let openai = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let anthropic =
        |text: &str| format!("data: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n");
    let gemini = |text: &str| format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\n\n");
    let stream = |pieces: [&str; 3], dialect: Dialect| {
        let (begin, end, event): (_, _, &dyn Fn(&str) -> String) = match dialect.name {
            "anthropic" => {
                let end = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n";
                ("data: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n", end, &anthropic)
            }
            "gemini" => ("", "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n", &gemini),
            _ => ("", "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", &openai),
        };
        let stream = format!("{begin}{}{end}", pieces.map(event).concat());
        read(dialect, [stream.as_bytes()]).1.unwrap()
    };
    for dialect in [Dialect::COMPATIBLE, Dialect::ANTHROPIC, Dialect::GEMINI] {
        let reply = stream(["a\\ud83d", "\\ude00b", "\\ud83d\\ude00"], dialect);
        assert_eq!((reply.text.as_str(), reply.repaired.len()), ("a😀b😀", 0), "{dialect:?}");
        let reply = stream(["a\\ud83d", "b", "\\ude00"], dialect);
        assert_eq!(reply.text, "a\u{fffd}b\u{fffd}");
        assert!(reply.repaired.contains(&Repair::LoneSurrogate), "{dialect:?}");
    }
}

#[test]
fn a_streamed_tool_call_is_an_answer() {
    let event = |delta: &serde_json::Value, finish: &serde_json::Value| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    let piece = |id: Option<&str>, index: Option<u64>, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "function": {"name": "json", "arguments": arguments}}]});
    let end = event(&json!({}), &json!("tool_calls"));
    let text = |pieces: &[serde_json::Value]| {
        let pieces: String = pieces.iter().map(|delta| event(delta, &json!(null))).collect();
        read(Dialect::COMPATIBLE, [format!("{pieces}{end}").as_bytes()]).1.unwrap().text
    };
    assert_eq!(text(&[piece(Some("a"), Some(0), "{\"a\""), piece(None, Some(0), ":1}")]), "{\"a\":1}");
    assert_eq!(text(&[piece(Some("a"), None, "{\"a\":"), piece(Some("a"), None, "1}")]), "{\"a\":1}");
    assert_eq!(text(&[json!({"tool_calls": [{"function": {"arguments": {"a": 1}}}]})]), "{\"a\":1}");
    // Two calls are ambiguous, so neither is the answer. A text has priority over a call.
    assert_eq!(text(&[piece(Some("a"), Some(0), "{}"), piece(Some("b"), Some(1), "{}")]), "");
    assert_eq!(text(&[piece(Some("a"), Some(0), "{}"), json!({"content": "{\"b\":2}"})]), "{\"b\":2}");
}
