//! A model server without logic: the same answer to everybody, after a latency.

use super::child::{Background, myself};
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

pub const MODE: &str = "serve";

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","model":"bench","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"{\"title\":\"A title of some words for this text\"}"}}],"usage":{"prompt_tokens":500,"completion_tokens":20,"total_tokens":520}}"#;

/// What the first document of [`super::throughput::texts`] says.
const FIRST: &[u8] = b"docid:0000000 ";

/// Whether the slow answer was given.
static SLOW_ONCE: AtomicBool = AtomicBool::new(false);
/// Requests so far.
static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Serves until it is killed; says its address first. The first document takes `slow_ms` more, once.
pub fn serve(latency_ms: u64, slow_ms: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = move |body: Bytes| async move {
            REQUESTS.fetch_add(1, Relaxed);
            let slow = slow_ms > 0 && body.windows(FIRST.len()).any(|part| part == FIRST) && !SLOW_ONCE.swap(true, Relaxed);
            let wait = latency_ms + if slow { slow_ms } else { 0 };
            if wait > 0 {
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            ([(CONTENT_TYPE, "application/json")], ANSWER)
        };
        let count = || async { REQUESTS.load(Relaxed).to_string() };
        let app = Router::new().route("/v1/chat/completions", post(answer)).route("/count", get(count));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    });
}

/// Starts a server as a process of its own.
pub fn start(latency_ms: u64) -> (Background, String) {
    start_with_straggler(latency_ms, 0)
}

/// The same; the first document takes `slow_ms` more.
pub fn start_with_straggler(latency_ms: u64, slow_ms: u64) -> (Background, String) {
    let mut child = myself(&[MODE, &latency_ms.to_string(), &slow_ms.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (Background(child), url.trim().to_owned())
}
